"""ResourceQuotas.

Rules: ValidateResourceQuota in k8s.io/kubernetes/pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kcpfast.meta.errors import Cause, field_invalid, field_required
from kcpfast.meta.names import qualified_name
from kcpfast.meta.objectmeta import IMMUTABLE
from kcpfast.meta.quantity import QuantityError, canonical, parse
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object

# Core kinds that have a name of their own beside `count/<plural>`.
CLASSIC = (
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
)
_COUNTED = (*CLASSIC, "services.loadbalancers", "services.nodeports")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_OF_PODS = (
    "pods",
    *_COMPUTE,
    *(f"{of}.{name}" for of in ("limits", "requests") for name in _COMPUTE),
)
_OF_CLAIMS = ("persistentvolumeclaims", "requests.storage")
_STANDARD = frozenset((*_COUNTED, *_OF_PODS, *_OF_CLAIMS))
# scope -> what may be limited within it
_SCOPES: Mapping[str, tuple[str, ...]] = {
    "BestEffort": ("pods",),
    "CrossNamespacePodAffinity": _OF_PODS,
    "NotBestEffort": _OF_PODS,
    "NotTerminating": _OF_PODS,
    "PriorityClass": _OF_PODS,
    "Terminating": _OF_PODS,
    "VolumeAttributesClass": _OF_CLAIMS,
}
_CONTRARY = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTS_ONLY = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating")
_EXISTS_TEXT = (
    "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, "
    "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort and "
    "ResourceQuotaScopeNotBestEffort"
)
_SOME_TEXT = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
_NONE_TEXT = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"


def _is_standard(name: str) -> bool:
    return name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))


def _prepare(obj: Object) -> None:
    obj["spec"] = _canonical(obj.get("spec") or {})
    obj["status"] = {}


def _prepare_update(new: Object, old: Object) -> None:
    new["spec"] = _canonical(new.get("spec") or {})
    new["status"] = old.get("status") or {}


def _canonical(spec: dict[str, Any]) -> dict[str, Any]:
    hard = spec.get("hard")
    if not hard:
        return spec
    amounts = {}
    for name, amount in hard.items():
        try:
            amounts[name] = canonical(str(amount))
        except QuantityError:
            amounts[name] = amount
    return spec | {"hard": amounts}


def _check(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    for name, amount in (spec.get("hard") or {}).items():
        causes += _check_name(name, f"spec.hard[{name}]")
        causes += _check_amount(name, amount, f"spec.hard[{name}]")
    scopes = list(spec.get("scopes") or ())
    causes += _check_scopes(scopes, spec, "spec.scopes", scopes)
    return causes + _check_selector(spec)


def _check_name(name: str, field: str) -> list[Cause]:
    causes = [field_invalid(field, name, text) for text in qualified_name(name)]
    if "/" not in name and not _is_standard(name):
        causes.append(field_invalid(field, name, "must be a standard resource for quota"))
    return causes


def _check_amount(name: str, amount: object, field: str) -> list[Cause]:
    try:
        value, _ = parse(str(amount))
    except QuantityError as error:
        return [field_invalid(field, amount, str(error))]
    if value < 0:
        return [field_invalid(field, amount, "must be greater than or equal to 0")]
    whole = name in _COUNTED or ("/" in name and "kubernetes.io/" not in name)
    if whole and value != value.to_integral_value():
        return [field_invalid(field, amount, "must be an integer")]
    return []


def _check_scopes(
    scopes: Iterable[str], spec: Mapping[str, Any], field: str, value: object
) -> list[Cause]:
    wrong = []
    for scope in scopes:
        if scope not in _SCOPES:
            wrong.append("unsupported scope")
            continue
        outside = [
            name
            for name in spec.get("hard") or ()
            if _is_standard(name) and name not in _SCOPES[scope]
        ]
        wrong += ["unsupported scope applied to resource"] * len(outside)
    if any(set(pair) <= set(scopes) for pair in _CONTRARY):
        wrong.append("conflicting scopes")
    return [field_invalid(field, value, text) for text in wrong]


def _check_selector(spec: Mapping[str, Any]) -> list[Cause]:
    terms = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    field = "spec.scopeSelector.matchExpressions"
    causes = [cause for term in terms for cause in _check_term(term, field)]
    names = [term.get("scopeName", "") for term in terms]
    return causes + _check_scopes(names, spec, f"{field}.scopeName", names)


def _check_term(term: Mapping[str, Any], field: str) -> list[Cause]:
    operator, values = term.get("operator", ""), list(term.get("values") or ())
    if term.get("scopeName") in _EXISTS_ONLY and operator != "Exists":
        return [field_invalid(f"{field}.operator", operator, _EXISTS_TEXT)]
    if operator in ("In", "NotIn"):
        return [] if values else [field_required(f"{field}.values", _SOME_TEXT)]
    if operator in ("Exists", "DoesNotExist"):
        return [field_invalid(f"{field}.values", values, _NONE_TEXT)] if values else []
    return [field_invalid(f"{field}.operator", operator, "not a valid selector operator")]


def _check_update(new: Object, old: Object) -> list[Cause]:
    causes = _check(new)
    before = (old.get("spec") or {}).get("scopes") or []
    after = (new.get("spec") or {}).get("scopes") or []
    if set(before) != set(after):
        causes.append(field_invalid("spec.scopes", after, IMMUTABLE))
    return causes


STRATEGIES = {
    ("", "resourcequotas"): Strategy(
        prepare_create=_prepare,
        prepare_update=_prepare_update,
        validate=_check,
        validate_update=_check_update,
    )
}
