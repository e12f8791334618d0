"""Which objects a list, watch or deletecollection is about: selectors and the view's scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from kcpfast.api.context import Call
from kcpfast.meta import jsonpath
from kcpfast.meta.bounded import noted
from kcpfast.meta.cluster import WILDCARD
from kcpfast.meta.errors import bad_request
from kcpfast.meta.selectors import (
    FieldSelector,
    FieldTerm,
    LabelSelector,
    SelectorError,
    fields_test,
    labels_test,
    parse_fields,
    parse_labels,
)
from kcpfast.registry import values
from kcpfast.registry.objects import object_prefix
from kcpfast.resources.resource import Object, Resource
from kcpfast.store.keys import object_key, place
from kcpfast.work.aside import Aside

Test = Callable[[bytes, bytes], bool]


class Selection(NamedTuple):
    """A key range and a test for what is in it (None = everything).

    `ranges` are narrower ones, sorted, in which all lies that passes the test. `clusters` tells
    which clusters that can be in (None: any below the prefix).
    """

    prefix: bytes
    test: Test | None
    ranges: Sequence[bytes] | None = None
    clusters: Callable[[str], bool] | None = None


def selection(call: Call, aside: Aside) -> Selection:
    """Return what a request selects; BadRequest for a selector that cannot be.

    Its test may be made beside the loop.
    """
    resource, route, cluster = call.resource, call.route, call.cluster
    labels, fields = _selectors(call)
    _check_fields(resource, fields)
    namespace = route.namespace if resource.namespaced else ""
    names, fields = _names(fields)
    if route.name:  # of a watch in the old way: that object alone was authorized
        names.append(route.name)
    prefix = object_prefix(resource, cluster, namespace)
    has_one_place = cluster != WILDCARD and (bool(namespace) or not resource.namespaced)
    if len(names) == 1 and has_one_place:
        prefix, names = _exact(resource, cluster, namespace, names[0])
    if namespace and cluster == WILDCARD:  # keys have the cluster first
        fields = (*fields, FieldTerm("metadata.namespace", namespace, equal=True))
    scope = call.scope()
    clusters = _asking(aside, scope.clusters)
    test = _test(resource, labels + scope.labels, fields, names, clusters)
    if scope.within is None:
        return Selection(prefix, test, None, scope.clusters)
    within = [object_prefix(resource, shown_cluster) for shown_cluster in scope.within]
    return Selection(prefix, test, within, scope.clusters)


def _selectors(call: Call) -> tuple[LabelSelector, FieldSelector]:
    try:
        labels = parse_labels(call.parameter("labelSelector"))
        fields = parse_fields(call.parameter("fieldSelector"))
    except SelectorError as error:
        raise bad_request(f"unable to parse selector: {error}") from None
    return labels, fields


def _asking(aside: Aside, clusters: Callable[[str], bool] | None) -> Callable[[str], bool] | None:
    """Return a filter of clusters that may be called from any thread: it reads the store."""
    return None if clusters is None else lambda cluster: aside.on_loop(clusters, cluster)


def _exact(resource: Resource, cluster: str, namespace: str, name: str) -> tuple[bytes, list[str]]:
    """Return the key of one object as the range; longer names begin with it, so the name stays."""
    try:
        return object_key(resource.storage, cluster, namespace, name), [name]
    except ValueError:
        return object_prefix(resource, cluster, namespace), [name]


def _check_fields(resource: Resource, fields: FieldSelector) -> None:
    for term in fields:
        if term.field == "metadata.name" or term.field in resource.fields:
            continue
        if term.field == "metadata.namespace" and (resource.namespaced or resource.builtin):
            continue
        raise bad_request(
            f'Unable to find "{resource.api_version}, Resource={resource.plural}" that match '
            f'label selector "", field selector "{term.field}={term.value}": field label not '
            f"supported: {term.field}"
        )


def _names(fields: FieldSelector) -> tuple[list[str], FieldSelector]:
    """Return the names that a selector requires, and its other terms."""
    names, left = [], []
    for term in fields:
        if term.field == "metadata.name" and term.equal and term.value:
            names.append(term.value)
        else:
            left.append(term)
    return names, tuple(left)


def _test(
    resource: Resource,
    labels: LabelSelector,
    fields: FieldSelector,
    names: list[str],
    clusters: Callable[[str], bool] | None,
) -> Test | None:
    tests: list[Test] = []
    if names:
        shown_names = set(names)
        only = shown_names.pop() if len(shown_names) == 1 else None
        tests.append(lambda key, _value: place(key).name == only)
    if clusters is not None:
        allowed = clusters
        tests.append(lambda key, _value: allowed(place(key).cluster))
    if labels:
        passes = labels_test(labels)
        tests.append(lambda _key, value: passes(noted(value, "labels", values.labels)))
    if fields:
        tests.append(_field_test(resource, fields))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda key, value: all(test(key, value) for test in tests)


def _field_test(resource: Resource, fields: FieldSelector) -> Test:
    decode, passes = partial(values.decode, resource, 0), fields_test(fields)
    by_key = all(term.field.startswith("metadata.") for term in fields)

    def test(key: bytes, value: bytes) -> bool:
        coordinates = place(key)
        key_fields = {
            "metadata.name": coordinates.name,
            "metadata.namespace": coordinates.namespace,
        }
        obj: Object = {} if by_key else noted(value, resource, decode)

        def read(field: str) -> str:
            if field in key_fields:
                return key_fields[field]
            value = resource.fields[field](obj)
            return "" if value is None else jsonpath.text(value)

        return passes(read)

    return test
