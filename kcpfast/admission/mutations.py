"""MutatingAdmissionPolicies: expressions that say what becomes of an object.

See https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/; rules:
k8s.io/apiserver/pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kcpfast.admission.chain import Review
from kcpfast.admission.evaluation import (
    CONFIGURATION,
    JSON_PATCH,
    POLICY_COST,
    Decide,
    Evaluation,
    EvaluationError,
    evaluate,
)
from kcpfast.admission.matching import Matcher, is_scale
from kcpfast.admission.params import Params
from kcpfast.admission.registered import Policy, PolicyBinding, Registered
from kcpfast.admission.rewriting import Seen, rewrite
from kcpfast.meta.errors import ApiError, Cause
from kcpfast.patch.json_patch import apply_json_patch
from kcpfast.patch.merge_type import MergeNode, merge_node
from kcpfast.patch.path_element import Unkeyed
from kcpfast.patch.typed_check import check_applied
from kcpfast.patch.typed_merge import merge_objects
from kcpfast.registry.merging import node_of
from kcpfast.resources.resource import Object, Resource

if TYPE_CHECKING:
    from kcpfast.schema.cel import Budget


class Trouble(NamedTuple):
    """A mutation that could not be made."""

    policy: Policy
    binding: PolicyBinding
    message: str

    def text(self) -> str:
        """Return the message for the user: policy, binding and what failed."""
        named = f"policy '{self.policy.name}' with binding '{self.binding.name}'"
        return f"{named} denied request: {self.message}"


class MutatingPolicies:
    """Runs the policies that concern a request."""

    def __init__(self, matcher: Matcher, params: Params, decide: Decide) -> None:
        """Match, find parameters and authorize with these."""
        self._matcher = matcher
        self._params = params
        self._decide = decide

    def run(self, registered: Registered, review: Review, seen: Seen) -> None:
        """Let the policies change the object; ApiError 403 if one fails that must not."""
        troubles: list[Trouble] = []
        for policy in registered.mutating_policies:
            if not seen.is_due(policy.name, review):
                continue
            matched = self._matcher.match(policy.criteria, review)
            if matched is None or review.new is None:
                continue
            for binding in policy.bindings:
                if binding.criteria is None or self._matcher.match(binding.criteria, review):
                    troubles += self._bound(registered.cluster, policy, binding, review, matched)
            seen.note(policy.name, policy.spec.get("reinvocationPolicy"), review)
        serious = [trouble for trouble in troubles if trouble.policy.fails]
        if serious:
            raise _refusal(review, serious)

    def _bound(
        self,
        cluster: str,
        policy: Policy,
        binding: PolicyBinding,
        review: Review,
        matched: Resource,
    ) -> Iterator[Trouble]:
        namespace = review.target.namespace
        try:
            kind = policy.spec.get("paramKind")
            for param in self._params.collect(cluster, kind, binding.param, namespace):
                self._mutate(policy, review, matched, param)
        except EvaluationError as failed:
            yield Trouble(policy, binding, str(failed))

    def _mutate(
        self, policy: Policy, review: Review, matched: Resource, param: Object | None
    ) -> None:
        from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few workspaces have policies

        budget = Budget(POLICY_COST)
        for number, mutation in enumerate(policy.spec.get("mutations") or ()):
            looking = Evaluation(review, matched, self._matcher.namespace, self._decide)
            bindings = looking.bindings(policy.scope, budget, param)
            if not number and not looking.hold(policy.conditions, bindings, policy.scope):
                return
            mutated = _mutated(policy, mutation, looking, bindings, budget)
            rewrite(review, mutated, matched)


def _mutated(
    policy: Policy,
    mutation: Mapping[str, Any],
    looking: Evaluation,
    bindings: Mapping[str, object],
    budget: Budget,
) -> Object:
    """Return what one mutation makes of the object; EvaluationError if it cannot be made."""
    from kcpfast.schema.cel import CelError, plain  # noqa: PLC0415 - few have policies

    applies = mutation["patchType"] == "ApplyConfiguration"
    expression = mutation["applyConfiguration" if applies else "jsonPatch"]["expression"]
    result_types = (CONFIGURATION if applies else JSON_PATCH,)
    value = evaluate(expression, result_types, policy.scope, bindings, budget)
    assert looking.new is not None
    try:
        change: Any = plain(value)
        if applies:
            node = _SCALE if is_scale(looking.review) else node_of(looking.matched)
            return _applied(looking.new, change, node)
        patched = apply_json_patch(looking.new, change)
    except CelError as error:
        raise EvaluationError(f"type mismatch: {error.message}") from None
    except ApiError as error:
        raise EvaluationError(f"error applying patch: {error.message}") from None
    if not isinstance(patched, dict):
        raise EvaluationError("error applying patch: the outcome is no object")
    return patched


_NUMBER = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
_SCALE = merge_node({"type": "object", "properties": {"spec": _NUMBER}})


def _applied(live: Object, change: Object, node: MergeNode) -> Object:
    """Merge an apply configuration; it may not speak of what would be replaced as a whole."""
    change = {"apiVersion": live["apiVersion"], "kind": live["kind"], **change}
    check_applied(change, node)
    atomic = list(_atomic_places(change, node, ""))
    if atomic:
        message = "may not mutate atomic arrays, maps or structs: "
        raise EvaluationError(
            f"error applying patch: invalid ApplyConfiguration: {message}{', '.join(atomic)}"
        )
    try:
        merged: Object = merge_objects(live, change, node)
    except Unkeyed as unkeyed:
        raise EvaluationError(f"error applying patch: failed to merge patch: {unkeyed}") from None
    return merged


def _atomic_places(value: Any, node: MergeNode, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        if not node.granular:
            yield path
        for key, item in value.items():
            yield from _atomic_places(item, node.child(key), f"{path}.{key}")
    elif isinstance(value, list):
        if not node.associative:
            yield path
        for number, item in enumerate(value):
            yield from _atomic_places(item, node.other, f"{path}[{number}]")


def _refusal(review: Review, troubles: list[Trouble]) -> ApiError:
    details = review.refuse("").details
    causes = [Cause("", trouble.text(), "") for trouble in troubles]
    text = causes[0].message
    return ApiError("Invalid", text, details=details, causes=causes, code=403)
