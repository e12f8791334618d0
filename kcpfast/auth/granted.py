"""The rules of one role, filed so that a decision takes a few look-ups however many rules it has.

Whoever writes roles in a workspace decides how many rules the requests of all its users are checked
against, so a scan over them could be made slow on purpose. A cache of decisions does not help: each
object name that is asked for is another question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from kcpfast.auth.rules import PolicyRule, allows
from kcpfast.meta.user import Attributes
from kcpfast.registry.strategies.rbac import words

# Rules that grant no more single rights than this are filed by them; others are looked at in turn.
_FILED = 16
_MEMBERS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")
_Right = tuple[str, str | None, str]
_RIGHT = ("verbs", "apiGroups", "resources")


class Granted:
    """What a role grants; `words` counts those of its rules, `steps` rules looked at in turn."""

    __slots__ = ("_filed", "_wide", "rules", "steps", "words")

    def __init__(self, rules: Sequence[PolicyRule]) -> None:
        """File the rules."""
        self.rules = rules
        self.words = sum(map(words, rules))
        self.steps = 0
        # Names by verb, group and resource (None for all), or verb, nothing and path.
        self._filed: dict[_Right, set[str] | None] = {}
        self._wide: list[Mapping[str, Any]] = []
        for rule in rules:
            self._file(rule)

    def _file(self, rule: PolicyRule) -> None:
        names, rights = rule.get("resourceNames") or (), [rule.get(key) or () for key in _RIGHT]
        paths = rule.get("nonResourceURLs") or ()
        number = prod(map(len, rights)) * max(len(names), 1)
        if number > _FILED or len(paths) * len(rights[0]) > _FILED or _has_ending(paths):
            self._wide.append({key: frozenset(rule.get(key) or ()) for key in _MEMBERS})
            return
        for right in product(*rights):
            if not names:
                self._filed[right] = None
                continue
            filed_names = self._filed.setdefault(right, set())
            if filed_names is not None:
                filed_names.update(names)
        for verb, path in product(rights[0], paths):
            self._filed[verb, None, path] = None

    def allows(self, request: Attributes) -> bool:
        """Tell whether any rule allows a request, as `rules.allows` does of one."""
        if any(self._allows(right, request.name) for right in _asked(request)):
            return True
        for rule in self._wide:
            self.steps += 1
            if allows(rule, request):
                return True
        return False

    def _allows(self, right: _Right, name: str) -> bool:
        names = self._filed.get(right, _NONE)
        return names is None or name in names


_NONE: set[str] = set()


def _has_ending(paths: Iterable[str]) -> bool:
    """Tell whether a path stands for those that begin like it."""
    return any(path.endswith("*") and path != "*" for path in paths)


def _asked(request: Attributes) -> Iterable[_Right]:
    """Return the rights of which any allows a request."""
    verbs = (request.verb, "*")
    if not request.resource:
        return product(verbs, (None,), (request.path, "*"))
    resources = [request.full_resource(), "*"]
    if request.subresource:
        resources.append(f"*/{request.subresource}")
    return product(verbs, (request.group, "*"), resources)
