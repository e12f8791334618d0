"""APIExports, APIBindings and endpoint slices: what they may say, and who may bind to what.

Rules: kcp's admission plugins apis.kcp.io/APIExport, APIBinding, APIExportEndpointSlice and
APIBindingDeletionFinalizer. Whether an export exists is told to nobody who may not bind to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kcpfast.admission.chain import CREATE, UPDATE, Plugin, Review
from kcpfast.kcp import claims, conversion
from kcpfast.kcp.admit.schemas import suffix
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.kcp.bindings import API_BINDINGS_PLACE, BINDING_FINALIZER, EXPORT_LABEL
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.kinds import api_bindings, api_exports
from kcpfast.meta.cluster import PATH_ANNOTATION, export_hash
from kcpfast.meta.errors import ApiError, Cause, field_invalid, field_required, invalid
from kcpfast.meta.names import dns_subdomain
from kcpfast.meta.selectors import check_object
from kcpfast.meta.user import Attributes, User
from kcpfast.registry.metadata import spec_of
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object

APIS_GROUP = "apis.kcp.io"
EXPORTS = (APIS_GROUP, "apiexports")
SLICES = (APIS_GROUP, "apiexportendpointslices")
WORKSPACE_TYPES = ("tenancy.kcp.io", "workspacetypes")
# Of an export and what refers to it; a key of the index holds both, and two clusters.
_LONGEST_NAMES = 400


class Binders:
    """Answers who may bind to an export."""

    def __init__(self, clusters: Clusters, authorizer: Authorizer) -> None:
        """Resolve paths here, ask there."""
        self._clusters = clusters
        self._authorizer = authorizer

    def find(self, cluster: str, reference: Mapping[str, Any]) -> str:
        """Return the cluster of an export referred to from a cluster, "" if there is none.

        A reference without a path is to the own cluster, where nothing is looked up.
        """
        path, name = reference.get("path") or "", reference.get("name") or ""
        if not path:
            return cluster
        try:
            owner = self._clusters.resolve(path)
        except ApiError:
            return ""
        there = self._clusters.objects.record(Target(api_exports(), owner, "", name)) is not None
        return owner if there else ""

    def may_bind(self, user: User, cluster: str, name: str) -> bool:
        """Tell whether a user has the verb `bind` on an export."""
        attributes = Attributes("bind", "apis.kcp.io", "v1alpha1", "apiexports", name=name)
        return self._authorizer.allows(user, cluster, attributes, deep=True)

    def check(self, review: Review, reference: Mapping[str, Any], kind: str) -> str:
        """Return the cluster of an export; Forbidden unless the user may bind to it."""
        own = review.target.cluster
        owner = self.find(own, reference)
        name = reference.get("name") or ""
        self._check_name(review, name, kind)
        if owner and self.may_bind(review.user, owner, name):
            return owner
        if not owner and is_master(review.user, own):
            return ""
        path = reference.get("path") or self._clusters.path_of(own)
        verb = "create" if review.old is None else "update"
        raise review.refuse(
            f"unable to {verb} {kind}: no permission to bind to export {path}:{name}"
        )

    def _check_name(self, review: Review, name: str, kind: str) -> None:
        """Refuse what can be no export's name: bindings and slices are filed under it.

        And under their own, too: both together have to fit into a key of the index.
        """
        wrong = dns_subdomain(name) if name else []
        if not wrong and len(name) + len(review.name) > _LONGEST_NAMES:
            wrong = [f"must be at most {_LONGEST_NAMES} characters together with metadata.name"]
        if wrong:
            field = "spec.reference.export.name" if kind == "APIBinding" else "spec.export.name"
            raise review.refuse(field_invalid(field, name, wrong[0]).text())

    def check_path(self, review: Review, path: str, name: str) -> None:
        """Forbidden unless the user may bind to an export that a type names, there or not."""
        try:
            cluster = self._clusters.resolve(path)
        except ApiError:
            cluster = ""
        if cluster and self.may_bind(review.user, cluster, name):
            return
        if is_master(review.user, review.target.cluster):
            return
        raise review.refuse(
            "unable to create or update WorkspaceType: no permission to bind to export "
            f"{path}:{name}"
        )

    def path_of(self, cluster: str) -> str:
        """Return the canonical path of a cluster."""
        return self._clusters.path_of(cluster)


def plugins(binders: Binders) -> list[Plugin]:
    """Return the plugins of exports, bindings and slices."""

    def annotate(review: Review) -> None:
        meta = review.obj["metadata"]
        path = binders.path_of(review.target.cluster)
        meta["annotations"] = (meta.get("annotations") or {}) | {PATH_ANNOTATION: path}

    def binding(review: Review) -> None:
        _admit_binding(review, binders)

    def endpoint_slice(review: Review) -> None:
        reference = _reference(review.obj)
        if reference and (review.old is None or _reference(review.old) != reference):
            binders.check(review, reference, "APIExportEndpointSlice")

    return [
        Plugin(
            "kcp.io/PathAnnotation",
            annotate,
            places=(EXPORTS, API_BINDINGS_PLACE, WORKSPACE_TYPES),
            mutates=True,
        ),
        Plugin("apis.kcp.io/APIExport", _admit_export, places=(EXPORTS,)),
        Plugin("apis.kcp.io/APIBinding", binding, places=(API_BINDINGS_PLACE,), mutates=True),
        Plugin("apis.kcp.io/Conversion", _check_stored, places=(EXPORTS, API_BINDINGS_PLACE)),
        Plugin(
            "apis.kcp.io/APIExportEndpointSlice",
            endpoint_slice,
            (CREATE, UPDATE),
            (SLICES,),
        ),
    ]


def _check_stored(review: Review) -> None:
    """Hold what is stored to its own schema, where annotations of the older version complete it."""
    convert, old = review.resource.to_storage, review.old
    if convert is None:
        return
    stored = api_exports() if review.place == EXPORTS else api_bindings()
    stored_object = convert(review.obj)
    causes = stored.program.validate(stored_object, convert(old) if old is not None else None)
    if causes:
        raise invalid(stored.kind, APIS_GROUP, review.name, causes)
    if review.place == API_BINDINGS_PLACE:
        _check_selectors(review, spec_of(stored_object).get("permissionClaims") or ())


# ------------------------------------------------------------------------- exports


def _admit_export(review: Review) -> None:
    obj, convert = review.obj, review.resource.to_storage
    try:
        conversion.check("apiexports", obj)
    except conversion.MalformedAnnotation as error:
        raise review.refuse(str(error)) from None
    causes = _export_causes(convert(obj) if convert is not None else obj)
    if causes:
        raise review.refuse(", ".join(cause.text() for cause in causes))


def _export_causes(export: Object) -> list[Cause]:
    spec = spec_of(export)
    causes = []
    for number, resource in enumerate(spec.get("resources") or ()):
        ending = suffix(resource.get("name") or "", resource.get("group") or "")
        schema = resource.get("schema")
        if schema is not None and not schema.endswith(ending):
            field = f"spec.resources[{number}].schema"
            causes.append(field_invalid(field, schema, f"must end in {ending}"))
    for number, claim in enumerate(spec.get("permissionClaims") or ()):
        group, plural, identity = claims.key(claim)
        if not identity.isprintable():  # it becomes part of keys
            field = f"spec.permissionClaims[{number}].identityHash"
            causes.append(field_invalid(field, identity, "must be the identity of an APIExport"))
        if identity or group == "apis.kcp.io" or claims.builtin(group, plural) is not None:
            continue
        field = f"spec.permissionClaims[{number}].identityHash"
        text = "identityHash is required for API types that are not built-in"
        causes.append(field_invalid(field, "", text))
    return causes


# ------------------------------------------------------------------------- bindings


def _reference(obj: Object) -> Mapping[str, Any]:
    """Return the export that a binding, or a slice, refers to."""
    spec = spec_of(obj)
    reference: Mapping[str, Any] = (spec.get("reference") or spec).get("export") or {}
    return reference


def _admit_binding(review: Review, binders: Binders) -> None:
    obj, old = review.obj, review.old
    try:
        conversion.check("apibindings", obj)
    except conversion.MalformedAnnotation as error:
        raise review.refuse(str(error)) from None
    reference = _reference(obj)
    if not reference.get("name"):
        raise review.refuse(field_required("spec.reference.export").text())
    meta = obj["metadata"]
    conversion.keep_status(obj, old)
    if old is None or _reference(old) != reference:
        export_cluster = binders.check(review, reference, "APIBinding")
        value = export_hash(export_cluster or "", reference["name"]) if export_cluster else ""
    else:
        value = (old["metadata"].get("labels") or {}).get(EXPORT_LABEL, "")
    if value:
        meta["labels"] = (meta.get("labels") or {}) | {EXPORT_LABEL: value}
    if "deletionTimestamp" not in meta and BINDING_FINALIZER not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), BINDING_FINALIZER]
    answers = spec_of(obj).get("permissionClaims") or ()
    for answer in answers:
        answer.setdefault("state", "")  # so that it is refused as a value, not as missing
    if review.resource.to_storage is None:
        _check_selectors(review, answers)


def _check_selectors(review: Review, answers: Sequence[Mapping[str, Any]]) -> None:
    for number, claim in enumerate(answers):
        selector = claim.get("selector") or {}
        terms = bool(selector.get("matchLabels") or selector.get("matchExpressions"))
        if bool(selector.get("matchAll")) is terms:
            field = f"spec.permissionClaims[{number}].selector"
            text = "exactly one of matchAll or matchLabels/matchExpressions must be set"
            raise review.refuse(field_invalid(field, selector, text).text())
        causes = check_object(selector, f"spec.permissionClaims[{number}].selector")
        if causes:
            raise review.refuse(causes[0].text())
