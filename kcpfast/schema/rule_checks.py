"""CEL rules of a schema, checked when the schema is offered: do they compile, what may they cost.

Rules and texts: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation. A rule's cost is
what its worst evaluation costs, times the number of places that its schema lets it apply to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_invalid,
    field_not_supported,
    field_required,
)
from kcpfast.schema import fieldpath
from kcpfast.schema.rules import RULES, CompiledRule, compile_rules

Schema = Mapping[str, Any]

_REASONS = (
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
)
_MAX_REQUEST = 3 * 1024 * 1024
_UNBOUNDED = 2**64 - 1


class _Place(NamedTuple):
    """Where a schema stands: how often it can apply, and below which part items have no former."""

    schema: Schema
    field: str
    times: int | None
    uncorrelated: str
    resource: bool


def check_schema_rules(schema: Schema, field: str) -> list[Cause]:
    """Return what is wrong with the rules in a structural schema; `field` is its own path."""
    places = list(_places(_Place(schema, field, 1, "", resource=True)))
    causes = [cause for place in places for cause in _check_words(place)]
    if causes:
        return causes
    costs: list[tuple[int, str]] = []
    for place in places:
        causes += _check_place(place, costs)
    return causes + _check_total(costs, field)


def _places(place: _Place) -> Iterator[_Place]:
    """Yield the places that have rules, those below before the place itself."""
    schema, field = place.schema, place.field
    count = place.times
    most = _most(schema)
    below = None if count is None or most is None else count * most
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, Mapping):
        yield from _places(_child(place, additional, f"{field}.additionalProperties", below))
    for name, child in (schema.get("properties") or {}).items():
        yield from _places(_child(place, child, f"{field}.properties[{name}]", below))
    if isinstance(items, Mapping):
        lost = "" if schema.get("x-kubernetes-list-type") == "map" else field
        child_place = _child(place, items, f"{field}.items", below)
        yield from _places(child_place._replace(uncorrelated=place.uncorrelated or lost))
    for index, branch in enumerate(schema.get("allOf") or ()):
        yield from _places(_child(place, branch, f"{field}.allOf[{index}]", count))
    if schema.get(RULES):
        yield place


def _child(place: _Place, schema: Schema, field: str, count: int | None) -> _Place:
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    return _Place(schema, field, count, place.uncorrelated, embedded)


def _most(schema: Schema) -> int | None:
    """Return how many children a place can have for each name, None if that is not bounded."""
    kind = schema.get("type")
    if kind == "array":
        limit = schema.get("maxItems")
    elif kind == "object" and schema.get("additionalProperties"):
        limit = schema.get("maxProperties")
    else:
        limit = 1
    return None if limit is None else max(0, int(limit))


# ------------------------------------------------------------------------- words


def _check_words(place: _Place) -> list[Cause]:
    causes = []
    for index, rule in enumerate(place.schema[RULES]):
        causes += _check_texts(rule, f"{place.field}.{RULES}[{index}]")
        causes += _check_target(rule, f"{place.field}.{RULES}[{index}]", place.schema)
    return causes


def _check_texts(rule: Mapping[str, Any], field: str) -> list[Cause]:
    source, given = (rule.get("rule") or "").strip(), rule.get("message") or ""
    message = given.strip()
    causes = []
    if not source:
        causes.append(field_required(f"{field}.rule", "rule is not specified"))
    elif given and not message:
        causes.append(field_invalid(f"{field}.message", given, "must be non-empty if specified"))
    elif _breaks(message):
        causes.append(field_invalid(f"{field}.message", given, "must not contain line breaks"))
    elif _breaks(source) and not message:
        why = "message must be specified if rule contains line breaks"
        causes.append(field_required(f"{field}.message", why))
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        why = "messageExpression must be non-empty if specified"
        causes.append(field_required(f"{field}.messageExpression", why))
    return causes


def _check_target(rule: Mapping[str, Any], field: str, schema: Schema) -> list[Cause]:
    causes = []
    reason, path = rule.get("reason"), rule.get("fieldPath") or ""
    if reason is not None and reason not in _REASONS:
        causes.append(field_not_supported(f"{field}.reason", reason, _REASONS))
    where = f"{field}.fieldPath"
    if path and not path.strip():
        causes.append(field_invalid(where, path, "must be non-empty if specified"))
    if _breaks(path):
        causes.append(field_invalid(where, path, "must not contain line breaks"))
    if path:
        try:
            fieldpath.resolve(path, schema)
        except ValueError:
            causes.append(field_invalid(where, path, "must be a valid path"))
    return causes


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


# ------------------------------------------------------------------------- costs


def _check_place(place: _Place, costs: list[tuple[int, str]]) -> list[Cause]:
    kind, rules = compile_rules(place.schema, resource=place.resource)
    count = place.times
    if count is None:
        count = _MAX_REQUEST // ((kind.min_size if kind is not None else 0) + 1)
    causes = []
    for index, rule in enumerate(rules):
        causes += _check_rule(rule, f"{place.field}.{RULES}[{index}]", place, (count, costs))
    return causes


def _check_rule(
    rule: CompiledRule, field: str, place: _Place, counted: tuple[int, list[tuple[int, str]]]
) -> list[Cause]:
    if rule.test is None:
        return [field_invalid(f"{field}.rule", dict(rule.source), rule.error)]
    count, costs = counted
    causes = _check_cost(rule.test, f"{field}.rule", "rule", count, costs)
    if rule.error:
        where = f"{field}.messageExpression"
        causes.append(field_invalid(where, dict(rule.source), rule.error))
    elif rule.message is not None:
        name, where = "messageExpression", f"{field}.messageExpression"
        causes += _check_cost(rule.message, where, name, 1, costs)
    if rule.uses_old and place.uncorrelated:
        why = "oldSelf cannot be used on the uncorrelatable portion of the schema within "
        causes.append(field_invalid(f"{field}.rule", rule.source["rule"], why + place.uncorrelated))
    if not rule.uses_old and rule.source.get("optionalOldSelf") is not None:
        why = "may not be set if oldSelf is not used in rule"
        where, value = f"{field}.optionalOldSelf", rule.source["optionalOldSelf"]
        causes.append(field_invalid(where, value, why))
    return causes


def _check_cost(
    program: Any, field: str, name: str, count: int, costs: list[tuple[int, str]]
) -> list[Cause]:
    from kcpfast.schema.cel import estimate_cost  # noqa: PLC0415 - few schemas have rules
    from kcpfast.schema.cel.estimate import RULE_LIMIT  # noqa: PLC0415

    cost = min(estimate_cost(program)[1] * count, _UNBOUNDED)
    costs.append((cost, field))
    if cost <= RULE_LIMIT:
        return []
    return [field_forbidden(field, _over(f"estimated {name} cost", cost, RULE_LIMIT))]


def _check_total(costs: list[tuple[int, str]], field: str) -> list[Cause]:
    if not costs:
        return []
    from kcpfast.schema.cel.estimate import CRD_LIMIT  # noqa: PLC0415 - few schemas have rules

    total = sum(cost for cost, _ in costs)
    if total <= CRD_LIMIT:
        return []
    dear = sorted((pair for pair in costs if pair[0] >= CRD_LIMIT // 100), reverse=True)[:4]
    why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3"
    causes = [field_forbidden(where, f"{why} schema") for _, where in dear]
    whole = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    return [*causes, field_forbidden(field, _over(whole, total, CRD_LIMIT))]


def _over(name: str, cost: int, limit: int) -> str:
    factor = cost / limit
    if factor > 100:
        shown = "more than 100x"
    elif factor < 1.5:
        shown = f"{factor:f}x"
    else:
        shown = f"{factor:.1f}x"
    return (
        f"{name} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems,"
        " maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
