"""The messages of built-in kinds: which field has which number, name and type.

Read from assets/protobuf.json when first needed: for each message rows of number, JSON name, type,
repeated. An empty name is inlined into the message around it; `map X` maps strings to X.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from kcpfast.resources.asset import asset
from kcpfast.resources.builtin import definition_name, definitions

MAGIC = b"k8s\0"
MAX_MESSAGE_DEPTH = 100
META = "k8s.io.apimachinery.pkg.apis.meta.v1."
CRD = "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1."
_OF_META = frozenset(
    ("APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "DeleteOptions", "Status")
)


class MessageField(NamedTuple):
    """One field of a message."""

    number: int
    name: str
    type: str
    repeated: bool


@cache
def messages() -> Mapping[str, tuple[MessageField, ...]]:
    """Return the fields of all messages by name."""
    tables: dict[str, list[Any]] = asset("protobuf.json")
    return {
        name: tuple(MessageField(row[0], row[1], row[2], bool(row[3])) for row in rows)
        for name, rows in tables.items()
    }


@cache
def required(message: str) -> frozenset[str]:
    """Return the fields that a message's schema requires."""
    name = message.replace("k8s.io.", "io.k8s.", 1).replace("_apiserver", "-apiserver")
    return frozenset(definitions().get(name, {}).get("required") or ())


def message_of(api_version: str, kind: str) -> str:
    """Return the message of a kind; ValueError if there is none."""
    if kind in _OF_META or api_version.startswith("meta.k8s.io/"):
        name = META + kind
    else:
        group, _, version = api_version.rpartition("/")
        name = definition_name(group, kind, version).replace("io.k8s.", "k8s.io.", 1)
        name = name.replace("apiextensions-apiserver", "apiextensions_apiserver")
    if name not in messages():
        raise ValueError(f"no protobuf message is known for {api_version} {kind}")
    return name
