"""Runs the expressions of policies and match conditions over one request.

Rules: k8s.io/apiserver/pkg/admission/plugin/cel (condition.go, activation.go) and
plugin/webhook/matchconditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kcpfast.admission.chain import Review
from kcpfast.admission.matching import converted, is_scale, shown
from kcpfast.meta.user import (
    AUTHENTICATED,
    SERVICE_ACCOUNTS,
    Attributes,
    User,
    service_account,
)
from kcpfast.registry.derived import Kept
from kcpfast.registry.strategies.admissionregistration import expressions
from kcpfast.resources import scale
from kcpfast.resources.resource import Object, Resource

if TYPE_CHECKING:
    from kcpfast.schema.cel import Budget, CelProgram

BOOL, STRING, NULL = "bool", "string", "null_type"
# What programs are kept, in bytes, and how many times its text a program takes.
_KEPT_BYTES, _GROWTH = 32 << 20, 150
CONFIGURATION, JSON_PATCH = "Object", "list(JSONPatch)"
# k8s.io/apiserver/pkg/apis/cel: RuntimeCELCostBudget, and that of match conditions.
POLICY_COST, CONDITIONS_COST = 10_000_000, 2_500_000
_SPENT = (
    "validation failed due to running out of cost budget, no further validation rules will be run"
)


class EvaluationError(Exception):
    """An expression has no value; the text is what is told of it."""


class Answered(Protocol):
    """A decision of the authorizer."""

    @property
    def allowed(self) -> bool:
        """Tell whether it is allowed."""

    @property
    def reason(self) -> str:
        """Say why."""


Decide = Callable[[User, str, Attributes], Answered]


class ExpressionScope(NamedTuple):
    """What an expression may use beside the request: hashable, so that programs are kept by it.

    `variables` are name and expression of the policy's variables that stand before it.
    """

    params: bool = False
    authorizer: bool = False
    variables: tuple[tuple[str, str], ...] = ()


def scope_of(spec: Mapping[str, Any]) -> ExpressionScope:
    """Return what the expressions of a policy may use."""
    declared = spec.get("variables") or ()
    variables = tuple((variable["name"], variable["expression"]) for variable in declared)
    return ExpressionScope(spec.get("paramKind") is not None, True, variables)


class _Compiled(NamedTuple):
    """A program, and what it counts as."""

    program: CelProgram
    size: int


_PROGRAMS: Kept[_Compiled] = Kept(_KEPT_BYTES, lambda program: program.size)


def compiled(source: str, results: tuple[str, ...], scope: ExpressionScope) -> CelProgram:
    """Return the program of an expression; CelError if it is none, or gives no such result.

    Whoever writes the same policy twice, or in ten workspaces, compiles once.
    """
    compile_it = partial(_compiled, source, results, scope)
    return _PROGRAMS.get((source, results, scope), compile_it).program


def _compiled(source: str, results: tuple[str, ...], scope: ExpressionScope) -> _Compiled:
    computed = {
        name: compiled(text, (), scope._replace(variables=scope.variables[:number])).result_type
        for number, (name, text) in enumerate(scope.variables)
    }
    declared = expressions.declared(
        params=scope.params, authorizer=scope.authorizer, computed=computed
    )
    types = tuple(expressions.result_type(name) for name in results)
    program = expressions.compiled(source, declared, types, expressions.mutation_types())
    named = sum(len(name) + len(text) for name, text in scope.variables)
    return _Compiled(program, _GROWTH * len(source) + named)


class Condition(NamedTuple):
    """A match condition."""

    name: str
    expression: str


def conditions(listed: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Return the match conditions of a webhook or policy."""
    return tuple(Condition(condition["name"], condition["expression"]) for condition in listed)


class Evaluation:
    """One request as expressions see it, in the version of the resource it was matched as."""

    def __init__(
        self,
        review: Review,
        matched: Resource,
        namespace: Callable[[Review], Object | None],
        decide: Decide,
    ) -> None:
        """Take a request; `namespace` finds the one it is in, `decide` asks the authorizer."""
        self.review = review
        self.matched = matched
        self.request = request_of(review, matched)
        self.new = _visible(review, review.new, matched)
        self.old = _visible(review, review.old, matched)
        self._namespace = namespace
        self._decide = decide

    def bindings(
        self, scope: ExpressionScope, budget: Budget, params: Object | None = None
    ) -> dict[str, object]:
        """Return the variables; those of the policy are worked out when they are first read."""
        variables: dict[str, object] = {
            "object": self.new,
            "oldObject": self.old,
            "request": self.request,
            "namespaceObject": self._namespace_object(),
        }
        if scope.params:
            variables["params"] = params
        if scope.authorizer:
            asker = Asker(self._decide, self.review.user, self.review.target.cluster)
            variables["authorizer"] = asker
            variables["authorizer.requestResource"] = asker.about(self.review, self.matched)
        variables["variables"] = _Variables(scope, variables, budget)
        return variables

    def _namespace_object(self) -> Object | None:
        """Return what expressions see of the namespace; a Namespace is in none."""
        namespace = self._namespace(self.review)
        if namespace is None:
            return None
        meta = dict(namespace["metadata"])
        for key in ("creationTimestamp", "deletionTimestamp"):
            if key in meta:
                meta[key] = _timestamp(meta[key])
        return namespace | {"metadata": meta}

    def hold(
        self,
        matched: Sequence[Condition],
        bindings: Mapping[str, object],
        scope: ExpressionScope,
    ) -> bool:
        """Tell whether all conditions hold; Failed if none says no but some have no value."""
        from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few workspaces have any

        budget, errors = Budget(CONDITIONS_COST), []
        for condition in matched:
            try:
                value = evaluate(condition.expression, (BOOL,), scope, bindings, budget)
            except EvaluationError as failed:
                errors.append(str(failed))
            else:
                if value is not True:
                    return False
        if errors:
            raise EvaluationError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
        return True


def evaluate(
    source: str,
    results: tuple[str, ...],
    scope: ExpressionScope,
    bindings: Mapping[str, object],
    budget: Budget,
) -> object:
    """Return the value of an expression; Failed if it has none."""
    from kcpfast.schema.cel import CelError  # noqa: PLC0415 - few workspaces have any
    from kcpfast.schema.rules import worded  # noqa: PLC0415 - few workspaces have any

    try:
        program = compiled(source, results, scope)
    except CelError as error:
        raise EvaluationError(worded(error)) from None
    try:
        return program.evaluate(bindings, budget)
    except CelError as error:
        if error.cancelled and not budget.remaining:
            raise EvaluationError(_SPENT) from None
        raise EvaluationError(f"expression '{source}' resulted in error: {error.message}") from None


def _timestamp(text: str) -> object:
    from kcpfast.schema.cel import type_of_schema  # noqa: PLC0415 - few workspaces have policies

    kind = type_of_schema({"type": "string", "format": "date-time"})
    assert kind is not None
    assert kind.convert is not None
    return kind.convert(text)


class _Variables(dict[str, object]):
    """The variables of a policy, each worked out once, when it is read."""

    def __init__(
        self, scope: ExpressionScope, bindings: Mapping[str, object], budget: Budget
    ) -> None:
        super().__init__()
        self._scope = scope
        self._bindings = bindings
        self._budget = budget

    def __missing__(self, name: str) -> object:
        from kcpfast.schema.cel import CelError  # noqa: PLC0415 - few workspaces have any

        listed = self._scope.variables
        number = next(place for place, (variable, _) in enumerate(listed) if variable == name)
        scope = self._scope._replace(variables=listed[:number])
        try:
            program = compiled(listed[number][1], (), scope)
            value = program.evaluate(self._bindings, self._budget)
        except CelError as error:
            text = f'composited variable "{name}" fails to evaluate: {error.message}'
            raise CelError(text, cancelled=error.cancelled) from None
        self[name] = value
        return value


# ------------------------------------------------------------------------- the request


def _visible(review: Review, obj: Object | None, matched: Resource) -> Object | None:
    if is_scale(review):
        return shown(review, obj)
    return converted(obj, review.resource, matched)


def request_of(review: Review, matched: Resource) -> dict[str, Any]:
    """Return what expressions and webhooks are told of a request, without its objects.

    See https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/
    """
    kind = _kind(review, matched)
    resource = {"group": matched.group, "version": matched.version, "resource": matched.plural}
    own = review.resource
    request: dict[str, Any] = {
        "kind": kind,
        "resource": resource,
        "subResource": review.subresource,
        "requestKind": _kind(review, own),
        "requestResource": {
            "group": own.group,
            "version": own.version,
            "resource": own.plural,
        },
        "requestSubResource": review.subresource,
        "name": review.name,
        "namespace": _request_namespace(review),
        "operation": review.operation,
        "userInfo": review.user.info(),
        "dryRun": review.dry_run,
        "options": review.options(),
    }
    return {key: value for key, value in request.items() if value != "" and value != {}}


def _kind(review: Review, resource: Resource) -> dict[str, str]:
    if is_scale(review):
        return {"group": scale.GROUP, "version": scale.VERSION, "kind": scale.KIND}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _request_namespace(review: Review) -> str:
    """A Namespace is said to be in itself."""
    if (review.resource.group, review.resource.plural) == ("", "namespaces"):
        return review.name
    return review.target.namespace


# ------------------------------------------------------------------------- the authorizer


class Asker:
    """`authorizer` in an expression: builds a question step by step."""

    def __init__(self, decide: Decide, user: User, cluster: str) -> None:
        """Ask for a user in a cluster."""
        self._decide = decide
        self._user = user
        self._cluster = cluster

    def service_account(self, namespace: str, name: str) -> Asker:
        """Ask for a service account instead."""
        groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}", AUTHENTICATED)
        user = User(service_account(namespace, name), groups=groups)
        return Asker(self._decide, user, self._cluster)

    def path(self, path: str) -> _Question:
        """Ask about a path."""
        return _Question(self, Attributes("", path=path))

    def group(self, group: str) -> _Group:
        """Ask about resources of a group."""
        return _Group(self, group)

    def about(self, review: Review, resource: Resource) -> _Question:
        """Ask about the very object of a request."""
        attributes = Attributes(
            "",
            resource.group,
            resource.version,
            resource.plural,
            review.subresource,
            review.target.namespace,
            review.name,
        )
        return _Question(self, attributes)

    def ask(self, attributes: Attributes) -> _Decision:
        """Ask."""
        return _Decision(self._decide(self._user, self._cluster, attributes))


class _Group(NamedTuple):
    asker: Asker
    group: str

    def resource(self, name: str) -> _Question:
        """Ask about a resource of the group."""
        return _Question(self.asker, Attributes("", self.group, "*", name))


class _Question(NamedTuple):
    asker: Asker
    attributes: Attributes

    def subresource(self, name: str) -> _Question:
        """Ask about a subresource."""
        return self._replace(attributes=self.attributes._replace(subresource=name))

    def namespace(self, name: str) -> _Question:
        """Ask about a namespace."""
        return self._replace(attributes=self.attributes._replace(namespace=name))

    def name(self, name: str) -> _Question:
        """Ask about one object."""
        return self._replace(attributes=self.attributes._replace(name=name))

    def field_selector(self, _selector: str) -> _Question:
        """Narrow the question by fields: RBAC answers the wider one."""
        return self

    def label_selector(self, _selector: str) -> _Question:
        """Narrow the question by labels: RBAC answers the wider one."""
        return self

    def check(self, verb: str) -> _Decision:
        """Ask whether a verb is allowed."""
        return self.asker.ask(self.attributes._replace(verb=verb))


class _Decision(NamedTuple):
    answer: Answered

    def allowed(self) -> bool:
        """Tell whether it is allowed."""
        return self.answer.allowed

    def reason(self) -> str:
        """Say why."""
        return self.answer.reason

    def errored(self) -> bool:
        """Tell whether there was no answer: there always is."""
        return False

    def error(self) -> str:
        """Say why there was no answer."""
        return ""
