"""APIExport and APIBinding between v1alpha1 and v1alpha2, without loss in either direction.

v1alpha2 is what is stored. What one version cannot say is parked in annotations of the other
(prefix `apis.v1alpha2.kcp.io/`), so that a client of either version may read and write back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from kcpfast.meta.texts import embedded
from kcpfast.registry.metadata import annotations_of
from kcpfast.resources.resource import Convert, Object, Resource

V1ALPHA2_PREFIX = "apis.v1alpha2.kcp.io/"
_SCHEMAS = V1ALPHA2_PREFIX + "resource-schemas"
_ALL_VERBS = ["*"]

AnnotatedClaim = dict[str, Any]
ConversionStep = Callable[[Object, dict[str, str]], None]
ClaimStep = Callable[[Object, dict[str, str], "ClaimList"], None]


class ClaimList(NamedTuple):
    """A list of claims in an object: where it is, and the annotations that complete it.

    `parked` holds, on a v1alpha1 object, the v1alpha2 claims that it cannot express; `kept`, on a
    v1alpha2 object, the v1alpha1 claims it was written as. `scope` is the member that says which
    objects are meant; "" where every claim is for all.
    """

    section: str
    name: str
    parked: str
    kept: str
    scope: str
    optional: bool = False


_EXPORT_CLAIMS = (
    ClaimList(
        "spec",
        "permissionClaims",
        V1ALPHA2_PREFIX + "permission-claims",
        V1ALPHA2_PREFIX + "v1alpha1-permission-claims",
        "defaultSelector",
        optional=True,
    ),
)
_BINDING_CLAIMS = (
    ClaimList(
        "spec",
        "permissionClaims",
        V1ALPHA2_PREFIX + "acceptable-permission-claims",
        V1ALPHA2_PREFIX + "v1alpha1-permission-claims",
        "selector",
    ),
    ClaimList(
        "status",
        "exportPermissionClaims",
        V1ALPHA2_PREFIX + "status-export-permission-claims",
        V1ALPHA2_PREFIX + "v1alpha1-status-export-permission-claims",
        "defaultSelector",
        optional=True,
    ),
    ClaimList(
        "status",
        "appliedPermissionClaims",
        V1ALPHA2_PREFIX + "status-applied-permission-claims",
        V1ALPHA2_PREFIX + "v1alpha1-status-applied-permission-claims",
        "selector",
    ),
)


class _Term(msgspec.Struct):
    key: str
    operator: str
    values: list[str] | None = None


class _Selector(msgspec.Struct):
    matchAll: bool | None = None
    matchLabels: dict[str, str] | None = None
    matchExpressions: list[_Term] | None = None


class _Object(msgspec.Struct):
    name: str | None = None
    namespace: str | None = None


class _Claim(msgspec.Struct):
    """The types of a claim, of either version."""

    group: str | None = None
    resource: str | None = None
    identityHash: str | None = None
    state: str | None = None
    verbs: list[str] | None = None
    selector: _Selector | None = None
    defaultSelector: _Selector | None = None
    all: bool | None = None
    resourceSelector: list[_Object] | None = None


class _Resource(msgspec.Struct):
    """The types of a resource of an export."""

    name: str
    schema: str
    group: str | None = None
    storage: dict[str, dict[str, Any] | None] | None = None


class MalformedAnnotation(ValueError):
    """An annotation does not hold what it must; the text is what the client is told."""


def attach(system: dict[tuple[str, str, str], Resource]) -> None:
    """Replace the v1alpha1 resources among kcp's own kinds by such as have conversions."""
    for plural, claims, older, newer in (
        ("apiexports", _EXPORT_CLAIMS, _older_export, _newer_export),
        ("apibindings", _BINDING_CLAIMS, _same, _same),
    ):
        key = ("apis.kcp.io", "v1alpha1", plural)
        system[key] = replace(
            system[key],
            from_storage=_converting(claims, older, _older_claims),
            to_storage=_converting(claims, newer, _newer_claims),
        )


def check(plural: str, obj: Object) -> None:
    """Raise Malformed if the parked parts of an object (in either version) cannot be read."""
    annotations = annotations_of(obj)
    places = _EXPORT_CLAIMS if plural == "apiexports" else _BINDING_CLAIMS
    for place in places:
        for key in (place.parked, place.kept):
            _list(annotations, key)
    _list(annotations, _SCHEMAS)


def _converting(
    claims: Sequence[ClaimList], change: ConversionStep, change_claims: ClaimStep
) -> Convert:
    """Return what converts a whole object: its other members, then its lists of claims."""

    def convert(obj: Object) -> Object:
        new, annotations = _shallow(obj)
        change(new, annotations)
        for place in claims:
            change_claims(new, annotations, place)
        if annotations:
            new["metadata"]["annotations"] = annotations
        else:
            new["metadata"].pop("annotations", None)
        return new

    return convert


def _shallow(obj: Object) -> tuple[Object, dict[str, str]]:
    """Return a copy whose metadata, spec and status may be changed, and its annotations."""
    new = {key: dict(value) if isinstance(value, dict) else value for key, value in obj.items()}
    return new, dict(annotations_of(new))


def _list(annotations: Mapping[str, str], key: str) -> list[AnnotatedClaim]:
    """Return the objects that an annotation holds; Malformed unless all are of the right types."""
    text = annotations.get(key)
    if not text:
        return []
    subject, typed = "permission claims", embedded(text, list[_Claim]) is not None
    if key == _SCHEMAS:
        subject, typed = "resource schemas", embedded(text, list[_Resource]) is not None
    if not typed:
        raise MalformedAnnotation(
            f"failed to decode overhanging {subject}: {key} must hold a list of them"
        )
    return embedded(text, list[dict[str, Any]]) or []


def _readable(annotations: dict[str, str], key: str) -> list[AnnotatedClaim]:
    """Return what an annotation holds and take it away; nothing if it cannot be read."""
    try:
        listed = _list(annotations, key)
    except MalformedAnnotation:
        listed = []
    annotations.pop(key, None)
    return listed


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def keep_status(obj: Object, old: Object | None) -> None:
    """Put back, in place, the parked parts of a status: they are no more the client's to write than
    the rest of it is."""
    given = annotations_of(obj)
    was = ((old or {}).get("metadata") or {}).get("annotations") or {}
    keys = {key for place in _BINDING_CLAIMS if place.section == "status" for key in place[2:4]}
    kept = {key: value for key, value in given.items() if key not in keys}
    kept |= {key: was[key] for key in keys if key in was}
    if kept != given:
        obj["metadata"]["annotations"] = kept


def _same(_obj: Object, _annotations: dict[str, str]) -> None:
    pass


# ------------------------------------------------------------------------- schemas


def _older_export(obj: Object, annotations: dict[str, str]) -> None:
    spec = obj.get("spec")
    if spec is None:
        return
    listed = spec.pop("resources", None) or []
    names = [resource["schema"] for resource in listed if _is_plain(resource)]
    if names:
        spec["latestResourceSchemas"] = names
    beyond = [resource for resource in listed if not _is_plain(resource)]
    if beyond:
        annotations[_SCHEMAS] = _text(beyond)


def _is_plain(resource: Mapping[str, Any]) -> bool:
    return "virtual" not in (resource.get("storage") or {})


def _newer_export(obj: Object, annotations: dict[str, str]) -> None:
    kept = _readable(annotations, _SCHEMAS)
    beyond = [{**resource, "group": resource.get("group") or ""} for resource in kept]
    spec = obj.get("spec")
    if spec is None:
        return
    resources = [_resource(name) for name in spec.pop("latestResourceSchemas", None) or ()]
    if resources or beyond:
        spec["resources"] = resources + beyond


def _resource(schema: str) -> dict[str, Any]:
    _, _, rest = schema.partition(".")
    name, _, group = rest.partition(".")
    return {
        "group": "" if group == "core" else group,
        "name": name,
        "schema": schema,
        "storage": {"crd": {}},
    }


# ------------------------------------------------------------------------- claims


def _key(claim: Mapping[str, Any]) -> tuple[str, str, str]:
    return claim.get("group") or "", claim.get("resource") or "", claim.get("identityHash") or ""


def _named(claim: Mapping[str, Any]) -> AnnotatedClaim:
    """Return group, resource and identity of a claim as v1alpha1 writes them."""
    named = {key: claim[key] for key in ("group", "resource") if claim.get(key)}
    if claim.get("identityHash"):
        named["identityHash"] = claim["identityHash"]
    return named


def _is_expressible(claim: Mapping[str, Any], place: ClaimList) -> bool:
    if claim.get("verbs") != _ALL_VERBS:
        return False
    scope = claim.get(place.scope)
    return scope in (None, {}) if place.optional else scope == {"matchAll": True}


def _older_claims(obj: Object, annotations: dict[str, str], place: ClaimList) -> None:
    section = obj.get(place.section) or {}
    written = {_key(claim): claim for claim in _readable(annotations, place.kept)}
    claims = section.get(place.name)
    if not claims:
        return
    beyond = [claim for claim in claims if not _is_expressible(claim, place)]
    if beyond:
        annotations[place.parked] = _text(beyond)
    section[place.name] = [_older_claim(claim, written.get(_key(claim))) for claim in claims]


def _older_claim(claim: Mapping[str, Any], written: Mapping[str, Any] | None) -> AnnotatedClaim:
    older = _named(claim)
    if written is not None and written.get("resourceSelector"):
        older["resourceSelector"] = written["resourceSelector"]
    else:
        older["all"] = True
    if "state" in claim:
        older["state"] = claim["state"]
    return older


def _newer_claims(obj: Object, annotations: dict[str, str], place: ClaimList) -> None:
    section = obj.get(place.section) or {}
    parked = {_key(claim): claim for claim in _readable(annotations, place.parked)}
    claims = section.get(place.name)
    annotations.pop(place.kept, None)
    if not claims:
        return
    annotations[place.kept] = _text([_written(claim) for claim in claims])
    section[place.name] = [_newer_claim(claim, parked.get(_key(claim)), place) for claim in claims]


def _written(claim: Mapping[str, Any]) -> AnnotatedClaim:
    """Return a v1alpha1 claim as it is kept: members in the order of the type."""
    written = {key: claim[key] for key in ("group", "resource") if claim.get(key)}
    for key in ("all", "resourceSelector", "identityHash", "state"):
        if claim.get(key):
            written[key] = claim[key]
    return written


def _newer_claim(
    claim: Mapping[str, Any], parked: Mapping[str, Any] | None, place: ClaimList
) -> AnnotatedClaim:
    group, resource, identity = _key(claim)
    newer: AnnotatedClaim = {"group": group, "identityHash": identity, "resource": resource}
    if place.scope and parked is not None and parked.get(place.scope):
        newer[place.scope] = parked[place.scope]
    elif not place.optional:
        newer[place.scope] = {"matchAll": True}
    if "state" in claim:
        newer["state"] = claim["state"]
    newer["verbs"] = list((parked or {}).get("verbs") or _ALL_VERBS)
    return newer
