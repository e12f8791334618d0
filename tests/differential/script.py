"""A script: requests in order. Its objects are called `{id}`, which each run replaces by a name
that nobody else has; `{rv}` and `{uid}` are those of the last object that was answered.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from kcpfast.resources.protobuf import encode

Json = dict[str, Any]
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Step(NamedTuple):
    """One request; `path` is below the cluster and holds the query."""

    method: str
    path: str
    media: str = ""
    body: bytes = b""
    accept: str = JSON

    def filled(self, variables: Mapping[str, str]) -> Step:
        """Return the request with its variables replaced."""
        path, body = self.path, self.body
        for name, value in variables.items():
            path = path.replace(f"{{{name}}}", value)
            body = body.replace(f"{{{name}}}".encode(), value.encode())
        return self._replace(path=path, body=body)._encoded()

    def _encoded(self) -> Step:
        """Return a request for protobuf, which is kept as JSON, in its own form if it has one."""
        if self.media != PROTOBUF:
            return self
        try:
            return self._replace(body=encode(json.loads(self.body)))
        except Exception:  # what the type does not know cannot be written
            return self._replace(media=JSON)

    def data(self) -> Json:
        """Return the request as it is recorded."""
        found: Json = {"method": self.method, "path": self.path}
        if self.media:
            found["media"] = self.media
            try:
                found["text"] = self.body.decode()
            except UnicodeDecodeError:
                found["base64"] = b64encode(self.body).decode()
        return found if self.accept == JSON else found | {"accept": self.accept}


def step(data: Json) -> Step:
    """Return a request from what was recorded."""
    body = b64decode(data["base64"]) if "base64" in data else data.get("text", "").encode()
    accept = data.get("accept", JSON)
    return Step(data["method"], data["path"], data.get("media", ""), body, accept)


class Script(NamedTuple):
    """Requests in order, below a name; `subject` is the plural of the resource it is about."""

    name: str
    subject: str
    steps: tuple[Step, ...]


class Answer(NamedTuple):
    """An answer that is normalised: comparable, and what is recorded."""

    status: int
    body: Any
    warnings: list[str]
    media: str

    def data(self) -> Json:
        """Return the answer as it is recorded."""
        found: Json = {"status": self.status, "body": self.body}
        if self.warnings:
            found["warnings"] = self.warnings
        return found if self.media == JSON else found | {"media": self.media}


def script(subject: str, data: Json) -> Script:
    """Return a script from what was recorded."""
    return Script(data["name"], subject, tuple(step(each["request"]) for each in data["steps"]))


def answer(data: Json) -> Answer:
    """Return an answer from what was recorded."""
    return Answer(data["status"], data["body"], data.get("warnings", []), data.get("media", JSON))
