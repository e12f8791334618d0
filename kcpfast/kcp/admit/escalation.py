"""Nobody may give rights that they do not have: RBAC's privilege escalation prevention.

See https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
A role may be written by who holds all its rights, or the verb `escalate` on it; a binding by who
holds all rights of its role, or the verb `bind` on that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from kcpfast.admission.chain import Plugin, Review
from kcpfast.auth.covering import TooManyRights, rights, uncovered
from kcpfast.auth.rbac import RBAC_GROUP
from kcpfast.auth.rules import PolicyRule, rule_text
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.meta.errors import not_found
from kcpfast.meta.user import Attributes, User
from kcpfast.resources.resource import Object
from kcpfast.work.aside import Aside

_ROLES = ((RBAC_GROUP, "clusterroles"), (RBAC_GROUP, "roles"))
# What somebody must hold to let others decide, by labels, what a role grants.
_EVERYTHING: list[PolicyRule] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
# What a rule, or a single right, counts as when it is told how long a comparison may take.
_BYTES = 16
_BINDINGS = ((RBAC_GROUP, "clusterrolebindings"), (RBAC_GROUP, "rolebindings"))


class Escalation:
    """The plugins that look at roles and bindings."""

    def __init__(self, authorizer: Authorizer, aside: Aside) -> None:
        """Ask this authorizer what the writer may do."""
        self._authorizer = authorizer
        self._aside = aside

    def plugins(self) -> list[Plugin]:
        """Return the plugins."""
        return [
            Plugin("rbac-roles", self._role, places=_ROLES),
            Plugin("rbac-bindings", self._binding, places=_BINDINGS),
        ]

    def _role(self, review: Review) -> Awaitable[None] | None:
        rules = list(review.obj.get("rules") or ())
        aggregation = review.obj.get("aggregationRule")
        old = review.old
        granted = (rules, aggregation)
        if old is not None and granted == (old.get("rules") or [], old.get("aggregationRule")):
            return None
        name = review.obj["metadata"].get("name") or ""
        if self._is_trusted(review, "escalate", review.place[1], name):
            return None
        return self._check(review, rules + (_EVERYTHING if aggregation else []))

    def _binding(self, review: Review) -> Awaitable[None] | None:
        old, reference = review.old, review.obj.get("roleRef") or {}
        kind, name = reference.get("kind") or "", reference.get("name") or ""
        if old is not None and _grants(old) == _grants(review.obj):
            return None
        if not (kind and name):
            return None  # it will be refused as not valid
        plural = "roles" if kind == "Role" else "clusterroles"
        if self._is_trusted(review, "bind", plural, name):
            return None
        # Roles of the installation are bound by who may `bind` them only, as in kcp.
        target = review.target
        rules = self._authorizer.rbac.own_rules(target.cluster, target.namespace, reference)
        if rules is None:
            raise not_found(review.place[1], RBAC_GROUP, name)
        return self._check(review, rules)

    def _is_trusted(self, review: Review, verb: str, plural: str, name: str) -> bool:
        target = review.target
        if is_master(review.user, target.cluster):
            return True
        attributes = Attributes(verb, RBAC_GROUP, "*", plural, "", target.namespace, name)
        return self._authorizer.allows(review.user, target.cluster, attributes)

    async def _check(self, review: Review, rules: Sequence[PolicyRule]) -> None:
        target = review.target
        owned = list(self._authorizer.rules(review.user, target.cluster, target.namespace))
        size = _BYTES * (len(owned) + rights(rules))
        try:
            missing = await self._aside.run(size, review.user.name, uncovered, owned, rules)
        except TooManyRights as error:
            raise review.refuse(str(error)) from None
        if missing:
            raise review.refuse(_why(review.user, missing))


def _grants(binding: Object) -> tuple[object, object]:
    return binding.get("roleRef"), binding.get("subjects") or []


def _why(user: User, missing: Sequence[PolicyRule]) -> str:
    listed = "\n".join(rule_text(rule) for rule in missing)
    groups = " ".join(f'"{group}"' for group in user.groups)
    return (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not '
        f"currently held:\n{listed}"
    )
