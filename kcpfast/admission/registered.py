"""The webhooks and policies of a workspace, made ready to run.

For a resource that is bound from an APIExport they are those of the export's workspace, as in kcp.
What a workspace has is remembered while it holds; one that has none costs a look into that cache,
and its counters once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from kcpfast.admission.chain import Review
from kcpfast.admission.evaluation import Condition, Scope, conditions, scope_of
from kcpfast.admission.matching import Criteria, criteria
from kcpfast.registry import index
from kcpfast.registry.derived import Derived
from kcpfast.registry.objects import Objects
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.schema.program import expression_weight

GROUP = "admissionregistration.k8s.io"
PLACES = (
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
)
_KINDS = {plural: BY_PLACE[GROUP, "v1", plural] for plural in PLACES}
_MAX_CLUSTERS = 4096


class Binding(NamedTuple):
    """A binding of a policy: to which requests, with which parameters, to what effect."""

    name: str
    criteria: Criteria | None
    param: Mapping[str, Any] | None
    actions: tuple[str, ...]


class Policy(NamedTuple):
    """A policy that is bound; `spec` as it is stored.

    `weight` is how many times as long as reading an object it may take to judge it.
    """

    name: str
    spec: Mapping[str, Any]
    fails: bool
    criteria: Criteria
    conditions: tuple[Condition, ...]
    scope: Scope
    bindings: tuple[Binding, ...]
    weight: float = 0.0


class Hook(NamedTuple):
    """A webhook; `found` as it is stored, `key` names it among all of the workspace.

    `weight` is that of its conditions, as of a Policy.
    """

    key: tuple[str, int]
    found: Mapping[str, Any]
    fails: bool
    criteria: Criteria
    conditions: tuple[Condition, ...]
    weight: float = 0.0

    @property
    def name(self) -> str:
        """The name that errors call it by."""
        return str(self.found["name"])


class Registered(NamedTuple):
    """Everything that a workspace has, in the order in which it runs."""

    cluster: str
    mutating_policies: tuple[Policy, ...]
    mutating_hooks: tuple[Hook, ...]
    validating_policies: tuple[Policy, ...]
    validating_hooks: tuple[Hook, ...]


class Registry:
    """Finds what is registered for a request."""

    def __init__(self, objects: Objects, reader: Reader) -> None:
        """Read configurations through the registry."""
        self._objects = objects
        self._registered: Derived[str, Registered | None] = Derived(reader, _MAX_CLUSTERS)

    def of(self, review: Review) -> Registered | None:
        """Return what may concern a request, None if there is nothing.

        Configurations do not concern each other: who locked themselves out could not get back in.
        """
        if review.resource.group == GROUP:
            return None
        origin = review.resource.origin
        cluster = (origin.export_cluster if origin is not None else "") or review.target.cluster
        return self._registered.get(cluster, partial(self._load, cluster))

    def _load(self, cluster: str) -> Registered | None:
        counted = self._objects.store.index_get
        if all(counted(index.total(cluster, kind.storage)) is None for kind in _KINDS.values()):
            return None
        all_of = {plural: self._objects.all(kind, cluster) for plural, kind in _KINDS.items()}
        return Registered(
            cluster,
            tuple(_policies(all_of, "mutating")),
            tuple(_hooks(all_of["mutatingwebhookconfigurations"])),
            tuple(_policies(all_of, "validating")),
            tuple(_hooks(all_of["validatingwebhookconfigurations"])),
        )


def _policies(all_of: Mapping[str, list[Object]], kind: str) -> Iterator[Policy]:
    """Yield the policies that have a binding: others have no effect."""
    bindings: dict[str, list[Binding]] = {}
    for each in all_of[f"{kind}admissionpolicybindings"]:
        spec = each["spec"]
        within = spec.get("matchResources")
        binding = Binding(
            each["metadata"]["name"],
            criteria(within, "resourceRules") if within is not None else None,
            spec.get("paramRef"),
            tuple(spec.get("validationActions") or ()),
        )
        bindings.setdefault(spec["policyName"], []).append(binding)
    for each in all_of[f"{kind}admissionpolicies"]:
        name, spec = each["metadata"]["name"], each["spec"]
        if name in bindings and "deletionTimestamp" not in each["metadata"]:
            yield Policy(
                name,
                spec,
                spec.get("failurePolicy") != "Ignore",
                criteria(spec.get("matchConstraints") or {}, "resourceRules"),
                conditions(spec.get("matchConditions") or ()),
                scope_of(spec),
                tuple(bindings[name]),
                weight_of(spec) * len(bindings[name]),
            )


# A policy runs once for each parameter; so many are as many as there usually are.
_PARAMETERS = 8
_EXPRESSIONS = ("expression", "messageExpression", "valueExpression")


def weight_of(spec: Mapping[str, Any]) -> float:
    """Return how many times as long as reading an object it may take to judge it by a policy.

    A variable may be read within a loop: with variables, all loops count as one in the other.
    """
    listed = ("matchConditions", "variables", "validations", "auditAnnotations", "mutations")
    texts = [text for key in listed for each in spec.get(key) or () for text in _texts(each)]
    if spec.get("variables"):
        texts = [" ".join(texts)]
    return expression_weight(*texts) * (_PARAMETERS if spec.get("paramKind") else 1)


def _texts(found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if key in _EXPRESSIONS and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value)


def _hooks(configurations: Iterable[Object]) -> Iterator[Hook]:
    for each in configurations:
        for number, hook in enumerate(each.get("webhooks") or ()):
            yield Hook(
                (each["metadata"]["name"], number),
                hook,
                hook.get("failurePolicy") != "Ignore",
                criteria(hook),
                conditions(hook.get("matchConditions") or ()),
                weight_of(hook),
            )
