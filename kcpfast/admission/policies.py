"""ValidatingAdmissionPolicies: expressions that must hold for a request.

See https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/; rules:
k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from kcpfast.admission.chain import Review
from kcpfast.admission.evaluation import (
    BOOL,
    NULL,
    POLICY_COST,
    STRING,
    Decide,
    Evaluation,
    EvaluationError,
    evaluate,
)
from kcpfast.admission.matching import Matcher
from kcpfast.admission.params import Params
from kcpfast.admission.registered import Policy, PolicyBinding, Registered
from kcpfast.meta.errors import ApiError, Cause
from kcpfast.resources.resource import Object

if TYPE_CHECKING:
    from kcpfast.schema.cel import Budget

REASONS = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}
_MAX_MESSAGE = 5 * 1024


class Denial(NamedTuple):
    """Why a request is to be refused; `binding` None for what is wrong with the policy itself."""

    policy: Policy
    binding: PolicyBinding | None
    message: str
    reason: str = "Invalid"


class Validation(NamedTuple):
    """What a validation came to: `number` is its place, -1 for the match conditions."""

    number: int
    message: str
    reason: str


class ValidatingPolicies:
    """Runs the policies that concern a request."""

    def __init__(self, matcher: Matcher, params: Params, decide: Decide) -> None:
        """Match, find parameters and authorize with these."""
        self._matcher = matcher
        self._params = params
        self._decide = decide

    def run(self, registered: Registered, review: Review) -> None:
        """Raise the refusal of the first policy that denies; warn and annotate for others."""
        denials: list[Denial] = []
        for policy in registered.validating_policies:
            matched = self._matcher.match(policy.criteria, review)
            if matched is None:
                continue
            looking = Evaluation(review, matched, self._matcher.namespace, self._decide)
            for binding in policy.bindings:
                if binding.criteria is None or self._matcher.match(binding.criteria, review):
                    denials += self._bound(registered.cluster, policy, binding, looking)
        if denials:
            raise _refusal(review, denials[0])

    def _bound(
        self, cluster: str, policy: Policy, binding: PolicyBinding, looking: Evaluation
    ) -> Iterator[Denial]:
        review = looking.review
        try:
            params = self._params.collect(
                cluster, policy.spec.get("paramKind"), binding.param, review.target.namespace
            )
        except EvaluationError as failed:
            if policy.fails:
                text = f"failed to configure binding: {failed}"
                yield Denial(policy, binding, text)
            return
        for param in params:
            for decision in _decisions(policy, looking, param):
                yield from _enforce(policy, binding, decision, review)


def _decisions(policy: Policy, looking: Evaluation, param: Object | None) -> Iterator[Validation]:
    """Yield what speaks against a request."""
    from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few workspaces have policies

    budget = Budget(POLICY_COST)
    bindings = looking.bindings(policy.scope, budget, param)
    try:
        if not looking.hold(policy.conditions, bindings, policy.scope):
            return
    except EvaluationError as failed:
        if policy.fails:
            yield Validation(-1, str(failed), "")
        return
    for number, validation in enumerate(policy.spec.get("validations") or ()):
        try:
            value = evaluate(validation["expression"], (BOOL,), policy.scope, bindings, budget)
            if value is not True:
                message = _message(policy, validation, bindings, budget)
                yield Validation(number, message, validation.get("reason") or "Invalid")
        except EvaluationError as failed:
            if policy.fails:
                yield Validation(number, str(failed), "")
    _annotate(policy, looking, bindings, budget)


def _message(
    policy: Policy, validation: Mapping[str, Any], bindings: Mapping[str, object], budget: Budget
) -> str:
    """Return what is said of a validation that does not hold; Failed if the budget is spent."""
    message = ""
    if validation.get("messageExpression"):
        scope = policy.scope._replace(authorizer=False)
        try:
            value = evaluate(validation["messageExpression"], (STRING,), scope, bindings, budget)
        except EvaluationError as failed:
            if not budget.remaining:
                raise EvaluationError(f"failed messageExpression: {failed}") from None
        else:
            message = str(value).strip() if isinstance(value, str) else ""
    if not message or "\n" in message or len(message.encode()) > _MAX_MESSAGE:
        message = str(validation.get("message") or "").strip()
    return message or f"failed expression: {validation['expression'].strip()}"


def _annotate(
    policy: Policy, looking: Evaluation, bindings: Mapping[str, object], budget: Budget
) -> None:
    """Add the policy's annotations to the audit event."""
    for annotation in policy.spec.get("auditAnnotations") or ():
        try:
            value = evaluate(
                annotation["valueExpression"], (STRING, NULL), policy.scope, bindings, budget
            )
        except EvaluationError:
            continue
        if isinstance(value, str) and value.strip():
            looking.review.audit[f"{policy.name}/{annotation['key']}"] = value.strip()


def _enforce(
    policy: Policy, binding: PolicyBinding, decision: Validation, review: Review
) -> Iterator[Denial]:
    """Do what the binding asks for; yield what refuses the request."""
    named = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
    for action in binding.actions:
        if action == "Deny":
            yield Denial(policy, binding, decision.message, decision.reason or "Invalid")
        elif action == "Warn":
            review.warnings.append(f"Validation failed for {named}: {decision.message}")
        else:
            details = {
                "message": decision.message,
                "policy": policy.name,
                "binding": binding.name,
                "expressionIndex": decision.number,
                "validationActions": list(binding.actions),
            }
            key = "validation.policy.admission.k8s.io/validation_failure"
            review.audit[key] = msgspec.json.encode([details]).decode()


def _refusal(review: Review, denial: Denial) -> ApiError:
    named = f"ValidatingAdmissionPolicy '{denial.policy.name}'"
    if denial.binding is not None:
        named += f" with binding '{denial.binding.name}'"
    message = f"{named} denied request: {denial.message}"
    error = review.refuse(message)
    return ApiError(
        denial.reason,
        error.message,
        details=error.details,
        causes=[Cause("", message, "")],
        code=REASONS[denial.reason],
    )
