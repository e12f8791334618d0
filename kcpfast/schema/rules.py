"""CEL rules of a schema (`x-kubernetes-validations`): compiled at first use, run over objects.

KEP-2876 and, for what has not been touched, KEP-4008. Rules of a place run before those below it;
all of an object share one budget.
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
MAX_MESSAGE = 5 * 1024
_MOST_CAUSES = 1000
_CANCELLED = "operation cancelled: actual cost limit exceeded"


class CompiledRule(NamedTuple):
    """A compiled rule: `test` must be true; `message` says why it is not, unless it fails.

    `error` stands for a rule that does not compile: objects in its place are refused.
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
    """A place of a schema that has rules, or has some below it."""

    __slots__ = ("additional", "all_of", "items", "keys", "kind", "properties", "rules", "type")

    def __init__(self, schema: Mapping[str, Any], *, resource: bool) -> None:
        """Compile what is here and below; `resource` for a whole object."""
        self.kind: str = schema.get("type") or ""
        self.keys = _keys(schema)
        self.type: CelType | None = None
        self.rules: list[CompiledRule] = []
        if schema.get(RULES):
            self.type, self.rules = compile_rules(schema, resource=resource)
        self.properties = {
            name: place
            for name, child in (schema.get("properties") or {}).items()
            if (place := place_of(child)) is not None
        }
        self.items = place_of(schema.get("items"))
        self.additional = place_of(schema.get("additionalProperties"))
        self.all_of = [place for each in schema.get("allOf") or () if (place := place_of(each))]

    def is_bare(self) -> bool:
        """Tell whether there is nothing to run here or below."""
        below = self.properties or self.items or self.additional or self.all_of
        return not self.rules and not below


def place_of(schema: Any, *, resource: bool = False) -> RulePlace | None:
    """Return the rules of a schema, None if it has none."""
    if not isinstance(schema, Mapping):
        return None
    whole = resource or bool(schema.get("x-kubernetes-embedded-resource"))
    place = RulePlace(schema, resource=whole)
    return None if place.is_bare() else place


def _keys(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("x-kubernetes-list-type") != "map":
        return ()
    return tuple(schema.get("x-kubernetes-list-map-keys") or ())


def compile_rules(
    schema: Mapping[str, Any], *, resource: bool
) -> tuple[CelType | None, list[CompiledRule]]:
    """Compile the rules of one place; a Rule that does not compile holds its error."""
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
        return CompiledRule(
            rule, None, None, "", "unable to convert structural schema to CEL declarations"
        )
    old = optional_of(kind) if rule.get("optionalOldSelf") else kind
    variables = {"self": kind, OLD_SELF: old}
    test = message = None
    error = path = ""
    try:
        test = compile_expression(rule["rule"], variables, expect=parse_type("bool"))
    except CelError as caught:
        return CompiledRule(rule, None, None, "", worded(caught))
    if rule.get("messageExpression"):
        try:
            source = rule["messageExpression"]
            message = compile_expression(source, variables, expect=parse_type("string"))
        except CelError as caught:
            stage = f"messageExpression {caught.stage}: " if caught.stage else ""
            text = caught.message if stage else "messageExpression must evaluate to a string"
            error = f"{stage}{text}"
    if rule.get("fieldPath"):
        try:
            path = fieldpath.resolve(rule["fieldPath"], schema)
        except ValueError:
            path = ""
    return CompiledRule(rule, test, message, path, error)


def worded(error: CelError) -> str:
    """Return why an expression does not compile, with the stage at which it failed."""
    return f"{error.stage}: {error.message}" if error.stage else error.message


# ------------------------------------------------------------------------- the run


class _Spent(Exception):
    """The budget of the object is spent: no further rule runs."""


Trail = tuple[str | int, ...]


def check_rules(
    place: RulePlace, obj: Any, old: Any | None, unchanged: Callable[[Trail], bool]
) -> tuple[list[Cause], list[str]]:
    """Return the rules that an object breaks, and warnings for those it broke before.

    `old` is None for a new object; `unchanged(trail)` tells of a changed one whether the value at
    a trail of keys and positions is what it was.
    """
    from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few schemas have rules

    run = _Run(Budget(), unchanged if old is not None else None)
    with suppress(_Spent):
        run.visit(place, obj, old, "", ())
    return run.causes, run.warnings


class _Run:
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
        for each in place.all_of:
            self.visit(each, value, old, path, trail)
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
                continue
            bindings = _bindings(value, old, optional=optional)
            if not self._holds(rule, bindings, place, path):
                self._broken(rule, bindings, place, value, path, trail)

    def _holds(
        self, rule: CompiledRule, bindings: dict[str, Any], place: RulePlace, path: str
    ) -> bool:
        from kcpfast.schema.cel import CelError  # noqa: PLC0415 - loaded when rules compiled

        assert rule.test is not None
        try:
            return rule.test.evaluate(bindings, self._budget) is True
        except CelError as error:
            if error.cancelled:
                if self._budget.remaining <= 0:
                    raise self._spent(place, path) from None
                why = f"'{_CANCELLED}': no further validation rules will be run due to call cost "
                self._add(path, place, f"{why}exceeds limit for rule: {rule.name}")
                raise _Spent from None
            if error.message.startswith("no such overload"):
                why = "call arguments did not match a supported operator, function or macro"
                text = f"'{error.message}': {why} signature for rule: {rule.name}"
            else:
                text = f"{error.message} evaluating rule: {rule.name}"
            self._add(path, place, text)
            return True  # said already

    def _spent(self, place: RulePlace, path: str) -> _Spent:
        why = "validation failed due to running out of cost budget, no further validation rules"
        self._add(path, place, f"{why} will be run")
        return _Spent()

    def _add(self, path: str, place: RulePlace, text: str) -> None:
        self._tell(field_invalid(path or "<nil>", place.kind, text))

    def _tell(self, cause: Cause) -> None:
        """Keep a cause; where there are more than anybody reads, no further rule runs."""
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
        where = path
        if rule.path:
            where = f"{path}.{rule.path}".removeprefix(".")
        detail = self._message(rule, bindings)
        if detail is None:
            text = rule.source.get("message")
            detail = text.strip() if text else f"failed rule: {rule.name}"
        shown = OMITTED if place.kind in ("array", "object") else value
        cause = _cause(rule, where or "<nil>", shown, detail)
        if not rule.uses_old and self._unchanged is not None and self._unchanged(trail):
            if len(self.warnings) < _MOST_CAUSES:
                self.warnings.append(f"{cause.field}: {cause.message}")
        else:
            self._tell(cause)

    def _message(self, rule: CompiledRule, bindings: dict[str, Any]) -> str | None:
        """Return what `messageExpression` says, None if it does not say anything of use."""
        from kcpfast.schema.cel import CelError  # noqa: PLC0415 - loaded when rules compiled

        if rule.message is None:
            return None
        try:
            found = rule.message.evaluate(bindings, self._budget)
        except CelError:
            return None
        text = str(found).strip()
        return text if text and "\n" not in text and len(text) <= MAX_MESSAGE else None


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
    """Yield key, place, value and former value of what lies below a value."""
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
