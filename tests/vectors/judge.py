"""Says how an answer differs from what was recorded."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.harness.https import Answer
from tests.vectors.format import Case, Variables, fill
from tests.vectors.normalise import DROPPED, Normaliser
from tests.vectors.pointer import look_up, remove, segments
from tests.vectors.views import BODIES, STREAMS


def differences(case: Case, answer: Answer, variables: Variables) -> list[str]:
    """Return the lines of a diff; none if the answer is as recorded or as good."""
    try:
        actual = seen(case, answer, variables)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The answer does not even have the shape that the view looks at.
        return [f"{type(error).__name__}: {error}", *map(repr, answer.raw[:2000].splitlines())]
    if any(actual == {**case.expect, **other} for other in ({}, *case.either)):
        return []
    if case.quirk and answer.status < 500:
        return []
    if case.ahead and answer.status == case.expect["status"]:
        return []
    recorded, answered = _lines(case.expect), _lines(actual)
    return [*difflib.unified_diff(recorded, answered, "recorded", "answered", lineterm="", n=2)]


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True).splitlines()


def seen(case: Case, answer: Answer, variables: Variables) -> dict[str, Any]:
    """Return an answer as it would have been recorded."""
    masks = Normaliser(variables, case.keep)
    found: dict[str, Any] = {"status": answer.status}
    for part, wanted in case.expect.items():
        if part == "content_type":
            found[part] = re.sub(r";\s+", ";", answer.headers.get("content-type", ""))
        elif part == "headers":
            found[part] = {
                name: masks.header(name, answer.headers.get(name.lower())) for name in wanted
            }
        elif part == "body":
            found[part] = _body(case, answer, variables, masks)
    return found


def _body(case: Case, answer: Answer, variables: Variables, masks: Normaliser) -> Any:
    if case.view == "none":
        return None
    if case.view == "size":
        return "not empty" if answer.raw else "empty"
    if case.view == "text":
        return masks.text(answer.raw.decode(errors="replace").strip())
    try:
        if case.view in STREAMS:
            return masks.value(STREAMS[case.view](answer.lines()))
        body = answer.json()
    except ValueError:
        return {"<not JSON>": answer.raw[:200].decode(errors="replace")}
    if case.view == "facts":
        return _facts(case, body, answer.status, variables, masks)
    if isinstance(body, dict):
        body = BODIES[case.view](body)
    for pointer in case.without:
        remove(body, segments(pointer))
    return masks.value(body)


def _facts(case: Case, body: Any, status: int, variables: Variables, masks: Normaliser) -> Any:
    if status >= 400 and isinstance(body, dict) and body.get("kind") == "Status":
        return masks.value(body)
    found = {}
    for pointer in case.facts:
        name = pointer.partition("|")[0].rpartition("/")[2]
        value = look_up(body, fill(pointer, variables))
        found[pointer] = masks.value(value) if name in DROPPED else masks.field(name, value)
    return found


def holds(until: Mapping[str, Any], answer: Answer) -> bool:
    """Tell whether an answer has the status and the facts that are waited for."""
    if until.get("status", answer.status) != answer.status:
        return False
    try:
        body = answer.json() if "facts" in until else None
    except ValueError:
        return False
    facts: Mapping[str, Any] = until.get("facts", {})
    return all(look_up(body, pointer) == wanted for pointer, wanted in facts.items())
