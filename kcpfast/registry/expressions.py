"""The CEL of admission: what expressions of policies and match conditions may speak of.

Variables and their types: k8s.io/apiserver/pkg/admission/plugin/cel. Compiled expressions are
kept by their text, so whoever writes the same policy twice, or in ten workspaces, compiles once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kcpfast.schema.cel import Program, Type

BOOL, STRING, NULL = "bool", "string", "null_type"
CONFIGURATION, JSON_PATCH = "Object", "list(JSONPatch)"
_KEPT = 512
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_LABELS = {"type": "object", "additionalProperties": _TEXT}
_TIME = {"type": "string", "format": "date-time"}


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_KIND = _object(group=_TEXT, version=_TEXT, kind=_TEXT)
_RESOURCE = _object(group=_TEXT, version=_TEXT, resource=_TEXT)
_USER = _object(
    username=_TEXT,
    uid=_TEXT,
    groups=_TEXTS,
    extra={"type": "object", "additionalProperties": _TEXTS},
)
_REQUEST = _object(
    kind=_KIND,
    resource=_RESOURCE,
    subResource=_TEXT,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=_TEXT,
    name=_TEXT,
    namespace=_TEXT,
    operation=_TEXT,
    userInfo=_USER,
    dryRun={"type": "boolean"},
    options={"x-kubernetes-int-or-string": True},  # anything
)
_NAMESPACE = _object(
    metadata=_object(
        name=_TEXT,
        generateName=_TEXT,
        namespace=_TEXT,
        labels=_LABELS,
        annotations=_LABELS,
        uid=_TEXT,
        creationTimestamp=_TIME,
        deletionGracePeriodSeconds={"type": "integer"},
        deletionTimestamp=_TIME,
        generation={"type": "integer"},
        resourceVersion=_TEXT,
        finalizers=_TEXTS,
    ),
    spec=_object(finalizers=_TEXTS),
    status=_object(phase=_TEXT),
)


class Scope(NamedTuple):
    """What an expression may use beside the request: hashable, so that programs are kept by it.

    `variables` are name and expression of the policy's variables that stand before it.
    """

    params: bool = False
    authorizer: bool = False
    variables: tuple[tuple[str, str], ...] = ()


@cache
def _types() -> Mapping[str, Type]:
    from kcpfast.schema.cel import (  # noqa: PLC0415 - few workspaces have policies
        opaque,
        parse_type,
        type_of_schema,
    )

    dyn = parse_type("dyn")
    request = type_of_schema(_REQUEST, name="kubernetes.AdmissionRequest")
    namespace = type_of_schema(_NAMESPACE, name="kubernetes.Namespace")
    assert request is not None
    assert namespace is not None
    return {
        "object": dyn,
        "oldObject": dyn,
        "request": request,
        "namespaceObject": namespace,
        "params": dyn,
        "authorizer": opaque("kubernetes.authorization.Authorizer"),
        "authorizer.requestResource": opaque("kubernetes.authorization.ResourceCheck"),
    }


@cache
def _made() -> Mapping[str, Type]:
    """Return the types of objects that mutations make."""
    from kcpfast.schema.cel import (  # noqa: PLC0415 - few workspaces have policies
        object_of,
        open_object,
        parse_type,
    )

    text = parse_type("string")
    fields = {"op": text, "path": text, "from": text, "value": parse_type("dyn")}
    return {"Object": open_object("Object"), "JSONPatch": object_of("JSONPatch", fields)}


def seen(name: str, value: Any) -> Any:
    """Return a JSON value as CEL sees it in a variable."""
    convert = _types()[name].convert
    return value if convert is None or value is None else convert(value)


def _declared(scope: Scope) -> dict[str, Type]:
    from kcpfast.schema.cel import object_of  # noqa: PLC0415 - few workspaces have policies

    given = dict(_types())
    if not scope.params:
        del given["params"]
    if not scope.authorizer:
        del given["authorizer"], given["authorizer.requestResource"]
    fields = {
        name: compiled(source, (), scope._replace(variables=scope.variables[:number])).result_type
        for number, (name, source) in enumerate(scope.variables)
    }
    given["variables"] = object_of("kubernetes.variables", fields)
    return given


@lru_cache(maxsize=_KEPT)
def compiled(source: str, results: tuple[str, ...], scope: Scope) -> Program:
    """Return the program of an expression; CelError if it is none, or gives no such result.

    `results` are names of types, one of which it must give; none = any.
    """
    from kcpfast.schema.cel import (  # noqa: PLC0415 - few workspaces have policies
        CelError,
        compile_expression,
    )
    from kcpfast.schema.cel.celtypes import describe  # noqa: PLC0415 - few workspaces have them

    mutates = results in ((CONFIGURATION,), (JSON_PATCH,))
    program = compile_expression(source, _declared(scope), types=_made() if mutates else None)
    found = describe(program.result_type)
    if results and found not in results:
        wanted = results[0] if len(results) == 1 else f"one of [{' '.join(results)}]"
        raise CelError(f"must evaluate to {wanted} but got {found}")
    return program
