"""APIResourceSchemas: what they may say; once made, their spec stays as it is.

Rules: kcp's admission plugin tenancy.kcp.io/APIResourceSchema (pkg/admission/apiresourceschema,
validation.go) and, for schemas, columns and subresources, those of CRDs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.kcp import kinds
from kcpfast.meta.cluster import ROOT
from kcpfast.meta.errors import OMITTED, Cause, field_invalid, field_required
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.strategies import crd
from kcpfast.registry.typed import type_causes
from kcpfast.resources.resource import Object

SCHEMAS_PLACE = ("apis.kcp.io", "apiresourceschemas")
_CRDS = ("apiextensions.k8s.io", "customresourcedefinitions")
_PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_PREFIX = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# Groups of Kubernetes that have no dot: kcp's singleSegmentGroupExceptions. All others need one.
_SHORT_GROUPS = ("", "apps", "autoscaling", "batch", "extensions", "policy")


# Members of a schema that hold values of the kind, where null is a value like any other.
_VALUES = ("default", "enum", "example")


def suffix(plural: str, group: str) -> str:
    """Return how the name of every schema of a resource ends."""
    return f".{plural}.{group or 'core'}"


def plugins(is_static: Callable[[str, str], bool]) -> list[Plugin]:
    """Return the plugins of schemas; `is_static` tells what every workspace has."""

    def names(review: Review) -> None:
        _check_free(review, is_static)

    name = "tenancy.kcp.io/APIResourceSchema"
    return [
        Plugin("kcp.io/BuiltInResources", names, (CREATE,), (SCHEMAS_PLACE, _CRDS)),
        Plugin(name, _create, (CREATE,), (SCHEMAS_PLACE,)),
        Plugin(name, _update, (UPDATE,), (SCHEMAS_PLACE,), mutates=True),
    ]


def _check_free(review: Review, is_static: Callable[[str, str], bool]) -> None:
    """Refuse another definition of what every workspace has, in whatever version, and of kcp's own
    kinds where they are not bound.

    Admission, claims, policies and what goes with a write know a resource by group and plural:
    there is one of that name. Root defines kcp's own.
    """
    cluster = review.target.cluster
    if cluster == ROOT or cluster.startswith("system:"):
        return
    spec = spec_of(review.obj)
    names = spec.get("names") or {}
    group = spec.get("group") or ""
    plural = names.get("plural") or ""
    exported = kinds.schemas()["exported"]
    if is_static(group, plural) or f"{plural}.{group}" in exported:
        raise review.refuse(f"{plural}.{group or 'core'} is built in")


def _create(review: Review) -> None:
    _refuse(review, _check(review.obj))


def _update(review: Review) -> None:
    old = (review.old or {}).get("spec")
    new = review.obj.get("spec")
    if new != old:
        _refuse(review, [field_invalid("spec", new, "is immutable")])
    # The approval is an annotation, and so may change after the creation.
    group = (old or {}).get("group") or ""
    _refuse(review, crd.approval_causes(review.obj, group))


def _refuse(review: Review, causes: Iterable[Cause]) -> None:
    texts = [cause.text() for cause in causes]
    if texts:
        raise review.refuse("[" + ", ".join(texts) + "]")


def _check(obj: Object) -> list[Cause]:
    """Return what is wrong with a new schema."""
    spec = spec_of(obj)
    group = spec.get("group") or ""
    names = spec.get("names") or {}
    name = obj["metadata"].get("name") or ""
    plural = names.get("plural") or ""
    causes = _check_name(name, plural, group)
    if group not in _SHORT_GROUPS:
        causes += crd.check_group(group, "spec.group")
    causes += crd.approval_causes(obj, group)
    causes += crd.check_names(names, "spec.names")
    causes += crd.check_scope(spec, "spec.scope")
    versions = spec.get("versions") or []
    for number, version in enumerate(versions):
        causes += _check_version(version, f"spec.versions[{number}]")
    stored = [version for version in versions if version.get("storage")]
    if len(stored) != 1:
        message = "must have exactly one version marked as storage version"
        causes.append(field_invalid("spec.versions", [], message))
    seen = [version.get("name") or "" for version in versions]
    if len(set(seen)) != len(seen):
        causes.append(field_invalid("spec.versions", seen, "must contain unique version names"))
    return causes


def _check_name(name: str, plural: str, group: str) -> list[Cause]:
    ending = suffix(plural, group)
    if not name.endswith(ending):
        return [field_invalid("metadata.name", name, f"must end in {ending}")]
    start = name.removesuffix(ending)
    if _PREFIX.fullmatch(start) is None:
        message = f"must match ^{_PREFIX.pattern}$ in front of {ending}"
        return [field_invalid("metadata.name", name, message)]
    return []


def _check_version(version: Mapping[str, Any], field: str) -> list[Cause]:
    schema = version.get("schema")
    if not isinstance(schema, dict):
        return [field_required(f"{field}.schema", "schemas are required")]
    wrong = type_causes(_PROPS, schema, f"{field}.schema")
    if not wrong and _has_null(schema):
        wrong = [field_invalid(f"{field}.schema", OMITTED, "must not hold null")]
    if wrong:
        return wrong
    causes = crd.check_openapi(schema, f"{field}.schema")
    causes += crd.check_subresources(version.get("subresources"), f"{field}.subresources")
    columns = version.get("additionalPrinterColumns")
    causes += crd.check_columns(columns, f"{field}.additionalPrinterColumns")
    selectable = version.get("selectableFields")
    causes += crd.check_selectable(selectable, schema, f"{field}.selectableFields")
    return causes + crd.check_deprecation(version, f"{field}.deprecationWarning")


def _has_null(schema: Any) -> bool:
    """Tell whether a schema holds null elsewhere than in values: Go would read it as absent."""
    below: list[Any] = []
    if isinstance(schema, dict):
        below = [value for key, value in schema.items() if key not in _VALUES]
    elif isinstance(schema, list):
        below = schema
    return any(child is None or _has_null(child) for child in below)
