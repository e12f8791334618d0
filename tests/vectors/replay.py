"""Sends the requests of a script to a server, in order, and collects what differs."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.harness.https import Access, Answer, Client, Request
from tests.vectors.format import Case, Script, Variables, fill
from tests.vectors.judge import differences, holds
from tests.vectors.pointer import ABSENT, look_up

PATIENCE = 15.0
_LETTERS = "bcdfghjklmnpqrstvwxz0123456789"
_WORKSPACES = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
_BORN_WITH = ("serviceaccounts/default", "configmaps/kube-root-ca.crt")

Patience = Callable[[str], float]


class Outcome(NamedTuple):
    """A case that was played: `label` is file/script/case, `diff` is empty if all is well."""

    label: str
    diff: list[str]


def play(script: Script, granted: Access, patience: Patience) -> Iterator[Outcome]:
    """Play a script; `patience` says how long the `until` of a case may take."""
    with Client(granted) as client:
        variables = {"host": granted.url, "run": _word()}
        for name, kind in script.workspaces.items():
            _prepare(client, name, kind, variables)
        for case in script.cases:
            label = f"{script.label}/{case.name}"
            try:
                diff = _play(client, case, variables, patience(label))
            except OSError as error:
                diff = [f"{type(error).__name__}: {error}"]
            yield Outcome(label, diff)
        for name in script.workspaces:
            client.ask("DELETE", f"{_WORKSPACES}/{variables[name]}")


def _word() -> str:
    return "".join(random.choices(_LETTERS, k=9))


def _prepare(client: Client, name: str, kind: str, variables: Variables) -> None:
    """Make a workspace and wait until it has what it is born with."""
    word = "v" + _word()
    body = {
        "apiVersion": "tenancy.kcp.io/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": word},
        "spec": {"type": {"name": kind, "path": "root"}},
    }
    made = client.ask("POST", _WORKSPACES, body)
    assert made.status == 201, made
    path = f"root:{word}"
    ready = {"facts": {"/status/phase": "Ready"}}
    workspace = _until(client, f"{_WORKSPACES}/{word}", ready).json()
    for thing in _BORN_WITH:
        _until(client, f"/clusters/{path}/api/v1/namespaces/default/{thing}", {"status": 200})
    cluster = workspace["spec"]["cluster"]
    variables |= {name: word, f"{name}.path": path, f"{name}.cluster": cluster}


def _until(client: Client, path: str, wanted: Mapping[str, Any]) -> Answer:
    for _ in _attempts(PATIENCE):
        answer = client.ask("GET", path)
        if holds(wanted, answer):
            break
    assert holds(wanted, answer), f"{path} does not become {wanted}: {answer}"
    return answer


def _attempts(seconds: float) -> Iterator[None]:
    """Yield once, and again until the time is over."""
    deadline, pause = time.monotonic() + seconds, 0.01
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.25)
        yield


def _play(client: Client, case: Case, variables: Variables, seconds: float) -> list[str]:
    """Send what a case asks, keep what it captures, return how the answer differs.

    With `until`, the answer may take its time: it counts once it has settled as recorded.
    """
    raw = fill(dict(case.request), variables)
    meanwhile = [fill(dict(each), variables) for each in case.meanwhile]
    until = fill(dict(case.until or {}), variables)
    for _ in _attempts(seconds if case.until else 0):
        answer = _send(client, raw, meanwhile)
        captured = _captured(case, answer)
        diff = differences(case, answer, variables | captured)
        if holds(until, answer) and not diff:
            break
    variables |= captured
    return diff


def _captured(case: Case, answer: Answer) -> Variables:
    found = {name: look_up(_decoded(answer), at) for name, at in case.capture.items()}
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in found.items()
        if value != ABSENT
    }


def _decoded(answer: Answer) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}


def _send(client: Client, raw: Mapping[str, Any], meanwhile: list[Any]) -> Answer:
    """Send a request, and others by another connection once its answer has begun."""
    if not meanwhile:
        return client.send(request(raw))

    def others() -> None:
        with Client(client.access) as second:
            for each in meanwhile:
                second.send(request(each))

    thread = threading.Thread(target=others)
    answer = client.send(request(raw), thread.start)
    thread.join()
    return answer


def request(raw: Mapping[str, Any]) -> Request:
    """Return a recorded request as it goes over the wire."""
    headers: dict[str, Any] = {"Accept": "application/json", "User-Agent": "vectors/1"}
    body = _bytes(raw)
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers |= raw.get("headers") or {}
    given = {name: value for name, value in headers.items() if value is not None}
    return Request(raw["method"], raw["path"], given, body, raw.get("as", "admin"))


def _bytes(raw: Mapping[str, Any]) -> bytes | None:
    if "text" in raw:
        return str(raw["text"]).encode()
    if "repeat" in raw:
        part = raw["repeat"]
        text = part["unit"] * part["times"]
        return f"{part.get('before', '')}{text}{part.get('after', '')}".encode()
    return None if raw.get("body") is None else json.dumps(raw["body"]).encode()
