"""Sends what was asked of a kube-apiserver to a server without sockets: which answers differ.

`python -m tests.vectors.upstream` writes kubernetes_known.json: what differs today, and how.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from kcpfast.server import wire
from kcpfast.server.bootstrap import installation
from kcpfast.server.certificates import make_account_key
from kcpfast.store.memory import MemoryStore
from kcpfast.transport.messages import Request, Response
from tests.differential.judge import difference
from tests.differential.normalise import normalised
from tests.differential.script import Answer, Script, Step, answer, script
from tests.differential.sides import remember
from tests.fix_inside import CA, TOKENS, URL, Inside

_HERE = Path(__file__).parent
_FOLDER, _KNOWN = _HERE / "kubernetes", _HERE / "kubernetes_known.json"
SUBJECTS = sorted(path.stem for path in _FOLDER.glob("*.json"))
KNOWN: dict[str, str] = json.loads(_KNOWN.read_text())
# The user that was recorded.
_ADMIN = {
    b"authorization": b"Bearer master",
    b"impersonate-user": b"admin",
    b"impersonate-uid": b"admin-uid",
    b"impersonate-group": b"system:masters",
}


async def differences(inside: Inside, subject: str) -> list[tuple[str, str]]:
    """Return the label of each script that is answered differently, and the first difference."""
    found = []
    for at, data in enumerate(json.loads((_FOLDER / f"{subject}.json").read_text())):
        asked = script(subject, data)
        recorded = [answer(each["answer"]) for each in data["steps"]]
        wrong = difference(asked, recorded, await _answers(inside, asked, f"dr{at:06d}x"))
        if wrong:
            why = f"step {wrong.at} {wrong.pointer}: {wrong.left!r:.150} -> {wrong.right!r:.150}"
            found.append((f"{subject}/{asked.name}", why))
    return found


async def _answers(inside: Inside, asked: Script, name: str) -> list[Answer]:
    variables = {"id": name, "Id": name.capitalize(), "rv": "1", "uid": ""}
    found = []
    for each in asked.steps:
        found.append(await _answer(inside, each.filled(variables), variables))
        await inside.settle()
    return found


async def _answer(inside: Inside, step: Step, variables: dict[str, str]) -> Answer:
    headers = {b"accept": step.accept.encode(), b"user-agent": b"differential", **_ADMIN}
    if step.media:
        headers[b"content-type"] = step.media.encode()
    path, _, query = step.path.partition("?")
    got = await inside.running.server.serve(
        Request(step.method, inside.at + path, query, headers, step.body)
    )
    assert isinstance(got, Response)
    remember(got.body, variables)
    warnings = [value.decode() for key, value in got.headers if key == b"Warning"]
    given = {"content-type": got.content_type.decode(), "warning": "\n".join(warnings)}
    return normalised(got.status, given, got.body, variables["id"])


async def _all() -> dict[str, str]:
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "sa.key"
        make_account_key(key)
        for subject in SUBJECTS:
            parts = wire.core(MemoryStore(), CA)
            await parts.store.commit(installation(parts.objects, URL))
            running = wire.server(parts, wire.Settings(URL, CA, key, TOKENS))
            running.controllers.start()
            inside = Inside(parts, running)
            inside.at = await inside.workspace("ws")
            found |= await differences(inside, subject)
            await running.controllers.stop()
    return found


if __name__ == "__main__":
    _KNOWN.write_text(json.dumps(asyncio.run(_all()), indent=1, sort_keys=True) + "\n")
