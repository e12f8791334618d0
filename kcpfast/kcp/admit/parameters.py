"""Nobody reads by a policy what they may not read: whoever names parameters must be allowed to get
them.

A policy tells what is in its parameters: in messages, in what it lets through, in what it writes.
Rules: authz.go beside the strategies of admission policies and their bindings in
k8s.io/kubernetes/pkg/registry/admissionregistration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.meta.errors import ApiError, field_forbidden, invalid
from kcpfast.meta.user import Attributes
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.builtin import BY_PLACE

ADMISSION_GROUP = "admissionregistration.k8s.io"
_KINDS = ("validatingadmissionpolicies", "mutatingadmissionpolicies")
_POLICIES = tuple((ADMISSION_GROUP, plural) for plural in _KINDS)
_OF_BINDING = {plural.removesuffix("ies") + "ybindings": plural for plural in _KINDS}
_BINDINGS = tuple((ADMISSION_GROUP, plural) for plural in _OF_BINDING)
_WRITES = (CREATE, UPDATE)


class Parameters:
    """The plugins that look at policies and their bindings."""

    def __init__(self, objects: Objects, catalog: Catalog, authorizer: Authorizer) -> None:
        """Find policies and kinds here; ask this authorizer what the writer may do."""
        self._objects, self._catalog, self._authorizer = objects, catalog, authorizer

    def plugins(self) -> list[Plugin]:
        """Return the plugins."""
        return [
            Plugin("policy-parameters", self._policy, _WRITES, _POLICIES),
            Plugin("policy-binding-parameters", self._binding, _WRITES, _BINDINGS),
        ]

    def _policy(self, review: Review) -> None:
        kind = _spec(review.new).get("paramKind")
        if kind is None or kind == _spec(review.old).get("paramKind"):
            return
        attributes = self._of_kind(review, kind)
        if not self._may(review, attributes._replace(verb="get", namespace="*", name="*")):
            raise _refusal(
                review,
                "spec.paramKind",
                f'user {review.user.name} must have "get" permission on all objects of the '
                f"referenced paramKind (kind={kind['kind']}, apiVersion={kind['apiVersion']})",
            )

    def _binding(self, review: Review) -> None:
        new, old = _spec(review.new), _spec(review.old)
        reference = new.get("paramRef")
        if reference is None or all(new.get(k) == old.get(k) for k in ("paramRef", "policyName")):
            return
        resource = BY_PLACE[ADMISSION_GROUP, "v1", _OF_BINDING[review.place[1]]]
        target = Target(resource, review.target.cluster, "", new["policyName"])
        attributes = self._of_kind(review, _spec(self._objects.find(target)).get("paramKind") or {})
        name = reference.get("name") or ""
        verb, namespace = "get" if name else "list", reference.get("namespace") or ""
        if not self._may(review, attributes._replace(verb=verb, namespace=namespace, name=name)):
            raise _refusal(
                review,
                "spec.paramRef",
                f'user {review.user.name} does not have "{verb}" permission on the object '
                "referenced by paramRef",
            )

    def _of_kind(self, review: Review, kind: Mapping[str, Any]) -> Attributes:
        """Return a request for a kind of parameters; for everything where that is not known."""
        if not kind:
            return Attributes("", "*", "*", "*")
        group, _, version = kind["apiVersion"].rpartition("/")
        served = self._catalog.of_kind(review.target.cluster, group, version, kind["kind"])
        plural = served.resource.plural if served is not None else "*"
        return Attributes("", group, version, plural)

    def _may(self, review: Review, attributes: Attributes) -> bool:
        cluster = review.target.cluster
        return is_master(review.user, cluster) or self._authorizer.allows(
            review.user, cluster, attributes
        )


def _spec(obj: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return spec_of(obj)


def _refusal(review: Review, field: str, message: str) -> ApiError:
    return invalid(
        review.resource.kind, ADMISSION_GROUP, review.name, [field_forbidden(field, message)]
    )
