"""The CEL of admission: what its expressions may speak of, and whether they compile.

Declarations follow k8s.io/apiserver/pkg/admission/plugin/cel/compile.go; admission evaluates the
expressions with the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from kcpfast.meta.errors import Cause, field_invalid
from kcpfast.schema import cel

_KIND = {"group": "string", "version": "string", "kind": "string"}
_RESOURCE = {"group": "string", "version": "string", "resource": "string"}
_USER = {
    "username": "string",
    "uid": "string",
    "groups": "list(string)",
    "extra": "map(string, list(string))",
}
_NAMESPACE_META = {
    "name": "string",
    "generateName": "string",
    "namespace": "string",
    "labels": "map(string, string)",
    "annotations": "map(string, string)",
    "UID": "string",
    "creationTimestamp": "timestamp",
    "deletionGracePeriodSeconds": "int",
    "deletionTimestamp": "timestamp",
    "generation": "int",
    "resourceVersion": "string",
    "finalizers": "list(string)",
}


def _object(name: str, fields: Mapping[str, str], **more: cel.CelType) -> cel.CelType:
    typed = {key: cel.parse_type(text) for key, text in fields.items()}
    return cel.object_of(f"kubernetes.{name}", typed | more)


@cache
def _request() -> cel.CelType:
    kind, resource = _object("GroupVersionKind", _KIND), _object("GroupVersionResource", _RESOURCE)
    words = ("subResource", "requestSubResource", "name", "namespace", "operation")
    return _object(
        "AdmissionRequest",
        dict.fromkeys(words, "string") | {"dryRun": "bool", "options": "dyn"},
        kind=kind,
        resource=resource,
        requestKind=kind,
        requestResource=resource,
        userInfo=_object("UserInfo", _USER),
    )


@cache
def _namespace() -> cel.CelType:
    return _object(
        "Namespace",
        {"apiVersion": "string", "kind": "string"},
        metadata=_object("NamespaceMetadata", _NAMESPACE_META),
        spec=_object("NamespaceSpec", {"finalizers": "list(string)"}),
        status=_object("NamespaceStatus", {"phase": "string"}),
    )


def declared(
    *,
    params: bool = False,
    authorizer: bool = True,
    computed: Mapping[str, cel.CelType] | None = None,
) -> dict[str, cel.CelType]:
    """Return the variables of an expression; `computed` are the policy's own, by name."""
    dyn = cel.parse_type("dyn")
    variables = {
        "object": dyn,
        "oldObject": dyn,
        "request": _request(),
        "namespaceObject": _namespace(),
    }
    if params:
        variables["params"] = dyn
    if authorizer:
        variables["authorizer"] = cel.opaque("kubernetes.authorization.Authorizer")
        check = cel.opaque("kubernetes.authorization.ResourceCheck")
        variables["authorizer.requestResource"] = check
    if computed is not None:
        variables["variables"] = cel.object_of("kubernetes.variables", computed)
    return variables


@cache
def mutation_types() -> Mapping[str, cel.CelType]:
    """Return the types that the expression of a mutation may construct, by name.

    These are `Object` (a configuration to apply) and `JSONPatch` (one operation of a JSON patch).
    """
    fields = {"op": "string", "path": "string", "from": "string", "value": "dyn"}
    patch = cel.object_of("JSONPatch", {key: cel.parse_type(kind) for key, kind in fields.items()})
    return {"Object": cel.open_object("Object"), "JSONPatch": patch}


def compiled(
    source: str,
    variables: Mapping[str, cel.CelType],
    results: tuple[cel.CelType, ...],
    types: Mapping[str, cel.CelType] | None = None,
) -> cel.CelProgram:
    """Compile an expression of one of the types in `results` (() = any); CelError if it is not."""
    expect = results[0] if len(results) == 1 else None
    program = cel.compile_expression(source, variables, expect=expect, types=types)
    if expect is None and results:
        names = [result.name for result in results]
        if program.result_type.name not in names:
            raise cel.CelError(f"must evaluate to one of [{' '.join(names)}]")
    return program


def check(
    source: str,
    field: str,
    variables: Mapping[str, cel.CelType],
    result: str,
    types: Mapping[str, cel.CelType] | None = None,
) -> list[Cause]:
    """Return what is wrong with an expression; `result` names the types it may have, by bars."""
    results = tuple(result_type(name) for name in result.split("|"))
    try:
        compiled(source, variables, results, types)
    except cel.CelError as error:
        return [field_invalid(field, source, error.message)]
    return []


def result_type(name: str) -> cel.CelType:
    """Return the type of a result by its name."""
    if name == "Object":
        return mutation_types()["Object"]
    if name == "list(JSONPatch)":
        return cel.list_of(mutation_types()["JSONPatch"])
    return cel.parse_type(name)
