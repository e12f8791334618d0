"""The parameters of admission policies: objects that a binding points to.

Rules: CollectParams in k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.admission.evaluation import EvaluationError
from kcpfast.meta.selectors import from_object, labels_test
from kcpfast.registry import values
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Objects, Target, object_prefix
from kcpfast.resources.resource import Object

# Bytes that are read at once.
_PIECE = 128 * 1024


class Params:
    """Finds parameters."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        """Read them through the registry."""
        self._objects = objects
        self._catalog = catalog

    def collect(
        self,
        cluster: str,
        kind: Mapping[str, Any] | None,
        reference: Mapping[str, Any] | None,
        namespace: str,
    ) -> list[Object | None]:
        """Return the objects a policy runs with, one run for each; [None] = one run without.

        They are looked for in the policy's cluster; `namespace` is that of the request. Failed if
        the kind is unknown, the reference cannot be followed, or nothing is found and must be.
        """
        if kind is None or reference is None:
            return [None]
        on_loop = self._objects.aside.on_loop
        target = on_loop(self._place, cluster, kind, reference, namespace)
        params = self._find(target, reference)
        if not params and reference.get("parameterNotFoundAction") == "Deny":
            raise EvaluationError(
                "no params found for policy binding with `Deny` parameterNotFoundAction"
            )
        return list(params)

    def _place(
        self, cluster: str, kind: Mapping[str, Any], reference: Mapping[str, Any], namespace: str
    ) -> Target:
        group, _, version = kind["apiVersion"].rpartition("/")
        served = self._catalog.of_kind(cluster, group, version, kind["kind"])
        if served is None:
            kind_text = f"{kind['apiVersion']}, Kind={kind['kind']}"
            raise EvaluationError(f"paramKind kind `{kind_text}` not known")
        given = reference.get("namespace") or ""
        if not served.resource.namespaced:
            if given:
                raise EvaluationError(
                    "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                )
            return Target(served.resource, cluster, "", "")
        if not (given or namespace):
            raise EvaluationError(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped "
                "resources"
            )
        return Target(served.resource, cluster, given or namespace, "")

    def _find(self, target: Target, reference: Mapping[str, Any]) -> list[Object]:
        """Read them on the loop, as little at a time as others do not notice; decode them here."""
        on_loop, selector = self._objects.aside.on_loop, reference.get("selector")
        if selector is None:
            record = on_loop(self._objects.record, target._replace(name=reference["name"]))
            return [values.decode(target.resource, *record)] if record is not None else []
        selects = labels_test(from_object(selector))
        within = object_prefix(target.resource, target.cluster, target.namespace)
        after, params = b"", list[Object]()
        while True:
            page = on_loop(self._objects.store.scan, within, after, 0, 0, _PIECE)
            params += [
                values.decode(target.resource, item.revision, item.value)
                for item in page.items
                if selects(values.labels(item.value))
            ]
            after = page.last
            if not after:
                return params
