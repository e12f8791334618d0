"""Masks what differs from run to run: identities, revisions, times, and the run's own name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.differential.script import JSON, Answer, Json

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_AGE = re.compile(r"^(?:\d+[dhms]){1,2}$")
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
# An object may be quoted in a message.
_QUOTED = (
    (re.compile(r'(resourceVersion\\*":\\*")\d+'), r"\1<rv>"),
    (re.compile(r'((?:creationTimestamp|time)\\*":\\*")\d[0-9TZ:.-]+'), r"\1<time>"),
)
_META = {"uid": "<uid>", "resourceVersion": "<rv>", "creationTimestamp": "<time>"}
_TIMES = {"lastTransitionTime", "lastUpdateTime", "deletionTimestamp", "time"}
# What only one of the servers says, and says by design.
_CLUSTER = "kcp.io/cluster"


def normalised(status: int, headers: Mapping[str, str], raw: bytes, name: str) -> Answer:
    """Return an answer so that it can be compared; `name` is what `{id}` stood for."""
    try:
        body: Any = json.loads(raw)
    except ValueError:
        body = raw.decode(errors="replace")
    warnings = _WARNING.findall(headers.get("warning", ""))
    media = re.sub(r";\s+", ";", headers.get("content-type", ""))
    mask = _Mask(name)
    return Answer(status, mask.value(body), [mask.text(each) for each in warnings], media or JSON)


class _Mask:
    def __init__(self, name: str) -> None:
        self._name = name

    def text(self, text: str) -> str:
        found = _UUID.sub("<uid>", text.replace(self._name, "{id}"))
        for pattern, mask in _QUOTED:
            found = pattern.sub(mask, found)
        return found.replace(self._name.capitalize(), "{Id}")

    def value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return self._object(value, key)
        if isinstance(value, list):
            items = [self.value(each, key) for each in value]
            return sorted(items, key=json.dumps) if key in ("managedFields", "causes") else items
        if not isinstance(value, str):
            return value
        if (key in _TIMES and _TIME.match(value)) or (key == "cells" and _AGE.match(value)):
            return "<time>"
        return self.text(value)

    def _object(self, value: Json, key: str) -> Json:
        found = {self.text(name): self.value(below, name) for name, below in value.items()}
        if key == "metadata":
            found |= {name: mask for name, mask in _META.items() if found.get(name)}
            annotations = found.get("annotations")
            if isinstance(annotations, dict) and annotations.pop(_CLUSTER, "") and not annotations:
                del found["annotations"]
        return found
