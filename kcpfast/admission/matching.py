"""Which requests a webhook or policy looks at: rules, selectors, and equivalent resources.

Rules: k8s.io/apiserver/pkg/admission/plugin/policy/matching and plugin/webhook/generic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kcpfast.admission.chain import Review
from kcpfast.admission.namespaces import NAMESPACES
from kcpfast.meta.selectors import from_object, labels_test
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects
from kcpfast.resources.resource import Object, Resource
from kcpfast.resources.scale import scale_of

FindNamespace = Callable[[Review], Object | None]
Selects = Callable[[Mapping[str, str]], bool]


class OperationRule(NamedTuple):
    """Operations on resources, as RuleWithOperations names them."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: frozenset[str]
    scope: str
    names: frozenset[str]

    def covers(self, review: Review, resource: Resource) -> bool:
        """Tell whether the rule covers a request, taken as one for `resource`.

        Rule: Matcher in k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules.
        """
        return (
            _has(self.operations, review.operation)
            and _has(self.groups, resource.group)
            and _has(self.versions, resource.version)
            and self._names_resource(resource.plural, review.subresource)
            and (self.scope == "*" or (self.scope == "Namespaced") == bool(_namespace(review)))
            and (not self.names or review.name in self.names)
        )

    def _names_resource(self, plural: str, part: str) -> bool:
        patterns = ("*/*", f"{plural}/*", f"*/{part}", f"{plural}/{part}")
        if not part:
            patterns = ("*/*", "*", f"{plural}/*", plural)
        return any(pattern in self.resources for pattern in patterns)


def _has(words: frozenset[str], word: str) -> bool:
    return "*" in words or word in words


def _namespace(review: Review) -> str:
    """Return the namespace a request is in: a Namespace counts as cluster-scoped."""
    return review.target.namespace


class Criteria(NamedTuple):
    """What a request must be like; without rules every request is covered.

    `namespaces` and `objects` tell whether labels are selected, None stands for all.
    """

    rules: tuple[OperationRule, ...]
    excluded: tuple[OperationRule, ...]
    equivalent: bool
    namespaces: Selects | None
    objects: Selects | None


def criteria(spec: Mapping[str, Any], rules: str = "rules") -> Criteria:
    """Return the criteria in a webhook, or (`rules` = resourceRules) in match resources."""
    return Criteria(
        tuple(_rules(spec.get(rules) or ())),
        tuple(_rules(spec.get("excludeResourceRules") or ())),
        spec.get("matchPolicy") != "Exact",
        _selects(spec.get("namespaceSelector")),
        _selects(spec.get("objectSelector")),
    )


def _selects(selector: Mapping[str, Any] | None) -> Selects | None:
    terms = from_object(selector)
    return labels_test(terms) if terms else None


def _rules(rules: Iterable[Mapping[str, Any]]) -> Iterator[OperationRule]:
    for rule in rules:
        yield OperationRule(
            frozenset(rule.get("operations") or ()),
            frozenset(rule.get("apiGroups") or ()),
            frozenset(rule.get("apiVersions") or ()),
            frozenset(rule.get("resources") or ()),
            rule.get("scope") or "*",
            frozenset(rule.get("resourceNames") or ()),
        )


class Matcher:
    """Matches requests against criteria."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        """Read namespaces and equivalent resources through the registry."""
        self._objects = objects
        self._catalog = catalog

    def match(self, terms: Criteria, review: Review) -> Resource | None:
        """Return the resource as which a request is looked at, None if it is not.

        NotFound if the request is in a namespace that is not there. What is stored is asked of the
        loop, so that this may be called beside it.
        """
        if not self._selects_object(terms.objects, review):
            return None
        if self._covered(terms.excluded, review, equivalent=terms.equivalent) is not None:
            return None
        matched: Resource | None = review.resource
        if terms.rules:
            matched = self._covered(terms.rules, review, equivalent=terms.equivalent)
        if matched is None or not self._selects_namespace(terms.namespaces, review):
            return None
        return matched

    def _covered(
        self, rules: Iterable[OperationRule], review: Review, *, equivalent: bool
    ) -> Resource | None:
        if any(rule.covers(review, review.resource) for rule in rules):
            return review.resource
        if not (equivalent and rules):
            return None
        for other in self._equivalents(review.resource):
            if any(rule.covers(review, other) for rule in rules):
                return other
        return None

    def _equivalents(self, resource: Resource) -> Iterator[Resource]:
        """Yield the other faces of a stored kind: versions, or both groups of events."""
        others: Iterable[Resource] = ()
        if resource.origin is not None and resource.origin.hash and not resource.builtin:
            by_version = self._objects.aside.on_loop(self._catalog.from_origin, resource.origin)
            others = by_version.values()
        for other in (*others, *self._catalog.static()):
            same = (other.group, other.version) == (resource.group, resource.version)
            if other.storage == resource.storage and not same:
                yield other

    def _selects_object(self, selects: Selects | None, review: Review) -> bool:
        if selects is None:
            return True
        # Either state is enough, so that nobody escapes by removing a label.
        for obj in (shown(review, review.new), shown(review, review.old)):
            if obj is not None and selects(obj["metadata"].get("labels") or {}):
                return True
        return False

    def _selects_namespace(self, selects: Selects | None, review: Review) -> bool:
        if selects is None:
            return True
        if review.resource is NAMESPACES:
            namespace = review.new if review.operation != "DELETE" else review.old
        elif review.target.namespace:
            namespace = self.namespace(review)
        else:
            return True
        return selects((namespace["metadata"].get("labels") if namespace else None) or {})

    def namespace(self, review: Review) -> Object | None:
        """Return the namespace that a request is in, None if it is in none."""
        name = review.target.namespace
        if not name:
            return None
        target = review.target._replace(resource=NAMESPACES, namespace="", name=name)
        return self._objects.aside.on_loop(self._objects.load, target)


def is_scale(review: Review) -> bool:
    """Tell whether a request is for the scale subresource, of which the Scale is what counts."""
    return review.subresource == "scale" and review.resource.scale is not None


def shown(review: Review, obj: Object | None) -> Object | None:
    """Return an object of a request as the request shows it."""
    paths = review.resource.scale
    if obj is None or paths is None or not is_scale(review):
        return obj
    return scale_of(obj, paths, usual=0)


def converted(obj: Object | None, source: Resource, to_resource: Resource) -> Object | None:
    """Return an object of one resource as another face of the same storage shows it."""
    if obj is None or source is to_resource:
        return obj
    new = source.to_storage(obj) if source.to_storage is not None else obj
    if to_resource.from_storage is not None:
        new = to_resource.from_storage(new | {"apiVersion": to_resource.storage_version})
    return new | {"apiVersion": to_resource.api_version, "kind": to_resource.kind}
