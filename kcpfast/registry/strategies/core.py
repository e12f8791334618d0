"""The core group: ConfigMaps, Secrets, Namespaces, service accounts.

Rules: k8s.io/kubernetes/pkg/apis/core/validation and pkg/registry/core.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from kcpfast._core.decoded import are_config_keys, text_size
from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_invalid,
    field_required,
    field_too_long,
)
from kcpfast.meta.names import config_key
from kcpfast.meta.objectmeta import check_finalizers, check_kube_finalizers
from kcpfast.registry.strategies.base import Strategy, default
from kcpfast.resources.resource import Object

MAX_DATA = 1024 * 1024
TOKEN_TYPE = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_IMMUTABLE = "field is immutable when `immutable` is set"


def _check_keys(data: dict[str, Any], field: str) -> list[Cause]:
    if are_config_keys(data):
        return []
    return [field_invalid(f"{field}[{key}]", key, text) for key in data for text in config_key(key)]


def _check_config_map(obj: Object) -> list[Cause]:
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    causes = _check_keys(data, "data")
    causes += [
        field_invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in data
        if key in binary
    ]
    causes += _check_keys(binary, "binaryData")
    size = text_size(data, False)
    size += sum(len(value) * 3 // 4 for value in binary.values())
    if size > MAX_DATA:
        causes.append(field_too_long("[]", MAX_DATA))
    return causes


def _check_immutable(*fields: str) -> Callable[[Object, Object], list[Cause]]:
    def check(new: Object, old: Object) -> list[Cause]:
        if not old.get("immutable"):
            return []
        causes = []
        if not new.get("immutable"):
            causes.append(field_forbidden("immutable", _IMMUTABLE))
        causes += [
            field_forbidden(name, _IMMUTABLE)
            for name in fields
            if (new.get(name) or None) != (old.get(name) or None)
        ]
        return causes

    return check


def _check_config_map_update(new: Object, old: Object) -> list[Cause]:
    return _check_immutable("data", "binaryData")(new, old) + _check_config_map(new)


def _prepare_secret(obj: Object) -> None:
    default(obj, type="Opaque")
    strings = obj.pop("stringData", None)
    if strings:
        encoded = {key: b64encode(value.encode()).decode() for key, value in strings.items()}
        obj["data"] = (obj.get("data") or {}) | encoded


_REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _check_secret(obj: Object) -> list[Cause]:
    data = obj.get("data") or {}
    causes = _check_keys(data, "data")
    if sum(len(value) * 3 // 4 for value in data.values()) > MAX_DATA:
        causes.append(field_too_long("data", MAX_DATA))
    kind = obj.get("type", "")
    for key in _REQUIRED_KEYS.get(kind, ()):
        if key not in data:
            causes.append(field_required(f"data[{key}]"))
        elif key.startswith(".") and not _is_json(data[key]):
            text = "<secret contents redacted>"
            causes.append(field_invalid(f"data[{key}]", text, "invalid character"))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        causes += [field_required(f"data[{key}]") for key in ("username", "password")]
    annotations = obj["metadata"].get("annotations") or {}
    if kind == TOKEN_TYPE and not annotations.get(_ACCOUNT):
        causes.append(field_required(f"metadata.annotations[{_ACCOUNT}]"))
    return causes


def _is_json(encoded: str) -> bool:
    import json  # noqa: PLC0415 - rare kinds of secrets only

    try:
        json.loads(b64decode(encoded))
    except (ValueError, RecursionError):
        return False
    return True


def _check_secret_update(new: Object, old: Object) -> list[Cause]:
    causes: list[Cause] = []
    if new.get("type") != old.get("type"):
        causes.append(field_invalid("type", new.get("type", ""), "field is immutable"))
    causes += _check_immutable("data")(new, old)
    return causes + _check_secret(new)


def _prepare_namespace(obj: Object) -> None:
    spec = obj.get("spec") or {}
    finalizers = list(spec.get("finalizers") or ())
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")
    obj["spec"] = {"finalizers": finalizers}
    obj["status"] = {"phase": "Active"}
    _label_namespace(obj)


def _label_namespace(obj: Object) -> None:
    """Set the label with the name: a default, so on writes to subresources too."""
    labels = obj["metadata"].get("labels") or {}
    name = obj["metadata"].get("name", "")
    obj["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": name}


def _prepare_namespace_update(new: Object, old: Object) -> None:
    for key in ("spec", "status"):
        if key in old:
            new[key] = old[key]
    _label_namespace(new)


def _begin_namespace_end(new: Object, _old: Object) -> None:
    # Namespaces end by their own rules: no grace period is spoken of.
    new["metadata"].pop("deletionGracePeriodSeconds", None)
    new.setdefault("status", {})["phase"] = "Terminating"


def _check_namespace(obj: Object) -> list[Cause]:
    finalizers = (obj.get("spec") or {}).get("finalizers") or ()
    field = "spec.finalizers"
    return check_finalizers(finalizers, field) + check_kube_finalizers(finalizers, field)


def _check_namespace_update(new: Object, _old: Object) -> list[Cause]:
    phase = (new.get("status") or {}).get("phase", "")
    causes = _check_namespace(new)
    ending = "deletionTimestamp" in new["metadata"]
    # The field is spelt `status.Phase` by ValidateNamespaceStatusUpdate, too.
    if ending and phase != "Terminating":
        message = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        causes.append(field_invalid("status.Phase", phase, message))
    if not ending and phase != "Active":
        message = "may only be 'Active' if `deletionTimestamp` is empty"
        causes.append(field_invalid("status.Phase", phase, message))
    return causes


def _clean_references(obj: Object) -> None:
    """Keep only the names of a service account's secrets."""
    if obj.get("secrets"):
        obj["secrets"] = [{"name": reference.get("name") or ""} for reference in obj["secrets"]]


STRATEGIES = {
    ("", "configmaps"): Strategy(
        validate=_check_config_map, validate_update=_check_config_map_update
    ),
    ("", "namespaces"): Strategy(
        prepare_create=_prepare_namespace,
        prepare_update=_prepare_namespace_update,
        prepare_status=lambda new, _old: _label_namespace(new),
        prepare_delete=_begin_namespace_end,
        validate=_check_namespace,
        validate_update=_check_namespace_update,
    ),
    ("", "secrets"): Strategy(
        prepare_create=_prepare_secret,
        prepare_update=lambda new, _old: _prepare_secret(new),
        validate=_check_secret,
        validate_update=_check_secret_update,
    ),
    ("", "serviceaccounts"): Strategy(
        prepare_create=_clean_references,
        prepare_update=lambda new, _old: _clean_references(new),
    ),
}
