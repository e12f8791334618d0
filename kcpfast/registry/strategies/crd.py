"""CustomResourceDefinitions: defaults, what they may say, what they may not change.

Rules: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation. Field paths are those of
the internal version: where all versions agree on something, it is looked at in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kcpfast.meta import jsonpath
from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
)
from kcpfast.meta.names import dns_label, dns_subdomain
from kcpfast.registry.metadata import add_finalizer
from kcpfast.registry.strategies.admissionregistration.webhooks import check_client
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object
from kcpfast.schema.rule_checks import check_schema_rules
from kcpfast.schema.structural import check_schema, unknown_formats

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
APPROVED = "api-approved.kubernetes.io"
_VERSION = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("binary", "byte", "date", "date-time", "double", "float", "int32", "int64",
                   "password")  # fmt: skip
_PROTECTED = re.compile(r"(.*\.)?(k8s|kubernetes)\.io")
_LONGEST_WARNING = 256
_SELECTABLE_TYPES = ("boolean", "integer", "string")

Spec = Mapping[str, Any]


# ------------------------------------------------------------------------- defaults


def prepare_names(names: dict[str, Any]) -> None:
    """Fill in singular and listKind from the kind."""
    kind = names.get("kind") or ""
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", kind + "List")


def _prepare(obj: Object) -> None:
    _defaults(obj)
    stored = [each.get("name", "") for each in _versions(obj) if each.get("storage")]
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    }
    obj["metadata"]["generation"] = 1


def _defaults(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    prepare_names(names)
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    webhook = conversion.get("webhook") or {}
    client = webhook.get("clientConfig") or {}
    if client.get("service") is not None:
        client["service"].setdefault("port", 443)


def _prepare_update(new: Object, old: Object) -> None:
    _defaults(new)
    status = dict(old.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    for each in _versions(new):
        if each.get("storage") and each.get("name") not in stored:
            stored.append(each.get("name"))
    status["storedVersions"] = stored
    new["status"] = status
    if new.get("spec") != old.get("spec"):
        generation = old["metadata"].get("generation") or 0
        new["metadata"]["generation"] = generation + 1


def _prepare_delete(new: Object, old: Object) -> None:
    if "deletionTimestamp" not in old["metadata"]:
        add_finalizer(new["metadata"], CLEANUP)


def _versions(obj: Object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (obj.get("spec") or {}).get("versions") or []
    return found


# ------------------------------------------------------------------------- validation


def _validate(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    causes = []
    required = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if obj["metadata"].get("name") != required:
        why = 'must be spec.names.plural+"."+spec.group'
        causes.append(field_invalid("metadata.name", obj["metadata"].get("name"), why))
    causes += check_group(spec.get("group", ""), "spec.group")
    causes += approval_causes(obj, spec.get("group", ""))
    causes += check_scope(spec, "spec.scope")
    causes += check_versions(spec, "spec")
    causes += check_names(names, "spec.names")
    causes += _check_conversion(spec.get("conversion") or {}, "spec.conversion")
    if spec.get("preserveUnknownFields"):
        why = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions"
            "[*].schema instead"
        )
        causes.append(field_invalid("spec.preserveUnknownFields", True, why))
    return causes + _check_stored(obj)


def _check_stored(obj: Object) -> list[Cause]:
    stored = (obj.get("status") or {}).get("storedVersions") or []
    if len(stored) == 1 or not obj.get("status"):
        return []
    if not stored:
        return [field_invalid("status.storedVersions", [], "must have at least one stored version")]
    names = [each.get("name") for each in _versions(obj)]
    storage = [each for each in _versions(obj) if each.get("storage")]
    if len(storage) > 1:
        why = "must have exactly one version marked as storage version"
        return [field_invalid("status.storedVersions", stored, why)]
    return [
        field_invalid(f"status.storedVersions[{index}]", name, "must appear in spec.versions")
        for index, name in enumerate(stored)
        if name not in names
    ]


def check_group(group: str, field: str) -> list[Cause]:
    """Check the group of a CRD."""
    if not group:
        return [field_required(field)]
    causes = [field_invalid(field, group, text) for text in dns_subdomain(group)]
    if not causes and "." not in group:
        causes.append(field_invalid(field, group, "should be a domain with at least one dot"))
    return causes


def approval_causes(obj: Object, group: str) -> list[Cause]:
    """Groups of the Kubernetes project need an approval (KEP-1111)."""
    annotations = obj["metadata"].get("annotations") or {}
    if not _PROTECTED.fullmatch(group) or annotations.get(APPROVED):
        return []
    why = (
        f'protected groups must have approval annotation "{APPROVED}", see '
        "https://github.com/kubernetes/enhancements/pull/1111"
    )
    return [field_required(f"metadata.annotations[{APPROVED}]", why)]


def check_scope(spec: Spec, field: str) -> list[Cause]:
    """Check the scope of a kind."""
    if spec.get("scope") in ("Cluster", "Namespaced"):
        return []
    return [field_not_supported(field, spec.get("scope", ""), ["Cluster", "Namespaced"])]


def check_names(names: Mapping[str, Any], field: str) -> list[Cause]:
    """Check the names of a kind."""
    causes = []
    for key in ("plural", "singular"):
        value = names.get(key) or ""
        if not value:
            causes.append(field_required(f"{field}.{key}"))
        causes += [field_invalid(f"{field}.{key}", value, text) for text in _label(value)]
    for key in ("kind", "listKind"):
        value = names.get(key) or ""
        if not value:
            causes.append(field_required(f"{field}.{key}"))
        texts = _label(value.lower())
        where = f"{field}.{key}"
        causes += [field_invalid(where, value, f"may have mixed case, but should otherwise match: "
                                               f"{text}") for text in texts]  # fmt: skip
    for key in ("shortNames", "categories"):
        for index, value in enumerate(names.get(key) or ()):
            where = f"{field}.{key}[{index}]"
            causes += [field_invalid(where, value, text) for text in _label(value)]
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        why = "kind and listKind may not be the same"
        causes.append(field_invalid(f"{field}.listKind", names["listKind"], why))
    return causes


def _label(value: str) -> list[str]:
    return dns_label(value) if value else []


def check_versions(spec: Spec, field: str) -> list[Cause]:
    """Check the versions of a CRD, with the field paths of its internal version."""
    versions = spec.get("versions") or []
    causes = []
    if sum(bool(each.get("storage")) for each in versions) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(field_invalid(f"{field}.versions", [], why))
    seen = set()
    for index, version in enumerate(versions):
        name = version.get("name") or ""
        where = f"{field}.versions[{index}].name"
        wrong = dns_label(name)
        causes += [field_invalid(where, name, text) for text in wrong]
        if index == 0 and wrong:
            causes.append(field_invalid(f"{field}.version", name, wrong[0]))
        if name in seen:
            why = "must contain unique version names"
            causes.append(field_invalid(f"{field}.versions", name, why))
        seen.add(name)
    for index, version in enumerate(versions):
        causes += _check_version(version, versions, index, field)
    return causes


def _shared(versions: list[dict[str, Any]], key: str) -> bool:
    """Tell whether all versions say the same of something: it is then hoisted to the spec."""
    return all(each.get(key) == versions[0].get(key) for each in versions)


def _check_version(
    version: Mapping[str, Any], versions: list[dict[str, Any]], index: int, field: str
) -> list[Cause]:
    own = f"{field}.versions[{index}]"
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        return [field_required(f"{own}.schema.openAPIV3Schema", "schemas are required")]
    causes = []
    hoisted = _shared(versions, "schema")
    if not hoisted or index == 0:
        where = f"{field}.validation" if hoisted else f"{own}.schema"
        causes += check_openapi(schema, f"{where}.openAPIV3Schema")
    for key, check in (
        ("subresources", check_subresources),
        ("additionalPrinterColumns", check_columns),
    ):
        hoisted = _shared(versions, key)
        if not hoisted or index == 0:
            where = f"{field}.{key}" if hoisted else f"{own}.{key}"
            causes += check(version.get(key), where)
    hoisted = _shared(versions, "selectableFields")
    if not hoisted or index == 0:
        where = f"{field}.selectableFields" if hoisted else f"{own}.selectableFields"
        causes += check_selectable(version.get("selectableFields"), schema, where)
    return causes + check_deprecation(version, f"{own}.deprecationWarning")


def check_deprecation(version: Mapping[str, Any], field: str) -> list[Cause]:
    """Check what the clients of a version are told: it becomes a header of their answers."""
    text = version.get("deprecationWarning")
    if text is None:
        return []
    found = []
    if not version.get("deprecated"):
        found.append("can only be set for deprecated versions")
    else:
        if len(text.encode("utf-8", "surrogatepass")) > _LONGEST_WARNING:
            found.append(f"must be <= {_LONGEST_WARNING} characters long")
        if not text:
            found.append("must not be an empty string")
        odd = next((each for each in text if not each.isprintable()), "")
        if odd:
            at = len(text[: text.index(odd)].encode())
            why = "must only contain printable UTF-8 characters; non-printable character found at"
            found.append(f"{why} index {at}")
    return [field_invalid(field, text, why) for why in found]


def check_openapi(schema: Mapping[str, Any], field: str) -> list[Cause]:
    """Check a schema and, if it is structural, its rules."""
    causes = check_schema(schema, field)
    return causes or check_schema_rules(schema, field)


def check_subresources(found: Mapping[str, Any] | None, field: str) -> list[Cause]:
    """Check status and scale."""
    scale = (found or {}).get("scale")
    if scale is None:
        return []
    causes = []
    for key, prefix in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(key) or ""
        where = f"{field}.scale.{key}"
        if not value:
            causes.append(field_required(where))
        else:
            causes += _check_simple_path(value, where, (prefix,))
    label = scale.get("labelSelectorPath")
    if label:
        prefixes = (".spec.", ".status.")
        causes += _check_simple_path(label, f"{field}.scale.labelSelectorPath", prefixes)
    return causes


def _check_simple_path(value: str, field: str, prefixes: tuple[str, ...]) -> list[Cause]:
    if not value.startswith(prefixes):
        shown = " or ".join(f"`{prefix.rstrip('.')}`" for prefix in prefixes)
        return [field_invalid(field, value, f"should be a json path under {shown}")]
    if not re.fullmatch(r"(\.[A-Za-z0-9_-]+)+", value):
        why = "should be a simple json path, without array notation"
        return [field_invalid(field, value, why)]
    return []


def check_columns(found: Any, field: str) -> list[Cause]:
    """Check printer columns."""
    causes = []
    for index, column in enumerate(found or ()):
        where = f"{field}[{index}]"
        if not column.get("name"):
            causes.append(field_required(f"{where}.name"))
        kind = column.get("type") or ""
        if kind not in _COLUMN_TYPES:
            why = f"must be one of {','.join(_COLUMN_TYPES)}"
            causes.append(field_invalid(f"{where}.type", kind, why))
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            why = f"must be one of {','.join(_COLUMN_FORMATS)}"
            causes.append(field_invalid(f"{where}.format", column["format"], why))
        path = column.get("jsonPath") or ""
        if not path:
            causes.append(field_required(f"{where}.JSONPath"))
        else:
            causes += _check_json_path(path, f"{where}.JSONPath")
    return causes


def _check_json_path(path: str, field: str) -> list[Cause]:
    if not path.startswith((".", "[")):
        why = "must be a json path starting with '.'"
        return [field_invalid(field, path, why)]
    try:
        jsonpath.compile_path(path)
    except jsonpath.JsonPathError as error:
        return [field_invalid(field, path, str(error))]
    return []


def check_selectable(found: Any, schema: Mapping[str, Any], field: str) -> list[Cause]:
    """Check the fields that a field selector may name (KEP-4358)."""
    causes = []
    listed = list(found or ())
    if len(listed) > 8:
        causes.append(Cause("FieldValueTooMany", f"Too many: {len(listed)}: must have at most 8 "
                                                 "items", field))  # fmt: skip
    for index, each in enumerate(listed):
        where, path = f"{field}[{index}].jsonPath", each.get("jsonPath") or ""
        place = _place(schema, path)
        if place is None:
            why = "is an invalid path: does not refer to a valid field"
            causes.append(field_invalid(where, path, why))
        elif place.get("type") not in _SELECTABLE_TYPES:
            why = f"must point to a field of type {', '.join(_SELECTABLE_TYPES)}"
            causes.append(field_invalid(where, path, why))
    return causes


def _place(schema: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    if not path.startswith(".") or path.startswith(".metadata"):
        return None
    found: Any = schema
    for name in path[1:].split("."):
        found = ((found or {}).get("properties") or {}).get(name)
        if found is None:
            return None
    return dict(found)


def _check_conversion(conversion: Mapping[str, Any], field: str) -> list[Cause]:
    strategy = conversion.get("strategy") or ""
    if strategy not in ("None", "Webhook"):
        return [field_not_supported(f"{field}.strategy", strategy, ["None", "Webhook"])]
    webhook = conversion.get("webhook")
    if strategy == "None":
        if webhook is None:
            return []
        why = "should not be set when strategy is not set to Webhook"
        return [field_forbidden(f"{field}.webhook", why)]
    causes = []
    if not (webhook or {}).get("conversionReviewVersions"):
        causes.append(field_required(f"{field}.conversionReviewVersions"))
    client = (webhook or {}).get("clientConfig")
    where = f"{field}.webhookClientConfig"
    if not client:
        causes.append(field_required(where, "required when strategy is set to Webhook"))
    else:
        causes += check_client(client, where)
    return causes


def _validate_update(new: Object, old: Object) -> list[Cause]:
    causes = _validate(new)
    accepted = ((old.get("status") or {}).get("acceptedNames") or {}).get("kind")
    before, after = old.get("spec") or {}, new.get("spec") or {}
    for name in ("group", "scope"):
        if before.get(name) != after.get(name) and (name == "group" or accepted):
            causes.append(field_invalid(f"spec.{name}", after.get(name), "field is immutable"))
    plural = (after.get("names") or {}).get("plural")
    if (before.get("names") or {}).get("plural") != plural and accepted:
        causes.append(field_invalid("spec.names.plural", plural, "field is immutable"))
    if any(cause.field == "spec.group" for cause in causes):
        causes = [cause for cause in causes if cause.field != "metadata.name"]
    return causes


def _warn(new: Object, old: Object | None) -> list[str]:
    """Warn of formats that nothing checks, where they are new."""
    before = set(_unknown_formats(old)) if old is not None else set()
    return [f'unrecognized format "{name}"' for name in _unknown_formats(new) if name not in before]


def _unknown_formats(obj: Object) -> list[str]:
    schemas = [(each.get("schema") or {}).get("openAPIV3Schema") for each in _versions(obj)]
    return [name for schema in schemas if schema for name in unknown_formats(schema)]


STRATEGIES = {
    ("apiextensions.k8s.io", "customresourcedefinitions"): Strategy(
        qualified_finalizers=False,
        prepare_create=_prepare,
        prepare_update=_prepare_update,
        prepare_delete=_prepare_delete,
        validate=_validate,
        validate_update=_validate_update,
        warn=_warn,
    )
}
