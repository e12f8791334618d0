"""Decoded values of the right types: what everything behind the decoder may lean on.

Whoever takes an object from outside (a body, the result of a patch, what a webhook made of it)
passes it through `conform` before anything looks inside. Afterwards it is an object whose
`metadata` is an ObjectMeta; a built-in kind, and one of kcp's own, is all of the types that its
schema says. Of other custom kinds nothing looks inside before they are validated.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from kcpfast._core import schema as core
from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError, Cause, bad_request, invalid
from kcpfast.resources.builtin import typed_program
from kcpfast.resources.resource import Object, Resource
from kcpfast.schema.error_texts import TYPE_NAMES, cause
from kcpfast.schema.program import Program

# No object is nested deeper, in JSON: what goes over it in Python may take three frames a level.
MAX_OBJECT_DEPTH = 256
_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1."
_WRONG = (core.TYPE, core.FORMAT, core.RANGE)


def conform(resource: Resource, obj: Object) -> list[str]:
    """Prune and default an object in place; return the paths of unknown fields.

    What Go could not decode (a wrong type in a built-in kind, or in anybody's metadata) is 400;
    a wrong type in one of kcp's own kinds is 422, as by its schema.
    """
    root, builtin = resource.program.root, resource.builtin
    check_depth(obj, numbers=not builtin)
    check_metadata(resource, obj)
    report = core.Report(True, not builtin, builtin, True)
    core.run(root, obj, report)
    if report.errors:
        _refuse(resource.kind, resource.version, report.errors, "")
    unknown: list[str] = report.unknown
    if not builtin:
        unknown.sort()
        of_meta = core.Report(False, False, True, True)
        core.run(root.properties["metadata"], obj.setdefault("metadata", {}), of_meta)
        _refuse(resource.kind, resource.version, of_meta.errors, "metadata")
        if _is_kcps(resource.group):
            _check_types(resource, obj)
    if "metadata" not in obj:
        obj["metadata"] = {}  # each pass drops what is empty
    return unknown


def check_depth(value: Any, *, numbers: bool = False) -> None:
    """Refuse with BadRequest what is nested too deeply for anybody to go over it.

    With `numbers` they become what Go would print, in place: 1e+06 and 2.0 are 1000000 and 2.
    """
    measure = core.settle if numbers else core.deeper
    if measure(value, MAX_OBJECT_DEPTH):
        raise bad_request(f"the object is nested too deeply: more than {MAX_OBJECT_DEPTH} levels")


def check_metadata(resource: Resource, obj: Object) -> None:
    """Make sure that an object has metadata; BadRequest if that is no object."""
    meta = obj.get("metadata")
    if meta is None:
        obj["metadata"] = {}
    elif not isinstance(meta, dict):
        raise _unmarshal(resource.kind, resource.version, "metadata", meta, "ObjectMeta")


def _is_kcps(group: str) -> bool:
    return group.endswith(".kcp.io")


def _check_types(resource: Resource, obj: Object) -> None:
    """Refuse an object that admission, controllers and views could not read."""
    report = core.Report(False, False, True, True)
    core.run(resource.program.root, obj, report)
    wrong = _type_causes(report)
    if wrong:
        name = (obj.get("metadata") or {}).get("name") or ""
        raise invalid(resource.kind, resource.group, name, wrong)


def _type_causes(report: core.Report) -> list[Cause]:
    return [cause(*each) for each in report.errors if each[1] in (core.TYPE, core.TOO_DEEP)]


def type_causes(definition: str, value: Any, field: str) -> list[Cause]:
    """Return what in a part of an object is not of the types of a built-in definition.

    For what kcp's own schemas leave open because it has a type elsewhere.
    """
    report = core.Report(False, False, True, True)
    core.run(typed_program(definition).root, copy_json(value), report)
    found = _type_causes(report)
    return [each._replace(field=f"{field}.{each.field}".rstrip(".")) for each in found]


def conform_part(definition: str, kind: str, version: str, obj: Object) -> list[str]:
    """Do as `conform` for what is no resource: options, a TokenRequest, a Scale.

    `definition` names a built-in definition, or "Scale".
    """
    check_depth(obj)
    report = core.Report(True, False, True, True)
    core.run(_program(definition).root, obj, report)
    _refuse(kind, version, report.errors, "")
    unknown: list[str] = report.unknown
    return unknown


@cache
def _program(definition: str) -> Program:
    if definition != "Scale":
        return typed_program(definition)
    from kcpfast.resources.builtin import typed_schema  # noqa: PLC0415 - few kinds scale

    return typed_schema(_SCALE)


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "format": "int32"}
_SCALE = {
    "type": "object",
    "properties": {
        "apiVersion": _TEXT,
        "kind": _TEXT,
        "metadata": {"$ref": _OPTIONS + "ObjectMeta"},
        "spec": {"type": "object", "properties": {"replicas": _COUNT}},
        "status": {"type": "object", "properties": {"replicas": _COUNT, "selector": _TEXT}},
    },
}


# The struct that Go's meta factory decodes a body into to learn what it is.
_HEAD = (
    'Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)


def check_head(obj: Any) -> tuple[str, str]:
    """Return apiVersion and kind of a decoded body, "" if absent; BadRequest if it has none.

    Texts: k8s.io/apimachinery/pkg/runtime/serializer/json.
    """
    if not isinstance(obj, dict):
        raise _headless(f"cannot unmarshal {go_kind(obj)} into {_HEAD}")
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if isinstance(version, str) and isinstance(kind, str):
        return version, kind
    found = []
    for key in ("apiVersion", "kind"):
        value = obj.get(key)
        if value is not None and not isinstance(value, str):
            where = f"Go struct field .{key} of type string"
            raise _headless(f"cannot unmarshal {go_kind(value)} into {where}")
        found.append(value or "")
    return found[0], found[1]


def _headless(why: str) -> ApiError:
    return bad_request(f"couldn't get version/kind; json parse error: json: {why}")


def _refuse(kind: str, version: str, errors: list[Any], prefix: str) -> None:
    for path, code, value, detail in errors:
        if code == core.TOO_DEEP:
            raise bad_request("the object is nested too deeply")
        if code == core.DECODING:
            raise bad_request(
                f'{kind} in version "{version}" cannot be handled as a {kind}: {detail}'
            )
        if code not in _WRONG:
            continue
        whole = f"{prefix}.{path}" if prefix and path else prefix or path
        wanted = TYPE_NAMES[detail] if code == core.TYPE else detail
        if code == core.RANGE:
            wanted = detail[1] or detail[0]
        raise _unmarshal(kind, version, whole, value, wanted)


def _unmarshal(kind: str, version: str, path: str, value: Any, wanted: Any) -> ApiError:
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: '
        f"json: cannot unmarshal {go_kind(value)} into Go struct field {kind}.{path} of "
        f"type {wanted}"
    )


def go_kind(value: Any) -> str:
    """Return what Go's decoder calls a JSON value."""
    for kind, name in ((bool, "bool"), (str, "string"), (int, "number"), (float, "number")):
        if isinstance(value, kind):
            return name
    if value is None:
        return "null"
    return "array" if isinstance(value, list) else "object"
