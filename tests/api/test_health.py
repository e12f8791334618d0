"""What health paths say, in the words of a kube-apiserver: measured, and with the reason."""

import asyncio
import itertools

import pytest

from kcpfast.api.pages import health
from kcpfast.api.pages.health import CHECKS
from kcpfast.store.contract import Full, StoreError, StoreState
from tests.fix_inside import Inside

SHORT = "the disk is nearly full: there is room for 5 KiB"
GONE = "the store has stopped writing: OSError: [Errno 5] Input/output error"
STATES = {
    "well": (StoreState(), None, set()),
    "short": (StoreState(short=SHORT), None, {"readyz"}),
    "full": (StoreState(short=SHORT, full=True), None, {"readyz"}),
    "failed": (StoreState(failed=GONE), None, {"readyz", "livez", "healthz"}),
    "cannot write": (StoreState(), StoreError("cannot write: why"), {"readyz"}),
    "no room": (StoreState(), Full("no space left on the disk"), {"readyz"}),
}


def arrange(inside: Inside, state: StoreState, error: Exception | None) -> list[int]:
    """Let the store be in a state, and its probes end with an error; return their numbers."""
    probes: list[int] = []

    async def probe() -> None:
        probes.append(len(probes))
        if error is not None:
            raise error

    inside.store.state = lambda: state  # type: ignore[method-assign]
    inside.store.probe = probe  # type: ignore[method-assign]
    return probes


async def ask(inside: Inside, path: str) -> tuple[int, str]:
    got = await inside.send("GET", path, token="master")
    return got.status, got.body["text"]


@pytest.mark.parametrize(
    ("path", "name"), list(itertools.product(["readyz", "livez", "healthz"], STATES))
)
async def test_a_path_is_red_when_it_must_be(inside: Inside, path: str, name: str) -> None:
    state, error, red = STATES[name]
    arrange(inside, state, error)
    inside.at = ""
    reason = state.failed or str(error or "") or state.short
    lines = [f"[+]{check} ok" for check in CHECKS]
    if path not in red:
        text = "\n".join([*lines, f"{path} check passed", ""])
        assert await ask(inside, f"/{path}") == (200, "ok")
        assert await ask(inside, f"/{path}/etcd") == (200, "ok")
        assert await ask(inside, f"/{path}?verbose") == (200, text)
        return
    lines[CHECKS.index("etcd")] = f"[-]etcd failed: {reason}"
    text = "\n".join([*lines, f"{path} check failed", ""])
    assert await ask(inside, f"/{path}") == (500, text)
    assert await ask(inside, f"/{path}?verbose") == (500, text)
    assert await ask(inside, f"/{path}/etcd") == (500, f"internal server error: {reason}\n")
    assert await ask(inside, f"/{path}/ping") == (200, "ok")
    assert await ask(inside, f"/{path}?exclude=etcd") == (200, "ok")


async def test_many_probes_are_one_write(inside: Inside) -> None:
    probes = arrange(inside, StoreState(), None)
    inside.at = ""
    answers = await asyncio.gather(*(ask(inside, "/readyz") for _ in range(50)))
    assert set(answers) == {(200, "ok")}
    assert len(probes) == 1


async def test_a_store_that_does_not_answer(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrange(inside, StoreState(), None)
    forever = asyncio.Event()
    inside.store.probe = forever.wait  # type: ignore[method-assign, assignment]
    monkeypatch.setattr(health, "_PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(health, "_STUCK_SECONDS", {"readyz": 0.01, "livez": 600, "healthz": 600})
    inside.at = ""
    status, text = await ask(inside, "/readyz/etcd")
    assert (status, text[:60]) == (
        500,
        "internal server error: the store has not answered for 0 s\n",
    )
    assert await ask(inside, "/livez") == (200, "ok")
    monkeypatch.setattr(health, "_STUCK_SECONDS", {"readyz": 0.01, "livez": 0.0, "healthz": 600})
    assert (await ask(inside, "/livez"))[0] == 500
    forever.set()


@pytest.mark.parametrize("backing", ["lmdb"], indirect=True)
async def test_a_probe_writes_and_reads(inside: Inside) -> None:
    before = inside.store.revision()
    inside.at = ""
    assert await ask(inside, "/readyz") == (200, "ok")
    assert inside.store.revision() == before, "nobody's watch hears of it"
