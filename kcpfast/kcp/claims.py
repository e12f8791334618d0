"""Permission claims: what of a consumer's workspace an export's owner may see and do.

The export offers claims, the binding accepts or rejects each; what both say is in force. Objects
under a claim in force carry a label, `claimed.internal.apis.kcp.io/<hash of the export>`, so that
the export's virtual workspace finds them as any label selector does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from kcpfast.kcp.kinds import api_bindings, system_kinds
from kcpfast.meta.cluster import claim_hash
from kcpfast.meta.selectors import (
    LabelSelector,
    Requirement,
    SelectorError,
    from_object,
    labels_test,
)
from kcpfast.registry import index, values
from kcpfast.registry.derived import Derived
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.resource import Resource
from kcpfast.store.contract import Index, Write
from kcpfast.store.keys import storage_name

LABEL = "claimed.internal.apis.kcp.io/"
# The claim on bindings themselves that every export has: base 62 of the bytes 0..9, 0..9, 0..7.
REFLEXIVE = "LstvmbbzVDDOn90ZbhzSQO5U3DMCf88h1pZ"
ACCEPTED = "Accepted"
_MAX_MARKS = 8192
# Reviews about the asking user speak of nobody else, so they are nobody else's to make.
_LOOKS = frozenset(("*", "list", "watch"))
_NEVER = ("selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews")

Claim = Mapping[str, Any]
Key = tuple[str, str, str]


def key(claim: Claim) -> Key:
    """Return what names a claim: group, resource, identity."""
    return claim.get("group") or "", claim.get("resource") or "", claim.get("identityHash") or ""


def builtin(group: str, plural: str) -> Resource | None:
    """Return a resource of every workspace that may be claimed without an identity."""
    return None if plural in _NEVER else _claimable().get((group, plural))


@cache
def _claimable() -> Mapping[tuple[str, str], Resource]:
    kinds = (*system_kinds().values(), *BUILTIN)
    return {(kind.group, kind.plural): kind for kind in kinds}


def storage(claim: Claim) -> bytes:
    """Return the storage that a claim is about."""
    group, plural, identity = key(claim)
    if not identity:
        resource = builtin(group, plural)
        if resource is not None:
            return resource.storage
    return storage_name(group, plural, identity)


def common_verbs(offered: Sequence[str], accepted: Sequence[str]) -> list[str]:
    """Return the verbs that both sides name; `*` stands for all on either side."""
    if "*" in offered:
        return list(accepted)
    if "*" in accepted:
        return list(offered)
    return [verb for verb in accepted if verb in offered]


def in_force(offered: Iterable[Claim], answers: Iterable[Claim]) -> list[dict[str, Any]]:
    """Return the claims that an export (`offered`) makes and a binding (`answers`) accepts."""
    asked = {key(claim): claim for claim in offered}
    granted = []
    for answer in answers:
        claim = asked.get(key(answer))
        if claim is None or answer.get("state") != ACCEPTED:
            continue
        group, resource, identity = key(answer)
        verbs = common_verbs(claim.get("verbs") or (), answer.get("verbs") or ())
        agreed = {
            "group": group,
            "resource": resource,
            "identityHash": identity,
            # The selector is the consumer's alone: an export asks for a kind, not for some of it.
            "selector": answer.get("selector") or {},
            "verbs": verbs,
        }
        granted.append(agreed)
    return granted


def hides(before: bytes | None, after: bytes | None) -> bool:
    """Tell whether a write of a stored binding changes its claims to some that hide objects.

    A claim hides them if its verbs allow neither list nor watch: the label on the objects does not
    tell that. `before` and `after` are the stored values.
    """
    if after is None or b'"appliedPermissionClaims"' not in after:
        return False
    now = _applied(after)
    hidden = any(_LOOKS.isdisjoint(claim["verbs"]) for claim in now)
    return hidden and (before is None or _applied(before) != now)


def _applied(value: bytes) -> list[Claim]:
    status = values.decode(api_bindings(), 0, value).get("status") or {}
    return status.get("appliedPermissionClaims") or []


def unknown(offered: Iterable[Claim], answers: Iterable[Claim]) -> list[Claim]:
    """Return the claims that a binding accepts and its export does not make."""
    asked = {key(claim) for claim in offered}
    accepted = [claim for claim in answers if claim.get("state") == ACCEPTED]
    return [claim for claim in accepted if key(claim) not in asked]


def selects(selector: Mapping[str, Any]) -> LabelSelector:
    """Return the terms of a claim's selector; none for matchAll.

    One that cannot be read selects nothing: bindings of before may hold such.
    """
    try:
        return () if selector.get("matchAll") else from_object(selector)
    except SelectorError:
        return (Requirement("", "in", frozenset()),)


def index_writes(
    consumer: tuple[str, str], export: str, before: Iterable[Claim], after: Iterable[Claim]
) -> list[Write]:
    """Return what files the claims in force between one export (its hash) and a consumer.

    `consumer` is the cluster and the name of the binding: there may be others to the same export.
    """
    cluster, binding = consumer
    old = {storage(claimed): _filed(claimed) for claimed in before}
    new = {storage(claimed): _filed(claimed) for claimed in after}
    withdrawn = [claimed for claimed in old if claimed not in new]
    writes = [Index(index.claim(cluster, claimed, export), None) for claimed in {**old, **new}]
    writes += [Index(index.claim(cluster, claimed, export, binding), None) for claimed in withdrawn]
    for claimed, data in new.items():
        writes.append(Index(index.claim(cluster, claimed, export, binding), data))
    return list[Write](writes)


def _filed(claim: Claim) -> bytes:
    return msgspec.json.encode([claim_hash(dict(claim)), claim.get("selector") or {}])


class Mark(NamedTuple):
    """A label that objects of a storage carry if their other labels are `selected`."""

    label: str
    value: str
    selected: Callable[[Mapping[str, str]], bool]


class Claims:
    """Answers which labels the claims in force put on an object."""

    def __init__(self, reader: Reader) -> None:
        """Read the index; marks are remembered while they hold."""
        self._reader = reader
        self._marks: Derived[tuple[str, bytes], Sequence[Mark]] = Derived(reader, _MAX_MARKS)

    def marks(self, cluster: str, of: bytes) -> Sequence[Mark]:
        """Return the marks for objects of a storage in a cluster."""

        def read() -> Sequence[Mark]:
            prefix = index.claim(cluster, of)
            return [
                _mark(entry[len(prefix) :].decode(), data)
                for entry, data in self._reader.index_scan(prefix)
            ]

        return self._marks.get((cluster, of), read)

    def labels(self, cluster: str, of: bytes, own: Mapping[str, str]) -> dict[str, str]:
        """Return the claim labels for an object whose other labels are `own`."""
        return {mark.label: mark.value for mark in self.marks(cluster, of) if mark.selected(own)}


def _mark(ending: str, data: bytes) -> Mark:
    export = ending.partition("\0")[0]  # a binding follows
    value, selector = msgspec.json.decode(data)
    return Mark(LABEL + export, value, labels_test(selects(selector)))


def own_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Return the labels of an object that are not those of claims."""
    return {name: value for name, value in (labels or {}).items() if not name.startswith(LABEL)}
