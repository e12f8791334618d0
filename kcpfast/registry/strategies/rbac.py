"""Roles and bindings: what a rule must say, what a binding may refer to.

Rules: k8s.io/kubernetes/pkg/apis/rbac/validation. Escalation is admission's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.meta.errors import (
    Cause,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import dns_subdomain
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object

RBAC_GROUP = "rbac.authorization.k8s.io"


def _prepare_role(obj: Object) -> None:
    obj.setdefault("rules", None)


# The words of all rules of a role together: what it takes to hold a request against them.
MOST_WORDS = 20_000
_MEMBERS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def words(rule: Mapping[str, Any]) -> int:
    """Return how many words a rule is made of: verbs, groups, resources, names, paths."""
    return sum(len(rule.get(member) or ()) for member in _MEMBERS)


def _check_rules(obj: Object, *, namespaced: bool) -> list[Cause]:
    total = sum(map(words, obj.get("rules") or ()))
    if total > MOST_WORDS:
        return [field_too_many("rules", total, MOST_WORDS)]
    causes = []
    for index, rule in enumerate(obj.get("rules") or ()):
        causes += _check_rule(rule, f"rules[{index}]", namespaced)
    return causes


def _check_rule(rule: Mapping[str, Any], field: str, namespaced: bool) -> list[Cause]:
    causes = []
    if not rule.get("verbs"):
        causes.append(field_required(f"{field}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs") or ()
    if urls:
        if namespaced:
            message = "namespaced rules cannot apply to non-resource URLs"
            causes.append(field_invalid(f"{field}.nonResourceURLs", list(urls), message))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            message = "rules cannot apply to both regular resources and non-resource URLs"
            causes.append(field_invalid(f"{field}.nonResourceURLs", list(urls), message))
        return causes
    if not rule.get("apiGroups"):
        message = "resource rules must supply at least one api group"
        causes.append(field_required(f"{field}.apiGroups", message))
    if not rule.get("resources"):
        message = "resource rules must supply at least one resource"
        causes.append(field_required(f"{field}.resources", message))
    return causes


def _check_role(obj: Object) -> list[Cause]:
    return _check_rules(obj, namespaced=True)


def _check_cluster_role(obj: Object) -> list[Cause]:
    causes = _check_rules(obj, namespaced=False)
    aggregation = obj.get("aggregationRule")
    if aggregation is not None:
        field = "aggregationRule.clusterRoleSelectors"
        selectors = aggregation.get("clusterRoleSelectors") or ()
        if not selectors:
            message = "at least one clusterRoleSelector required if aggregationRule is non-nil"
            causes.append(field_required(field, message))
        for index, selector in enumerate(selectors):
            causes += check_object(selector, f"{field}[{index}]")
    return causes


def _prepare_binding(obj: Object) -> None:
    role = obj.get("roleRef") or {}
    if role and not role.get("apiGroup"):
        obj["roleRef"] = {"apiGroup": RBAC_GROUP, **role}
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = RBAC_GROUP


def _check_binding(obj: Object, *, namespaced: bool) -> list[Cause]:
    role = obj.get("roleRef") or {}
    causes = []
    if role.get("apiGroup", RBAC_GROUP) != RBAC_GROUP:
        causes.append(field_not_supported("roleRef.apiGroup", role["apiGroup"], [RBAC_GROUP]))
    kinds = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if role.get("kind") not in kinds:
        causes.append(field_not_supported("roleRef.kind", role.get("kind", ""), kinds))
    if not role.get("name"):
        causes.append(field_required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        causes += _check_subject(subject, f"subjects[{index}]", namespaced)
    return causes


def _check_subject(subject: Mapping[str, Any], field: str, namespaced: bool) -> list[Cause]:
    causes = []
    name, kind, group = subject.get("name", ""), subject.get("kind"), subject.get("apiGroup", "")
    if not name:
        causes.append(field_required(f"{field}.name"))
    if kind == "ServiceAccount":
        causes += [
            field_invalid(f"{field}.name", name, text) for text in dns_subdomain(name) if name
        ]
        if group:
            causes.append(field_not_supported(f"{field}.apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            causes.append(field_required(f"{field}.namespace"))
    elif kind in ("User", "Group"):
        if group != RBAC_GROUP:
            causes.append(field_not_supported(f"{field}.apiGroup", group, [RBAC_GROUP]))
    else:
        supported = ["Group", "ServiceAccount", "User"]
        causes.append(field_not_supported(f"{field}.kind", kind or "", supported))
    return causes


def _role_ref_kept(new: Object, old: Object) -> list[Cause]:
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [field_invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]


def _binding_strategy(*, namespaced: bool) -> Strategy:
    return Strategy(
        prepare_create=_prepare_binding,
        prepare_update=lambda new, _old: _prepare_binding(new),
        validate=lambda obj: _check_binding(obj, namespaced=namespaced),
        validate_update=lambda new, old: (
            _check_binding(new, namespaced=namespaced) + _role_ref_kept(new, old)
        ),
        created_by_update=True,
    )


STRATEGIES = {
    (RBAC_GROUP, "clusterrolebindings"): _binding_strategy(namespaced=False),
    (RBAC_GROUP, "clusterroles"): Strategy(
        prepare_create=_prepare_role,
        prepare_update=lambda new, _old: _prepare_role(new),
        validate=_check_cluster_role,
        validate_update=lambda new, _old: _check_cluster_role(new),
        created_by_update=True,
    ),
    (RBAC_GROUP, "rolebindings"): _binding_strategy(namespaced=True),
    (RBAC_GROUP, "roles"): Strategy(
        prepare_create=_prepare_role,
        prepare_update=lambda new, _old: _prepare_role(new),
        validate=_check_role,
        validate_update=lambda new, _old: _check_role(new),
        created_by_update=True,
    ),
}
