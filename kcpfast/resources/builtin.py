"""The kinds that every workspace has: one row per resource, in the order of discovery.

Rows follow a kcp of August 2026 on Kubernetes 1.36. Groups come in the order of their priority.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from kcpfast.meta.names import NameRule, dns_label, dns_subdomain, path_segment
from kcpfast.resources import decoding
from kcpfast.resources.asset import asset
from kcpfast.resources.columns import COLUMNS
from kcpfast.resources.compiled import CompiledSchema
from kcpfast.resources.events import from_core, to_core
from kcpfast.resources.resource import (
    BUILTIN_VERBS,
    STATUS_VERBS,
    Names,
    Object,
    Resource,
    Subresource,
    standard_subresources,
)
from kcpfast.schema.program import Program, SchemaCompiler
from kcpfast.store.keys import storage_name

CREATE_VERB = ("create",)
_NO_COLLECTION = ("create", "delete", "get", "list", "patch", "update", "watch")
_API_EXTENSIONS = ("api-extensions",)


class BuiltinRow(NamedTuple):
    """One built-in resource; all are of version v1."""

    group: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    verbs: tuple[str, ...] = ()
    more: tuple[Subresource, ...] = ()
    rule: NameRule | None = None
    generation: bool = False


_TOKEN = Subresource("token", CREATE_VERB, "TokenRequest", "authentication.k8s.io", "v1")
_FINALIZE = Subresource("finalize", ("update",), "Namespace")
_APPROVAL = Subresource("approval", STATUS_VERBS, "CertificateSigningRequest")
_ADMISSION = "admissionregistration.k8s.io"
_AUTHENTICATION = "authentication.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
_RBAC = "rbac.authorization.k8s.io"

BUILTIN_ROWS = (
    BuiltinRow("", "configmaps", "ConfigMap", True, ("cm",)),
    BuiltinRow("", "events", "Event", True, ("ev",)),
    BuiltinRow(
        "",
        "namespaces",
        "Namespace",
        False,
        ("ns",),
        status=True,
        verbs=_NO_COLLECTION,
        more=(_FINALIZE,),
        rule=dns_label,
    ),
    BuiltinRow("", "resourcequotas", "ResourceQuota", True, ("quota",), (), True),
    BuiltinRow("", "secrets", "Secret"),
    BuiltinRow("", "serviceaccounts", "ServiceAccount", True, ("sa",), more=(_TOKEN,)),
    BuiltinRow(
        _AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", False, verbs=CREATE_VERB
    ),
    BuiltinRow(_AUTHENTICATION, "tokenreviews", "TokenReview", False, verbs=CREATE_VERB),
    BuiltinRow(
        _AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=CREATE_VERB
    ),
    BuiltinRow(
        _AUTHORIZATION,
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        False,
        verbs=CREATE_VERB,
    ),
    BuiltinRow(
        _AUTHORIZATION,
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        False,
        verbs=CREATE_VERB,
    ),
    BuiltinRow(
        _AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview", False, verbs=CREATE_VERB
    ),
    BuiltinRow(
        "certificates.k8s.io",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        False,
        ("csr",),
        status=True,
        more=(_APPROVAL,),
        rule=path_segment,
    ),
    BuiltinRow("coordination.k8s.io", "leases", "Lease"),
    BuiltinRow(_RBAC, "clusterrolebindings", "ClusterRoleBinding", False, rule=path_segment),
    BuiltinRow(_RBAC, "clusterroles", "ClusterRole", False, rule=path_segment),
    BuiltinRow(_RBAC, "rolebindings", "RoleBinding", rule=path_segment),
    BuiltinRow(_RBAC, "roles", "Role", rule=path_segment),
    BuiltinRow(
        _ADMISSION,
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        False,
        (),
        _API_EXTENSIONS,
        generation=True,
    ),
    BuiltinRow(
        _ADMISSION,
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        False,
        (),
        _API_EXTENSIONS,
        generation=True,
    ),
    BuiltinRow(
        _ADMISSION,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        False,
        (),
        _API_EXTENSIONS,
        generation=True,
    ),
    BuiltinRow(
        _ADMISSION,
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        False,
        (),
        _API_EXTENSIONS,
        True,
        generation=True,
    ),
    BuiltinRow(
        _ADMISSION,
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        False,
        (),
        _API_EXTENSIONS,
        generation=True,
    ),
    BuiltinRow(
        _ADMISSION,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        False,
        (),
        _API_EXTENSIONS,
        generation=True,
    ),
    BuiltinRow("events.k8s.io", "events", "Event", True, ("ev",)),
    BuiltinRow(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        False,
        ("crd", "crds"),
        _API_EXTENSIONS,
        True,
    ),
)

_DEFINITIONS = {
    "": "io.k8s.api.core.v1.",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.",
}


def _at(*path: str) -> Callable[[Object], Any]:
    def read(obj: Object) -> Any:
        value: Any = obj
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


_EVENT_FIELDS = {
    **{
        f"involvedObject.{name}": _at("involvedObject", name)
        for name in (
            "apiVersion",
            "fieldPath",
            "kind",
            "name",
            "namespace",
            "resourceVersion",
            "uid",
        )
    },
    "reason": _at("reason"),
    "reportingComponent": _at("reportingComponent"),
    "source": lambda obj: (
        (obj.get("source") or {}).get("component") or obj.get("reportingComponent")
    ),
    "type": _at("type"),
}
_EVENTS_FIELDS = {
    **{
        f"regarding.{name}": _at("regarding", name)
        for name in (
            "apiVersion",
            "fieldPath",
            "kind",
            "name",
            "namespace",
            "resourceVersion",
            "uid",
        )
    },
    "reason": _at("reason"),
    "reportingController": _at("reportingController"),
    "type": _at("type"),
}

FIELDS: Mapping[str, Mapping[str, Callable[[Object], Any]]] = {
    "/events": _EVENT_FIELDS,
    "/namespaces": {"status.phase": _at("status", "phase"), "name": _at("metadata", "name")},
    "/secrets": {"type": _at("type")},
    "certificates.k8s.io/certificatesigningrequests": {
        "spec.signerName": _at("spec", "signerName")
    },
    "events.k8s.io/events": _EVENTS_FIELDS,
}


@cache
def definitions() -> Mapping[str, Any]:
    """Return the OpenAPI definitions of all built-in kinds, by name; read when first needed."""
    return asset("openapi.json")


def definition_name(group: str, kind: str, version: str = "v1") -> str:
    """Return the name of a built-in kind's definition."""
    package = _DEFINITIONS.get(group) or f"io.k8s.api.{group.split('.')[0]}.{version}."
    return package + kind


@cache
def _compiler() -> SchemaCompiler:
    return SchemaCompiler(definitions(), typed=True, decoding=decoding)


def typed_program(definition: str) -> Program:
    """Compile a built-in definition; places that kinds share are compiled once."""
    return _compiler().program({"$ref": definition})


def typed_schema(schema: Mapping[str, Any]) -> Program:
    """Compile a schema that leans on built-in definitions."""
    return _compiler().program(schema)


def _resource(row: BuiltinRow) -> Resource:
    definition = definition_name(row.group, row.kind)
    group_resource = f"{row.group}/{row.plural}"
    stored_as_core = group_resource == "events.k8s.io/events"
    own_subresources = {subresource.name: subresource for subresource in row.more}
    return Resource(
        group=row.group,
        version="v1",
        names=Names(row.plural, row.kind, row.kind.lower(), "", row.short, row.categories),
        namespaced=row.namespaced,
        storage=storage_name("" if stored_as_core else row.group, row.plural),
        storage_version="v1" if stored_as_core else "",
        to_storage=to_core if stored_as_core else None,
        from_storage=from_core if stored_as_core else None,
        compiled=CompiledSchema(lambda: typed_program(definition)),
        schema=definition,
        status=row.status,
        verbs=row.verbs or BUILTIN_VERBS,
        columns=COLUMNS.get(group_resource, ()),
        fields=FIELDS.get(group_resource, {}),
        name_rule=row.rule or dns_subdomain,
        generation=row.generation,
        subresources=own_subresources
        | standard_subresources(row.kind, status=row.status, scale=None),
    )


BUILTIN = tuple(_resource(row) for row in BUILTIN_ROWS)
BY_PLACE = {(resource.group, resource.version, resource.plural): resource for resource in BUILTIN}
