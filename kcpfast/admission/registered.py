"""The webhooks and policies of a workspace, made ready to run.

For a resource that is bound from an APIExport they are those of the export's workspace, as in kcp.
What a workspace has is remembered while it holds; one that has none costs a look into that cache,
and its counters once. Many or large ones take long to be made ready: that is done beside the event
loop by whoever needs them first. How much a workspace may register is bounded, in bytes: all of it
is read, and kept decoded, for any write there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from kcpfast.admission.chain import DELETE, Review
from kcpfast.admission.evaluation import Condition, ExpressionScope, conditions, scope_of
from kcpfast.admission.matching import Criteria, criteria
from kcpfast.meta.errors import ApiError
from kcpfast.registry import index, values
from kcpfast.registry.derived import Derived
from kcpfast.registry.objects import Objects, Target, object_prefix
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object
from kcpfast.schema.program import expression_weight
from kcpfast.store.contract import Item
from kcpfast.work.aside import LONG, SMALL

ADMISSION_GROUP = "admissionregistration.k8s.io"
PLACES = (
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
)
_KINDS = {plural: BY_PLACE[ADMISSION_GROUP, "v1", plural] for plural in PLACES}
_MAX_CLUSTERS = 4096
# Bytes stored for a workspace: what is refused to be written, and to be read; two who write
# at the same time come above the first.
MOST_BYTES, _MOST_READ = 4 << 20, 8 << 20
# How many times of that it takes once it is ready to run, and what is kept of all workspaces.
GROWTH, _KEPT_BYTES = 25, 64 << 20
_ROW = 512
# Bytes that take as long to read as it takes to look at one rule.
_RULE = 32


class PolicyBinding(NamedTuple):
    """A binding of a policy: to which requests, with which parameters, to what effect.

    `cost` is that of its criteria and parameters, as of a Policy.
    """

    name: str
    criteria: Criteria | None
    param: Mapping[str, Any] | None
    actions: tuple[str, ...]
    cost: int = 0


class Policy(NamedTuple):
    """A policy that is bound; `spec` as it is stored.

    `weight` is how many times as long as reading an object it may take to judge it, `cost` what
    it costs whatever the object, in bytes as for Aside.
    """

    name: str
    spec: Mapping[str, Any]
    fails: bool
    criteria: Criteria
    conditions: tuple[Condition, ...]
    scope: ExpressionScope
    bindings: tuple[PolicyBinding, ...]
    weight: float = 0.0
    cost: int = 0


class Hook(NamedTuple):
    """A webhook; `webhook` is its entry as stored in the configuration.

    `key` is the configuration's name and the position of the entry: unique in a workspace.

    `weight` is that of its conditions, as of a Policy, and `cost` what it is to match it.
    """

    key: tuple[str, int]
    webhook: Mapping[str, Any]
    fails: bool
    criteria: Criteria
    conditions: tuple[Condition, ...]
    weight: float = 0.0
    cost: int = 0

    @property
    def name(self) -> str:
        """The name that errors call it by."""
        return str(self.webhook["name"])


class Registered(NamedTuple):
    """Everything that a workspace has, in the order in which it runs.

    `deletes` tells whether any of it may look at deletions.
    """

    cluster: str
    mutating_policies: tuple[Policy, ...]
    mutating_hooks: tuple[Hook, ...]
    validating_policies: tuple[Policy, ...]
    validating_hooks: tuple[Hook, ...]
    deletes: bool = True


class Unmade:
    """What a workspace has, read and not yet made ready; `size` is what that costs (see Aside)."""

    def __init__(self, cluster: str, items: dict[str, Sequence[Item]] | None) -> None:
        """Take the stored configurations by plural name; None if there are too many bytes."""
        self.size = SMALL if items is None else stored_bytes(items)
        self.made: Registered | None = None
        self._cluster = cluster
        self._items: dict[str, Sequence[Item]] | None = items

    def make(self) -> Registered:
        """Return it ready to run; only the first who asks makes it. Forbidden if it is too much."""
        items = self._items
        if self.made is None and items is not None:
            self.made = _made(self._cluster, items)
        # The stored bytes are needed no more: kept, they would be held beside their decoded form.
        self._items = None
        if self.made is None:
            raise too_much()
        return self.made


def stored_bytes(items: Mapping[str, Sequence[Item]]) -> int:
    """Return how many bytes objects are stored in."""
    return sum(len(item.value) for listed in items.values() for item in listed)


def too_much() -> ApiError:
    """Return the 403 for a workspace that registers too much; configurations can be deleted."""
    message = (
        f"webhooks and admission policies of a workspace may come to {MOST_BYTES} bytes at most"
    )
    return ApiError("Forbidden", message)


def _weight(unmade: Unmade | None) -> int:
    return _ROW if unmade is None else _ROW + GROWTH * unmade.size


class Registry:
    """Finds what is registered for a request."""

    def __init__(self, objects: Objects, reader: Reader) -> None:
        """Read configurations through the registry."""
        self._objects = objects
        self._registered: Derived[str, Unmade | None] = Derived(
            reader, _MAX_CLUSTERS, _weight, _KEPT_BYTES
        )

    def of(self, review: Review) -> Registered | Unmade | None:
        """Return what may concern a request, None if there is nothing.

        What is Unmade is to be made beside the loop.
        """
        return self.at(review.target)

    def at(self, target: Target) -> Registered | Unmade | None:
        """Return what may concern requests about an object, None if there is nothing.

        Configurations do not concern each other: who locked themselves out could not get back in.
        """
        if target.resource.group == ADMISSION_GROUP:
            return None
        origin = target.resource.origin
        cluster = (origin.export_cluster if origin is not None else "") or target.cluster
        registered = self._registered.get(cluster, partial(self._load, cluster))
        return registered and (registered.made or registered)

    def _load(self, cluster: str) -> Unmade | None:
        store = self._objects.store
        if all(
            store.index_get(index.total(cluster, kind.storage)) is None for kind in _KINDS.values()
        ):
            return None
        unmade = Unmade(cluster, self._read(cluster))
        if unmade.size < SMALL:
            unmade.make()
        return unmade

    def _read(self, cluster: str) -> dict[str, Sequence[Item]] | None:
        """Return what is stored, by kind; None if that is too much."""
        read: dict[str, Sequence[Item]] = {}
        for plural, kind in _KINDS.items():
            budget = _MOST_READ - stored_bytes(read)
            page = self._objects.store.scan(object_prefix(kind, cluster), budget=budget)
            read[plural] = page.items
            if page.last or stored_bytes(read) >= _MOST_READ:
                return None
        return read

    def limit(self, review: Review) -> None:
        """Refuse a write after which a workspace would register more than MOST_BYTES.

        One that makes a configuration smaller passes, so that a workspace over the limit can be
        brought below it again.
        """
        new = len(msgspec.json.encode(review.new or {}))
        old = len(msgspec.json.encode(review.old or {}))
        if new <= old:
            return
        read = self._read(review.target.cluster)
        if read is None or stored_bytes(read) + new - old > MOST_BYTES:
            raise too_much()


def _made(cluster: str, items: Mapping[str, Sequence[Item]]) -> Registered:
    all_of = {
        plural: [values.decode(_KINDS[plural], item.revision, item.value) for item in listed]
        for plural, listed in items.items()
    }
    registered = (
        tuple(_policies(all_of, "mutating")),
        tuple(_hooks(all_of["mutatingwebhookconfigurations"])),
        tuple(_policies(all_of, "validating")),
        tuple(_hooks(all_of["validatingwebhookconfigurations"])),
    )
    deletes = any(_looks_at_deletions(entry) for entries in registered for entry in entries)
    return Registered(cluster, *registered, deletes)


def _looks_at_deletions(entry: Policy | Hook) -> bool:
    rules = entry.criteria.rules
    return not rules or any(rule.operations & {DELETE, "*"} for rule in rules)


def _policies(all_of: Mapping[str, list[Object]], kind: str) -> Iterator[Policy]:
    """Yield the policies that have a binding: others have no effect."""
    bindings: dict[str, list[PolicyBinding]] = {}
    for item in all_of[f"{kind}admissionpolicybindings"]:
        spec = item["spec"]
        within = spec.get("matchResources")
        binding = PolicyBinding(
            item["metadata"]["name"],
            criteria(within, "resourceRules") if within is not None else None,
            spec.get("paramRef"),
            tuple(spec.get("validationActions") or ()),
            # How many and how large the parameters are is known when they have been read.
            LONG if spec.get("paramRef") else _cost(within or {}, "resourceRules"),
        )
        bindings.setdefault(spec["policyName"], []).append(binding)
    for item in all_of[f"{kind}admissionpolicies"]:
        name, spec = item["metadata"]["name"], item["spec"]
        if name in bindings and "deletionTimestamp" not in item["metadata"]:
            constraints = spec.get("matchConstraints") or {}
            yield Policy(
                name,
                spec,
                spec.get("failurePolicy") != "Ignore",
                criteria(constraints, "resourceRules"),
                conditions(spec.get("matchConditions") or ()),
                scope_of(spec),
                tuple(bindings[name]),
                weight_of(spec) * len(bindings[name]),
                _cost(constraints, "resourceRules") + sum(item.cost for item in bindings[name]),
            )


def _cost(spec: Mapping[str, Any], rules: str) -> int:
    """Return what it costs to match a request: criteria have rules, which are looked at in turn."""
    listed = (spec.get(rules) or (), spec.get("excludeResourceRules") or ())
    return _RULE * sum(map(len, listed))


# A policy runs once for each parameter; so many are as many as there usually are.
_PARAMETERS = 8
_EXPRESSIONS = ("expression", "messageExpression", "valueExpression")


def weight_of(spec: Mapping[str, Any]) -> float:
    """Return how many times as long as reading an object it may take to judge it by a policy.

    A variable may be read within a loop: with variables, all loops count as one in the other.
    """
    listed = ("matchConditions", "variables", "validations", "auditAnnotations", "mutations")
    texts = [text for key in listed for entry in spec.get(key) or () for text in _texts(entry)]
    if spec.get("variables"):
        texts = [" ".join(texts)]
    return expression_weight(*texts) * (_PARAMETERS if spec.get("paramKind") else 1)


def _texts(entry: Mapping[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        if key in _EXPRESSIONS and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(value)


def _hooks(configurations: Iterable[Object]) -> Iterator[Hook]:
    for item in configurations:
        for number, hook in enumerate(item.get("webhooks") or ()):
            yield Hook(
                (item["metadata"]["name"], number),
                hook,
                hook.get("failurePolicy") != "Ignore",
                criteria(hook),
                conditions(hook.get("matchConditions") or ()),
                weight_of(hook),
                _cost(hook, "rules"),
            )
