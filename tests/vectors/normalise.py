"""Masks what differs from run to run, so that what is left may be compared as it is.

Prose is dropped, times and random names become words in angle brackets, and a captured value
becomes the name of its variable again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

DROPPED = {"message", "description", "storageVersionHash", "x-kubernetes-description"}
MANAGED = "managedFields"
_MASKS: Mapping[str, str] = {
    "buildDate": "<time>",
    "creationTimestamp": "<time>",
    "deletionTimestamp": "<time>",
    "expirationTimestamp": "<time>",
    "firstTimestamp": "<time>",
    "lastRefreshed": "<time>",
    "lastTimestamp": "<time>",
    "lastTransitionTime": "<time>",
    "lastUpdateTime": "<time>",
    "time": "<time>",
    "UID": "<uid>",
    "uid": "<uid>",
    "continue": "<token>",
    "resourceVersion": "<rv>",
    "serverAddress": "<host:port>",
    "token": "<token>",
}
_UNORDERED = {"causes", MANAGED}
# A shorter value could be part of anything.
_MIN_CAPTURED = 8
_PATTERNS = (
    (re.compile(r"(\.kcp\.io|\.example\.com)-[0-9a-z]{5}\b"), r"\1-<hash>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uid>"),
    (
        re.compile(r"\b(?=[A-Za-z]*[0-9])(?=[0-9a-z]*[A-Z])[0-9A-Za-z]{36,40}\b"),
        "<hash>",
    ),
    (re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]):\d+"), "{host}"),
)
_IDENTIFIERS = {
    "audit-id",
    "date",
    "etag",
    "last-modified",
    "x-kubernetes-pf-flowschema-uid",
    "x-kubernetes-pf-prioritylevel-uid",
}


class Normaliser:
    """Normalises values of one answer; `keep` names keys that are left as they are."""

    def __init__(self, variables: Mapping[str, str], keep: Collection[str] = ()) -> None:
        """Longer captured values first: one may be part of another."""
        known = [(value, name) for name, value in variables.items() if len(value) >= _MIN_CAPTURED]
        self._known = sorted(known, key=lambda pair: -len(pair[0]))
        self._keep = keep

    def text(self, text: str) -> str:
        """Return a text without random parts."""
        for value, name in self._known:
            text = text.replace(value, "{" + name + "}")
        for pattern, word in _PATTERNS:
            text = pattern.sub(word, text)
        return text

    def header(self, name: str, value: str | None) -> str | None:
        """Return a header's value; what identifies one answer is only known to be there."""
        if value is None:
            return None
        if name.lower() in _IDENTIFIERS:
            return "<present>"
        return re.sub(r"hash=[0-9A-Fa-f]+", "hash=<hash>", self.text(value))

    def value(self, value: Any, key: str = "") -> Any:
        """Return a JSON value; `key` is the name it stands under."""
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            items = [self.value(item, key) for item in value]
            return sorted(items, key=_order) if key in _UNORDERED else items
        return self.text(value) if isinstance(value, str) else value

    def field(self, key: str, value: Any) -> Any:
        """Return what stands under a key, masked if the key says so."""
        mask = _MASKS.get(key)
        if mask is None or key in self._keep or not isinstance(value, str):
            return self.value(value, key)
        return value if value in ("", "0") and mask != "<time>" else mask

    def _object(self, value: Mapping[str, Any]) -> dict[str, Any]:
        out = {
            self.text(key): self.field(key, item)
            for key, item in value.items()
            if not self._drops(key, item)
        }
        prefix, name = out.get("generateName"), out.get("name")
        if prefix and isinstance(name, str) and name.startswith(prefix):
            out["name"] = prefix + "<suffix>"
        return out

    def _drops(self, key: str, value: Any) -> bool:
        if key in self._keep:
            return False
        return (key in DROPPED and isinstance(value, str)) or (
            key == MANAGED and isinstance(value, list)
        )


def _order(item: Any) -> str:
    return json.dumps(item, sort_keys=True)
