"""The recorded files as values. A key that is not known here is an error.

A script is an ordered list of cases which share variables: `{run}`, `{host}`, those of its
workspaces (`{ws}`, `{ws.path}`, `{ws.cluster}`) and what cases capture from answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "kcp"
_VARIABLE = re.compile(r"\{([a-z][A-Za-z0-9_.]*)\}")

Variables = dict[str, str]
JSON = Any


@dataclass(frozen=True, slots=True)
class Case:
    """One request and what is known of its answer."""

    name: str
    request: Mapping[str, Any]
    view: str
    expect: Mapping[str, Any]
    facts: Sequence[str] = ()
    """With the view `facts`: pointers to what is compared."""
    keep: Sequence[str] = ()
    """Keys that are normally dropped or masked and count here."""
    without: Sequence[str] = ()
    """Pointers to what does not count here."""
    until: Mapping[str, Any] | None = None
    """Status and facts that the answer must have; the request is repeated until it has."""
    capture: Mapping[str, str] = field(default_factory=dict)
    """Variable -> pointer into the answer."""
    meanwhile: Sequence[Mapping[str, Any]] = ()
    """Requests to send once the answer has begun."""
    either: Sequence[Mapping[str, Any]] = ()
    """Other acceptable answers, as changes to `expect`."""
    quirk: str = ""
    """Why kcp's answer is a defect or a lack: any answer below 500 will do."""
    ahead: str = ""
    """Why kcp's answer is a moment of its asynchronous work: the status code must match."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """Cases in order; `label` is file/name, `workspaces` maps variables to their types."""

    label: str
    workspaces: Mapping[str, str]
    cases: Sequence[Case]


def scripts() -> list[Script]:
    """Read all recorded files."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        for each in json.loads(path.read_text())["scripts"]:
            types = {
                name: wish.get("type", "universal") for name, wish in each["workspaces"].items()
            }
            cases = [_case(case) for case in each["cases"]]
            found.append(Script(f"{path.stem}/{each['name']}", types, cases))
    return found


def _case(raw: Mapping[str, Any]) -> Case:
    return Case(**{"either" if key == "or" else key: value for key, value in raw.items()})


def fill(value: JSON, variables: Variables) -> JSON:
    """Return a JSON value with the variables in its strings (keys too) replaced."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {fill(key, variables): fill(item, variables) for key, item in value.items()}
    return value
