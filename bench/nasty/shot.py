"""What a nasty request is: what must be there before, what is sent, and in which way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

JSON = "application/json"
YAML = "application/yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
GROUP = "stall.example.com"
LIMIT = 3_000_000


class Shot(NamedTuple):
    """One request to the workspace of who is nasty; paths begin behind it."""

    method: str
    path: str
    body: bytes = b""
    media: str = JSON
    headers: Mapping[str, str] = {}


Shots = Callable[[], Iterable[Shot]]


class Nasty(NamedTuple):
    """A row of the catalogue.

    `before` is sent and waited for; then `shots` go over one connection after the other, or all at
    once (`pipelined`), the same over so many `connections`. `watches` are open meanwhile. `after`
    takes away what would be in the way of other rows. The work goes on for `seconds` behind the
    answer.
    """

    name: str
    shots: Shots
    before: Shots = tuple
    connections: int = 1
    pipelined: bool = False
    watches: Shots = tuple
    after: Shots = tuple
    seconds: float = 0.0


def text(obj: Any) -> bytes:
    """Return an object as JSON."""
    return json.dumps(obj, separators=(",", ":")).encode()


def custom(name: str, kind: str = "things", **members: Any) -> dict[str, Any]:
    """Return a custom object; `members` stand beside its metadata."""
    meta = {"name": name, "namespace": "default"}
    found = {"apiVersion": f"{GROUP}/v1", "kind": KINDS[kind], "metadata": meta}
    return found | members


KINDS = {"things": "Thing", "ruled": "Ruled"}


def path(name: str = "", kind: str = "things") -> str:
    """Return the path of custom objects, or of one."""
    whole = f"/apis/{GROUP}/v1/namespaces/default/{kind}"
    return f"{whole}/{name}" if name else whole


def core(plural: str, name: str = "") -> str:
    """Return the path of objects of the core group, or of one."""
    whole = f"/api/v1/namespaces/default/{plural}"
    return f"{whole}/{name}" if name else whole


def config(name: str, **members: Any) -> dict[str, Any]:
    """Return a ConfigMap."""
    meta = {"name": name, "namespace": "default"} | members.pop("meta", {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta} | members


def named(name: str, **members: Any) -> dict[str, Any]:
    """Return an object that is in no namespace, or told of it by its path."""
    return {"metadata": {"name": name}} | members


def post(where: str, obj: Any, query: str = "") -> Shot:
    """Return a create."""
    return Shot("POST", where + query, text(obj))


def get(where: str, accept: str = JSON, **headers: str) -> Shot:
    """Return a read."""
    return Shot("GET", where, headers={"Accept": accept} | headers)


def drop(where: str) -> Shot:
    """Return a deletion."""
    return Shot("DELETE", where)


def definition(plural: str, kind: str, schema: Any, **version: Any) -> dict[str, Any]:
    """Return a CRD with one version."""
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [served | version]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": spec,
    }


def ruled(plural: str, rules: list[dict[str, str]], **more: Any) -> list[Shot]:
    """Return the CRD of a kind whose spec has rules, and a list `l` of integers."""
    items = {"type": "integer"}
    spec = {"type": "object", "properties": {"l": {"type": "array", "items": items}} | more}
    schema = {"type": "object", "properties": {"spec": spec | {"x-kubernetes-validations": rules}}}
    return [post(DEFINITIONS, definition(plural, plural.title(), schema))]


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
