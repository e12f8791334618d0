"""CustomResourceDefinitions: defaults, what they may say, what they may not change.

Rules: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation. Field paths are those of
the internal version: where all versions agree on something, it is looked at in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import dns_1035_label, dns_subdomain
from kcpfast.registry.metadata import add_finalizer, is_condition_true
from kcpfast.registry.strategies.admissionregistration.webhooks import check_client
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object
from kcpfast.schema import fieldpath
from kcpfast.schema.rule_checks import check_rule_texts, check_schema_rules
from kcpfast.schema.structural import check_schema, unknown_formats

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
APPROVED = "api-approved.kubernetes.io"
_VERSION = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64",
                   "password")  # fmt: skip
_PROTECTED = re.compile(r"(.*\.)?(k8s|kubernetes)\.io")
_LONGEST_WARNING = 256
_SELECTABLE_TYPES = ("boolean", "integer", "string")
_MOST_SELECTABLE = 8
# What is said of the kind, not of its versions, if all of them say the same.
_SHAREABLE = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")

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
    stored = _first_stored(obj)
    obj["status"] = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    }
    obj["metadata"]["generation"] = 1


def _first_stored(obj: Object) -> list[str]:
    """Return the name of the first storage version; further ones are refused."""
    return [version.get("name") or "" for version in _versions(obj) if version.get("storage")][:1]


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
    stored += [name for name in _first_stored(new) if name not in stored]
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
    if not obj.get("status"):
        return []
    where = "status.storedVersions"
    if not stored:
        return [field_invalid(where, [], "must have at least one stored version")]
    causes = [
        field_invalid(where, stored, f"must have the storage version {version.get('name')}")
        for version in _versions(obj)
        if version.get("storage") and version.get("name") not in stored
    ]
    names = [version.get("name") for version in _versions(obj)]
    for index, name in enumerate(stored):
        if name not in names:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            causes.append(field_invalid(f"{where}[{index}]", name, why))
    return causes


def check_group(group: str, field: str) -> list[Cause]:
    """Check the group of a CRD."""
    if not group:
        return [field_required(field)]
    wrong = dns_subdomain(group)
    if not wrong and "." not in group:
        wrong = ["should be a domain with at least one dot"]
    return [field_invalid(field, group, ",".join(wrong))] if wrong else []


def approval_causes(obj: Object, group: str) -> list[Cause]:
    """Groups of the Kubernetes project need an approval (KEP-1111)."""
    approval = (obj["metadata"].get("annotations") or {}).get(APPROVED) or ""
    if not _PROTECTED.fullmatch(group) or approval.startswith("unapproved"):
        return []
    where, see = (
        f"metadata.annotations[{APPROVED}]",
        "https://github.com/kubernetes/enhancements/pull/1111",
    )
    why = f'protected groups must have approval annotation "{APPROVED}"'
    if not approval:
        return [field_required(where, f"{why}, see {see}")]
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]", approval):
        return []
    either = 'with either a URL or a reason starting with "unapproved"'
    return [field_invalid(where, approval, f"{why} {either}, see {see}")]


def check_scope(spec: Spec, field: str) -> list[Cause]:
    """Check the scope of a kind."""
    scope = spec.get("scope") or ""
    if not scope:
        return [field_required(field)]
    if scope in ("Cluster", "Namespaced"):
        return []
    return [field_not_supported(field, scope, ["Cluster", "Namespaced"])]


def check_names(names: Mapping[str, Any], field: str) -> list[Cause]:
    """Check the names of a kind."""
    keys = ("plural", "singular", "kind", "listKind")
    causes = [field_required(f"{field}.{key}") for key in keys if not names.get(key)]
    for key in keys:
        value = names.get(key) or ""
        mixed = "may have mixed case, but should otherwise match: " if "ind" in key else ""
        if value:
            causes += _check_label(value, f"{field}.{key}", mixed)
    for key in ("shortNames", "categories"):
        if key == "categories" and names.get("kind") and names["kind"] == names.get("listKind"):
            why = "kind and listKind may not be the same"
            causes.append(field_invalid(f"{field}.listKind", names["listKind"], why))
        for index, value in enumerate(names.get(key) or ()):
            causes += _check_label(value, f"{field}.{key}[{index}]")
    return causes


def _check_label(value: str, field: str, mixed: str = "") -> list[Cause]:
    """Check a label of RFC 1035; `mixed` are the words for one that may have capitals."""
    wrong = dns_1035_label(value.lower() if mixed else value)
    return [field_invalid(field, value, mixed + ",".join(wrong))] if wrong else []


def check_versions(spec: Spec, field: str) -> list[Cause]:
    """Check the versions of a CRD, with the field paths of its internal version."""
    versions = spec.get("versions") or []
    shared = frozenset(key for key in _SHAREABLE if _is_shared(versions, key))
    causes = [] if "schema" in shared else _check_schemas_are_there(versions, field)
    for index, version in enumerate(versions):
        own = f"{field}.versions[{index}]"
        causes += _check_label(version.get("name") or "", f"{own}.name")
        causes += check_deprecation(version, f"{own}.deprecationWarning")
        causes += _check_parts(version, [version], own, shared, hoisted=False)
    if len({version.get("name") for version in versions}) != len(versions):
        why = "must contain unique version names"
        causes.append(field_invalid(f"{field}.versions", [], why))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(field_invalid(f"{field}.versions", [], why))
    if versions:
        causes += _check_label(versions[0].get("name") or "", f"{field}.version")
        causes += _check_parts(versions[0], versions, field, shared, hoisted=True)
    return causes


def _check_schemas_are_there(versions: list[dict[str, Any]], field: str) -> list[Cause]:
    return [
        field_required(f"{field}.versions[{index}].schema.openAPIV3Schema")
        for index, version in enumerate(versions)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None
    ]


def _is_shared(versions: list[dict[str, Any]], key: str) -> bool:
    """Tell whether all versions say the same of something: it then is said of the kind."""
    first = versions[0].get(key) if versions else None
    return bool(first) and all(version.get(key) == first for version in versions)


def _check_parts(
    version: Mapping[str, Any],
    sharing: list[Any],
    field: str,
    shared: frozenset[str],
    *,
    hoisted: bool,
) -> list[Cause]:
    """Check what a version says, or (`hoisted`) what all versions say alike: its keys are `shared`.

    `sharing` are the versions that it is said of.
    """
    causes: list[Cause] = []
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is not None and ("schema" in shared) is hoisted:
        name = "validation" if hoisted else "schema"
        status = any("status" in (each.get("subresources") or {}) for each in sharing)
        causes += check_openapi(schema, f"{field}.{name}.openAPIV3Schema", status=status)
    if ("subresources" in shared) is hoisted:
        causes += check_subresources(version.get("subresources"), f"{field}.subresources")
    if ("additionalPrinterColumns" in shared) is hoisted:
        columns = version.get("additionalPrinterColumns")
        causes += check_columns(columns, f"{field}.additionalPrinterColumns")
    if schema is not None and ("selectableFields" in shared) is hoisted:
        selectable = version.get("selectableFields")
        causes += check_selectable(selectable, schema, f"{field}.selectableFields")
    return causes


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


def check_openapi(schema: Mapping[str, Any], field: str, *, status: bool = False) -> list[Cause]:
    """Check a schema and, if it is structural, its rules; `status` if that is a subresource."""
    causes = check_schema(schema, field, status=status) + check_rule_texts(schema, field)
    return causes or check_schema_rules(schema, field)


def check_subresources(found: Mapping[str, Any] | None, field: str) -> list[Cause]:
    """Check status and scale."""
    scale = (found or {}).get("scale")
    if scale is None:
        return []
    causes = []
    for key, prefix in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value, where = scale.get(key) or "", f"{field}.scale.{key}"
        if not value:
            causes.append(field_required(where))
            continue
        wrong = _check_simple_path(value, where)
        if not wrong and not value.startswith(f"{prefix}."):
            wrong = [field_invalid(where, value, f"should be a json path under {prefix}")]
        causes += wrong
    label, where = scale.get("labelSelectorPath"), f"{field}.scale.labelSelectorPath"
    if label:
        wrong = _check_simple_path(label, where)
        if not wrong and not label.startswith((".spec.", ".status.")):
            why = "should be a json path under either .spec or .status"
            wrong = [field_invalid(where, label, why)]
        causes += wrong
    return causes


def _check_simple_path(value: str, field: str) -> list[Cause]:
    """Check a path as validateSimpleJSONPath does, which looks no further than its first dot."""
    if value.startswith("."):
        return []
    return [field_invalid(field, value, "must be a simple json path starting with .")]


def check_columns(found: Any, field: str) -> list[Cause]:
    """Check printer columns."""
    causes = []
    for index, column in enumerate(found or ()):
        where = f"{field}[{index}]"
        if not column.get("name"):
            causes.append(field_required(f"{where}.name"))
        kind, why = column.get("type") or "", f"must be one of {','.join(_COLUMN_TYPES)}"
        if not kind:
            causes.append(field_required(f"{where}.type", why))
        elif kind not in _COLUMN_TYPES:
            causes.append(field_invalid(f"{where}.type", kind, why))
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            why = f"must be one of {','.join(_COLUMN_FORMATS)}"
            causes.append(field_invalid(f"{where}.format", column["format"], why))
        path = column.get("jsonPath") or ""
        if not path:
            causes.append(field_required(f"{where}.JSONPath"))
        else:
            causes += _check_simple_path(path, f"{where}.JSONPath")
    return causes


def check_selectable(found: Any, schema: Mapping[str, Any], field: str) -> list[Cause]:
    """Check the fields that a field selector may name (KEP-4358)."""
    causes, seen = [], set()
    for index, selectable in enumerate(found or ()):
        where, path = f"{field}[{index}].jsonPath", selectable.get("jsonPath") or ""
        if not path:
            causes.append(field_required(where))
            continue
        try:
            resolved, place = fieldpath.find(path, schema, brackets=False)
        except ValueError as error:
            causes.append(field_invalid(where, path, f"is an invalid path: {error}"))
            continue
        if resolved.split(".")[0].split("[")[0] == "metadata":
            why = "must not point to fields in metadata"
            causes.append(field_invalid(where, path, why))
        if place.get("type") not in _SELECTABLE_TYPES:
            why = "must point to a field of type string, boolean or integer. Enum string fields and"
            causes.append(field_invalid(where, path, f"{why} strings with formats are allowed."))
        if resolved in seen:
            causes.append(field_duplicate(where, path))
        seen.add(resolved)
    if len(seen) > _MOST_SELECTABLE:
        causes.append(field_too_many(field, len(seen), _MOST_SELECTABLE))
    return causes


def _check_conversion(conversion: Mapping[str, Any], field: str) -> list[Cause]:
    strategy = conversion.get("strategy") or ""
    webhook = conversion.get("webhook") or {}
    versions, client = webhook.get("conversionReviewVersions") or [], webhook.get("clientConfig")
    causes: list[Cause] = []
    if not strategy:
        causes.append(field_required(f"{field}.strategy"))
    elif strategy not in ("None", "Webhook"):
        causes.append(field_not_supported(f"{field}.strategy", strategy, ["None", "Webhook"]))
    where = f"{field}.webhookClientConfig"
    if strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        set_fields = [
            where if client is not None else "",
            f"{field}.conversionReviewVersions" if versions else "",
        ]
        return causes + [field_forbidden(path, why) for path in set_fields if path]
    if client is None:
        causes.append(field_required(where, "required when strategy is set to Webhook"))
    else:
        causes += check_client(client, where)
    return causes + _check_reviews(versions, f"{field}.conversionReviewVersions")


def _check_reviews(versions: list[str], field: str) -> list[Cause]:
    if not versions:
        return [field_required(field)]
    causes = []
    for index, version in enumerate(versions):
        where = f"{field}[{index}]"
        if version in versions[:index]:
            causes.append(field_invalid(where, version, "duplicate version"))
        else:
            causes += [field_invalid(where, version, why) for why in dns_1035_label(version)]
    if not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        causes.append(field_invalid(field, versions, why))
    return causes


def _validate_update(new: Object, old: Object) -> list[Cause]:
    """Check an update: what objects are stored and found by stays as it is."""
    causes = _validate(new)
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if is_condition_true(old, "Established"):
        causes += _check_kept(before, after, ("scope",), "spec")
        causes += _check_kept(_names(before), _names(after), ("kind",), "spec.names")
    causes += _check_kept(before, after, ("group",), "spec")
    causes += _check_kept(_names(before), _names(after), ("plural",), "spec.names")
    if any(cause.field in ("spec.group", "spec.names.plural") for cause in causes):
        # The name of an object is not checked again upstream.
        causes = [cause for cause in causes if cause.field != "metadata.name"]
    return causes


def _names(spec: Spec) -> Spec:
    return spec.get("names") or {}


def _check_kept(before: Spec, after: Spec, keys: tuple[str, ...], field: str) -> list[Cause]:
    return [
        field_invalid(f"{field}.{key}", after.get(key), "field is immutable")
        for key in keys
        if before.get(key) != after.get(key)
    ]


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
