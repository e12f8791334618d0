"""What kcp keeps to itself: names of workspace types, groups and annotations of CRDs.

Refused before an object is validated, so that the reason is the first thing one hears.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.meta.errors import field_invalid
from kcpfast.registry.metadata import spec_of

_DOMAIN = "apis.kcp.io"
_CRDS = (("apiextensions.k8s.io", "customresourcedefinitions"),)
_TYPES = (("tenancy.kcp.io", "workspacetypes"),)
_TYPE_NAMES = ("any", "system")


def plugins() -> list[Plugin]:
    """Return the plugins."""
    return [
        Plugin("apis.kcp.io/ReservedNames", _refuse(_names), (CREATE,), _TYPES, mutates=True),
        Plugin("kcp.io/ReservedCRDGroups", _refuse(_groups), (CREATE,), _CRDS, mutates=True),
        Plugin(
            "apis.kcp.io/ReservedCRDAnnotations",
            _refuse(_annotations),
            (CREATE, UPDATE),
            _CRDS,
            mutates=True,
        ),
    ]


def _refuse(find: Callable[[Review], Iterator[str]]) -> Callable[[Review], None]:
    def check(review: Review) -> None:
        if not review.target.cluster.startswith("system:"):
            for message in find(review):
                raise review.refuse(message)

    return check


def _names(review: Review) -> Iterator[str]:
    name = review.obj["metadata"].get("name", "")
    if name in _TYPE_NAMES:
        yield field_invalid("metadata.name", name, "name is reserved").text()


def _groups(review: Review) -> Iterator[str]:
    group = spec_of(review.obj).get("group") or ""
    if _is_ours(group):
        yield f"{group} is a reserved group"


def _annotations(review: Review) -> Iterator[str]:
    for key in review.obj["metadata"].get("annotations") or ():
        if "/" in key and _is_ours(key.partition("/")[0]):
            yield f"{key} is a reserved annotation"


def _is_ours(domain: str) -> bool:
    return domain == _DOMAIN or domain.endswith("." + _DOMAIN)
