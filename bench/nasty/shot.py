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
    once (`pipelined`), the same over so many `connections`. `watches` of these paths are open
    meanwhile.
    """

    name: str
    shots: Shots
    before: Shots = tuple
    connections: int = 1
    pipelined: bool = False
    watches: Callable[[], list[str]] = list


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


def post(where: str, obj: Any, query: str = "") -> Shot:
    """Return a create."""
    return Shot("POST", where + query, text(obj))


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


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
