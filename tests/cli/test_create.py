"""ws create, create workspace: what is asked of the server, and what is said."""

from pathlib import Path
from typing import Any

import pytest

from kcpfast.cli.failure import Failure
from kcpfast.cli.ws.create import selector_of, type_of
from tests.fix_cli import Cli, Fake, furnish, status, workspace, workspaces

POST, ONE = f"POST {workspaces('root')}", f"GET {workspaces('root', 'x')}"
READY = 'Workspace "x" (type root:universal) is ready to use.\n'
EXISTS = (409, status(409, "AlreadyExists", 'workspaces.tenancy.kcp.io "x" already exists'))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, config: Path, fake: Fake) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    fake.answers[POST] = (201, workspace(fake, "root:x"))
    furnish(fake, "root:x")


@pytest.mark.parametrize("form", ["ws create", "create workspace", "create-workspace"])
def test_create_is_ready_at_once(form: str, fake: Fake, cli: Cli) -> None:
    assert cli(*form.split(), "x") == (0, READY, "")
    assert fake.bodies(POST) == [
        {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": "x"},
            "spec": {},
        }
    ]


def test_create_waits(fake: Fake, cli: Cli) -> None:
    new = workspace(fake, "root:x", phase="Scheduling")
    fake.answers[POST] = (201, new)
    missing = (404, status(404, "NotFound", "not yet"))
    fake.answers[ONE] = [missing, new, workspace(fake, "root:x")]
    waiting = 'Workspace "x" (type root:universal) created. Waiting for it to be ready...\n'
    assert cli("ws", "create", "x") == (0, waiting + READY, "")


def test_create_gives_up(fake: Fake, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    new = workspace(fake, "root:x", phase="Initializing")
    new["status"]["initializers"] = ["root:slow"]
    fake.answers |= {POST: (201, new), ONE: new}
    clock = iter(range(0, 1000, 25))
    monkeypatch.setattr("kcpfast.cli.ws.create.time.monotonic", lambda: next(clock))
    result = cli("create", "workspace", "x")
    assert result.code == 1
    why = "phase Initializing; waiting for root:slow"
    assert result.err == f'Error: workspace "x" is not ready after 60s ({why})\n'


@pytest.mark.parametrize(
    ("flags", "spec"),
    [
        ("--type team", {"type": {"name": "team"}}),
        ("--type Team", {"type": {"name": "team"}}),
        ("--type root:org:team", {"type": {"name": "team", "path": "root:org"}}),
        ("--type :root:team", {"type": {"name": "team", "path": "root"}}),
        ("--location-selector a=b", {"location": {"selector": {"matchLabels": {"a": "b"}}}}),
    ],
)
def test_create_spec(flags: str, spec: dict[str, Any], fake: Fake, cli: Cli) -> None:
    assert cli("ws", "create", "x", *flags.split()).code == 0
    assert fake.bodies(POST)[0]["spec"] == spec


def test_create_and_enter(cli: Cli) -> None:
    result = cli("create", "workspace", "x", "--enter")
    assert result.out == READY + "Current workspace is 'root:x' (type root:universal).\n"
    assert cli("ws", ".", "--short").out == "root:x\n"
    assert cli("ws", "-", "--short").out == "root\n"


@pytest.mark.parametrize(
    ("flags", "text", "context"),
    [
        ("--create-context mine", 'Created context "mine".', "main"),
        ("--create-context mine --enter", 'Created context "mine" and switched to it.', "mine"),
        ("--create-context main --ignore-existing", 'Updated context "main".', "main"),
    ],
)
def test_create_with_a_context(flags: str, text: str, context: str, cli: Cli, config: Path) -> None:
    assert cli("create", "workspace", "x", *flags.split()).out == READY + text + "\n"
    assert f"current-context: {context}\n" in config.read_text()
    assert cli("ws", ".", "--context", "mine" if "mine" in flags else "main").out == (
        "Current workspace is 'root:x'.\n"
    )


@pytest.mark.parametrize(
    ("flags", "phase", "out"),
    [
        ("", "Ready", 'Workspace "x" (type root:universal) already exists.\n' + READY),
        ("--type root:universal", "Ready", " already exists.\n" + READY),
        ("", "", " already exists. Waiting for it to be ready...\n" + READY),
    ],
)
def test_an_existing_workspace_may_do(
    flags: str, phase: str, out: str, fake: Fake, cli: Cli
) -> None:
    ready = workspace(fake, "root:x")
    fake.answers |= {POST: EXISTS, ONE: [workspace(fake, "root:x", phase=phase), ready]}
    result = cli("ws", "create", "x", "--ignore-existing", *flags.split())
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith(out)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("", 'workspaces.tenancy.kcp.io "x" already exists'),
        (
            "--ignore-existing --type root:team",
            'workspace "x" cannot be created with type root:team, it already exists with '
            "different type root:universal",
        ),
        (
            "--ignore-existing --type team",
            "--ignore-existing must not be used with non-absolute type path",
        ),
        ("--create-context main", 'workspaces.tenancy.kcp.io "x" already exists'),
        ("--location-selector a>1", 'invalid location selector: ">" is not a valid label'),
        ("--location-selector a==b==c", "invalid location selector: "),
    ],
)
def test_create_refuses(flags: str, text: str, fake: Fake, cli: Cli) -> None:
    fake.answers[POST] = EXISTS
    result = cli("ws", "create", "x", *flags.split())
    assert result.code == 1
    assert result.err.startswith(f"Error: {text}")


def test_ws_create_is_deprecated_where_kcp_says_so(cli: Cli) -> None:
    assert "is deprecated" in cli("create", "x", program="kubectl-ws").err
    assert cli("x", program="kubectl-create-workspace").err == ""


@pytest.mark.parametrize(
    ("text", "reference"),
    [("", {}), ("a", {"name": "a"}), ("b:A", {"name": "a", "path": "b"})],
)
def test_type_of_text(text: str, reference: dict[str, str]) -> None:
    assert type_of(text) == reference


def test_selector_of_text() -> None:
    assert selector_of("a=b, c in (e,d), f!=g, h, !i, a=z") == {
        "matchLabels": {"a": "b"},
        "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]},
            {"key": "f", "operator": "NotIn", "values": ["g"]},
            {"key": "h", "operator": "Exists"},
            {"key": "i", "operator": "DoesNotExist"},
            {"key": "a", "operator": "In", "values": ["z"]},
        ],
    }
    with pytest.raises(Failure, match="invalid location selector"):
        selector_of("a in b")
