"""How long lists in kcp's own kinds and in CRDs may be: what the server goes over at one go.

Nobody needs so many. Whatever is made of such a list, a workspace with its bindings or the rows of
a catalog, is made in one commit, while everybody else waits.
kcp has no such limits, nor has a kube-apiserver of the versions of a CRD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.admission.chain import Plugin, Review
from kcpfast.meta.errors import Cause, field_too_many, invalid
from kcpfast.resources.resource import Object

GroupResource = tuple[str, str]
TABLE: Mapping[GroupResource, Mapping[str, int]] = {
    ("tenancy.kcp.io", "workspacetypes"): {
        "spec.extend.with": 100,
        "spec.defaultAPIBindings": 100,
        "spec.limitAllowedChildren.types": 500,
        "spec.limitAllowedParents.types": 500,
        "spec.additionalWorkspaceLabels": 100,
        "spec.initializerPermissions": 1000,
        "spec.terminatorPermissions": 1000,
    },
    ("apis.kcp.io", "apiexports"): {
        "spec.resources": 1000,
        "spec.latestResourceSchemas": 1000,
        "spec.permissionClaims": 1000,
    },
    ("apis.kcp.io", "apibindings"): {"spec.permissionClaims": 1000},
    ("apis.kcp.io", "apiresourceschemas"): {"spec.versions": 100},
    ("apiextensions.k8s.io", "customresourcedefinitions"): {"spec.versions": 100},
}


def plugins() -> list[Plugin]:
    """Return the plugin; it belongs before those that go over the lists."""
    return [Plugin("kcp.io/Limits", _check, places=tuple(TABLE), mutates=True)]


def _check(review: Review) -> None:
    """Raise Invalid for a list that is too long, unless it was as long before."""
    obj, old, convert = review.obj, review.old or {}, review.resource.to_storage
    causes = _causes(review.place, obj, old)
    if convert is not None and not causes:  # annotations add to what an older version says
        causes = _causes(review.place, convert(obj), convert(old) if old else old)
    if causes:
        group, kind = review.place[0], review.resource.kind
        raise invalid(kind, group, review.name, causes)


def _causes(place: GroupResource, obj: Object, old: Object) -> list[Cause]:
    causes = []
    for path, most in TABLE[place].items():
        number = _length(obj, path)
        if number > max(most, _length(old, path)):
            causes.append(field_too_many(path, number, most))
    return causes


def _length(obj: Object, path: str) -> int:
    """Return how many members a list or map has, 0 for what is none."""
    value: Any = obj
    for member in path.split("."):
        value = value.get(member) if isinstance(value, dict) else None
    return len(value) if isinstance(value, list | dict) else 0
