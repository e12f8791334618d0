"""CEL rules of a schema (`x-kubernetes-validations`): compiled at first use, run over objects.

The rules follow k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go (KEP-2876);
that a value which an update leaves alone may stay invalid is KEP-4008. Rules of a value run before
those of its parts, and all evaluations for one object share one cost budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from kcpfast.meta.errors import (
    OMITTED,
    Cause,
    field_duplicate,
    field_forbidden,
    field_invalid,
    field_required,
)
from kcpfast.schema import fieldpath
from kcpfast.schema.ratchet import MISSING, Former

if TYPE_CHECKING:
    from kcpfast.schema.cel import Budget, CelError, CelType
    from kcpfast.schema.cel import CelProgram as Expression

RULES = "x-kubernetes-validations"
OLD_SELF = "oldSelf"
# The longest text of a messageExpression, in characters (in bytes upstream:
# MaxEvaluatedMessageExpressionSizeBytes of k8s.io/apiserver/pkg/apis/cel/config.go).
MAX_MESSAGE = 5 * 1024
# Causes and warnings kept for one object; no rule runs after that many causes.
_MOST_CAUSES = 1000
_CANCELLED = "operation cancelled: actual cost limit exceeded"


class CompiledRule(NamedTuple):
    """A compiled rule.

    `test` must evaluate to true; None if the rule does not compile. `message` is the compiled
    `messageExpression`, `path` the resolved `fieldPath`. `error` holds the compile error of either
    expression: with `test` None, every object at this place is refused with it.
    """

    source: Mapping[str, Any]
    test: Expression | None
    message: Expression | None
    path: str
    error: str

    @property
    def uses_old(self) -> bool:
        """Tell whether the rule looks at the object as it was."""
        return self.test is not None and OLD_SELF in self.test.uses

    @property
    def name(self) -> str:
        """Return what errors call the rule: its message, else its source."""
        return str(self.source.get("message") or self.source["rule"]).strip()


class RulePlace:
    """A schema with rules of its own, or with rules in a schema below it.

    `properties`, `items`, `additional` and `all_of` hold only the schemas below that have rules.
    `keys` are the map keys of a list of type map.
    """

    __slots__ = ("additional", "all_of", "items", "keys", "kind", "properties", "rules", "type")

    def __init__(self, schema: Mapping[str, Any], *, resource: bool) -> None:
        """Compile the rules here and below; `resource` tells that this is the root of an object."""
        self.kind: str = schema.get("type") or ""
        self.keys = _keys(schema)
        self.type: CelType | None = None
        self.rules: list[CompiledRule] = []
        if schema.get(RULES):
            self.type, self.rules = compile_rules(schema, resource=resource)
        self.properties: dict[str, RulePlace] = {}
        for name, child in (schema.get("properties") or {}).items():
            place = place_of(child)
            if place is not None:
                self.properties[name] = place
        self.items = place_of(schema.get("items"))
        self.additional = place_of(schema.get("additionalProperties"))
        self.all_of: list[RulePlace] = []
        for branch in schema.get("allOf") or ():
            place = place_of(branch)
            if place is not None:
                self.all_of.append(place)

    def is_bare(self) -> bool:
        """Tell whether no rule is to be run here or below."""
        below = self.properties or self.items or self.additional or self.all_of
        return not self.rules and not below


def place_of(schema: Any, *, resource: bool = False) -> RulePlace | None:
    """Return the compiled rules of a schema, None if there are none or `schema` is no schema."""
    if not isinstance(schema, Mapping):
        return None
    is_object = resource or bool(schema.get("x-kubernetes-embedded-resource"))
    place = RulePlace(schema, resource=is_object)
    return None if place.is_bare() else place


def _keys(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("x-kubernetes-list-type") != "map":
        return ()
    return tuple(schema.get("x-kubernetes-list-map-keys") or ())


def compile_rules(
    schema: Mapping[str, Any], *, resource: bool
) -> tuple[CelType | None, list[CompiledRule]]:
    """Return the CEL type of `self` and the rules of one schema, those below it left out.

    The type is None if CEL cannot see such values. A rule that does not compile holds its error.
    """
    from kcpfast.schema.cel import type_of_schema  # noqa: PLC0415 - few schemas have rules

    kind = type_of_schema(schema, resource=resource)
    return kind, [_compiled(rule, kind, schema) for rule in schema[RULES]]


def _compiled(
    rule: Mapping[str, Any], kind: CelType | None, schema: Mapping[str, Any]
) -> CompiledRule:
    from kcpfast.schema.cel import (  # noqa: PLC0415 - few schemas have rules
        CelError,
        compile_expression,
        optional_of,
        parse_type,
    )

    if kind is None:
        return _uncompiled(rule, "unable to convert structural schema to CEL declarations")
    old = optional_of(kind) if rule.get("optionalOldSelf") else kind
    variables = {"self": kind, OLD_SELF: old}
    message = None
    error = ""
    try:
        test = compile_expression(rule["rule"], variables, expect=parse_type("bool"))
    except CelError as caught:
        return _uncompiled(rule, worded(caught))
    if rule.get("messageExpression"):
        source = rule["messageExpression"]
        try:
            message = compile_expression(source, variables, expect=parse_type("string"))
        except CelError as caught:
            error = _message_error(caught)
    return CompiledRule(rule, test, message, _field_path(rule, schema), error)


def _uncompiled(rule: Mapping[str, Any], error: str) -> CompiledRule:
    return CompiledRule(rule, None, None, "", error)


def _message_error(error: CelError) -> str:
    if error.stage:
        return f"messageExpression {error.stage}: {error.message}"
    return "messageExpression must evaluate to a string"


def _field_path(rule: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return a rule's fieldPath as errors print it; "" for none, or one that leads nowhere."""
    if not rule.get("fieldPath"):
        return ""
    try:
        return fieldpath.resolve(rule["fieldPath"], schema)
    except ValueError:
        return ""


def worded(error: CelError) -> str:
    """Return the text of a compile error, after the stage at which it happened."""
    return f"{error.stage}: {error.message}" if error.stage else error.message


# ------------------------------------------------------------------------- the run


class _Spent(Exception):
    """No further rule may run: the cost budget is spent, or enough causes are collected."""


# The keys and list positions that lead from the object to a value.
Trail = tuple[str | int, ...]


def check_rules(
    place: RulePlace, obj: Any, old: Any | None, unchanged: Callable[[Trail], bool]
) -> tuple[list[Cause], list[str]]:
    """Return causes for the rules that an object breaks, and warnings for those it may break.

    `old` is the stored object, None on create. `unchanged(trail)` tells whether the update leaves
    the value at a trail as it was: a rule that does not read oldSelf then only warns (KEP-4008).
    """
    from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few schemas have rules

    run = _Run(Budget(), unchanged if old is not None else None)
    with suppress(_Spent):
        run.visit(place, obj, old, "", ())
    return run.causes, run.warnings


class _Run:
    """One pass over an object: what was collected, and what is left of the budget."""

    def __init__(self, budget: Budget, unchanged: Callable[[Trail], bool] | None) -> None:
        self.causes: list[Cause] = []
        self.warnings: list[str] = []
        self._budget = budget
        self._unchanged = unchanged
        self._former = Former()

    def visit(self, place: RulePlace, value: Any, old: Any, path: str, trail: Trail) -> None:
        if value is None:
            return
        if place.rules:
            self._run(place, value, old, path, trail)
        for branch in place.all_of:
            self.visit(branch, value, old, path, trail)
        for key, child, item, before in _children(place, value, old, self._former):
            self.visit(child, item, before, _below(path, key, place), (*trail, key))

    def _run(self, place: RulePlace, value: Any, old: Any, path: str, trail: Trail) -> None:
        for rule in place.rules:
            if self._budget.remaining <= 0:
                raise self._spent(place, path)
            if rule.test is None:
                self._add(path, place, f"rule compile error: {rule.error}")
                continue
            optional = bool(rule.source.get("optionalOldSelf"))
            if rule.uses_old and old is None and not optional:
                continue  # a transition rule, and there is no former value
            bindings = _bindings(value, old, optional=optional)
            if not self._holds(rule, bindings, place, path):
                self._broken(rule, bindings, place, value, path, trail)

    def _holds(
        self, rule: CompiledRule, bindings: dict[str, Any], place: RulePlace, path: str
    ) -> bool:
        """Evaluate a rule; an evaluation error becomes a cause, and the rule counts as held.

        Raises _Spent if the evaluation passed a cost limit.
        """
        from kcpfast.schema.cel import CelError  # noqa: PLC0415 - loaded when rules compiled

        assert rule.test is not None
        try:
            return rule.test.evaluate(bindings, self._budget) is True
        except CelError as error:
            if error.cancelled:
                raise self._cancelled(rule, place, path) from None
            self._add(path, place, _evaluation_error(error, rule))
            return True

    def _cancelled(self, rule: CompiledRule, place: RulePlace, path: str) -> _Spent:
        """Add the cause for a cost limit: that of the object, else that of one call."""
        if self._budget.remaining <= 0:
            return self._spent(place, path)
        message = f"'{_CANCELLED}': no further validation rules will be run due to call cost "
        self._add(path, place, f"{message}exceeds limit for rule: {rule.name}")
        return _Spent()

    def _spent(self, place: RulePlace, path: str) -> _Spent:
        message = "validation failed due to running out of cost budget, no further validation rules"
        self._add(path, place, f"{message} will be run")
        return _Spent()

    def _add(self, path: str, place: RulePlace, text: str) -> None:
        self._keep(field_invalid(path or "<nil>", place.kind, text))

    def _keep(self, cause: Cause) -> None:
        """Keep a cause; raise _Spent once there are more than anybody reads."""
        self.causes.append(cause)
        if len(self.causes) >= _MOST_CAUSES:
            raise _Spent

    def _broken(
        self,
        rule: CompiledRule,
        bindings: dict[str, Any],
        place: RulePlace,
        value: Any,
        path: str,
        trail: Trail,
    ) -> None:
        """Add the cause for a broken rule, or a warning if the value is invalid as before."""
        field = f"{path}.{rule.path}".removeprefix(".") if rule.path else path
        detail = self._message(rule, bindings)
        if detail is None:
            text = rule.source.get("message")
            detail = text.strip() if text else f"failed rule: {rule.name}"
        bad_value = OMITTED if place.kind in ("array", "object") else value
        cause = _cause(rule, field or "<nil>", bad_value, detail)
        if rule.uses_old or self._unchanged is None or not self._unchanged(trail):
            self._keep(cause)
        elif len(self.warnings) < _MOST_CAUSES:
            self.warnings.append(f"{cause.field}: {cause.message}")

    def _message(self, rule: CompiledRule, bindings: dict[str, Any]) -> str | None:
        """Return the text of `messageExpression`, None if there is none or it is unusable.

        Unusable, as in validation.go: an evaluation error, blank, too long, or with line breaks.
        """
        from kcpfast.schema.cel import CelError  # noqa: PLC0415 - loaded when rules compiled

        if rule.message is None:
            return None
        try:
            text = str(rule.message.evaluate(bindings, self._budget)).strip()
        except CelError:
            return None
        if not text or "\n" in text or len(text) > MAX_MESSAGE:
            return None
        return text


def _evaluation_error(error: CelError, rule: CompiledRule) -> str:
    if not error.message.startswith("no such overload"):
        return f"{error.message} evaluating rule: {rule.name}"
    mismatch = "call arguments did not match a supported operator, function or macro"
    return f"'{error.message}': {mismatch} signature for rule: {rule.name}"


def _cause(rule: CompiledRule, path: str, value: Any, detail: str) -> Cause:
    reason = rule.source.get("reason")
    if reason == "FieldValueForbidden":
        return field_forbidden(path, detail)
    if reason == "FieldValueRequired":
        return field_required(path, detail)
    if reason == "FieldValueDuplicate":
        return field_duplicate(path, value)
    return field_invalid(path, value, detail)


def _bindings(value: Any, old: Any, *, optional: bool) -> dict[str, Any]:
    from kcpfast.schema.cel import NO_VALUE, Optional  # noqa: PLC0415 - loaded when rules compiled

    if optional:
        return {"self": value, OLD_SELF: NO_VALUE if old is None else Optional(old)}
    return {"self": value, OLD_SELF: old}


def _children(
    place: RulePlace, value: Any, old: Any, former: Former
) -> Iterator[tuple[str | int, RulePlace, Any, Any]]:
    """Yield (key, rules, value, former value) for each part of a value that has rules.

    The former value is None where there was none, or where items cannot be found again.
    """
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, item in value.items():
            child = place.properties.get(key) or place.additional
            if child is not None:
                yield key, child, item, before.get(key)
    elif isinstance(value, list) and place.items is not None:
        for index, item in enumerate(value):
            before = former.matching(item, old, place.keys)
            yield index, place.items, item, None if before is MISSING else before


def _below(path: str, key: str | int, place: RulePlace) -> str:
    if isinstance(key, int) or key not in place.properties:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
