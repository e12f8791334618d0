"""Checks the CEL rules of a schema when the schema is written: that they compile, what they cost.

Rules and texts: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go. A
rule's cost is that of its worst evaluation, times the number of values that one object can have
where the rule stands.
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
from kcpfast.schema.structure import schemas_below

Schema = Mapping[str, Any]

_REASONS = (
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
)
_MAX_REQUEST = 3 * 1024 * 1024
_UNBOUNDED = 2**64 - 1
# What a rule can cost for one object, and the path to the rule.
RuleCost = tuple[int, str]


class _RuleSite(NamedTuple):
    """A schema with rules.

    `field` is its path, `times` how many such values an object can have (None: not bounded).
    `uncorrelated` is the path of the innermost list around it whose items have no former value, ""
    for none. `resource` tells that the values are whole objects.
    """

    schema: Schema
    field: str
    times: int | None
    uncorrelated: str
    resource: bool


def check_schema_rules(schema: Schema, field: str) -> list[Cause]:
    """Return the causes for refusing the rules in a structural schema; `field` is its own path.

    Rules are compiled, and their costs estimated: their texts must be in order.
    """
    causes: list[Cause] = []
    costs: list[RuleCost] = []
    for site in _rule_sites(_RuleSite(schema, field, 1, "", resource=True)):
        causes += _check_site(site, costs)
    return causes + _check_total(costs, field)


def check_rule_texts(schema: Schema, field: str) -> list[Cause]:
    """Return the causes for refusing rules in a schema by what can be seen without compiling."""
    pending, causes = [(schema, field)], []
    while pending:
        place, path = pending.pop()
        if place.get(RULES):
            causes += _check_texts_of(place, path)
        pending += schemas_below(place, path)
    return causes


def _rule_sites(site: _RuleSite) -> Iterator[_RuleSite]:
    """Yield the schemas with rules in and below a schema, those below first."""
    schema, field = site.schema, site.field
    children = _most_children(schema)
    times_below = None
    if site.times is not None and children is not None:
        times_below = site.times * children
    additional, items = schema.get("additionalProperties"), schema.get("items")
    if isinstance(additional, Mapping):
        path = f"{field}.additionalProperties"
        yield from _rule_sites(_site_below(site, additional, path, times_below))
    for name, child in (schema.get("properties") or {}).items():
        path = f"{field}.properties[{name}]"
        yield from _rule_sites(_site_below(site, child, path, times_below))
    if isinstance(items, Mapping):
        items_site = _site_below(site, items, f"{field}.items", times_below)
        if not site.uncorrelated and schema.get("x-kubernetes-list-type") != "map":
            items_site = items_site._replace(uncorrelated=field)
        yield from _rule_sites(items_site)
    for index, branch in enumerate(schema.get("allOf") or ()):
        yield from _rule_sites(_site_below(site, branch, f"{field}.allOf[{index}]", site.times))
    if schema.get(RULES):
        yield site


def _site_below(site: _RuleSite, schema: Schema, field: str, times: int | None) -> _RuleSite:
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    return _RuleSite(schema, field, times, site.uncorrelated, embedded)


def _most_children(schema: Schema) -> int | None:
    """Return how many items or entries a value can have, 1 for fields, None for no bound."""
    kind = schema.get("type")
    if kind == "array":
        limit = schema.get("maxItems")
    elif kind == "object" and schema.get("additionalProperties"):
        limit = schema.get("maxProperties")
    else:
        limit = 1
    return None if limit is None else max(0, int(limit))


# ------------------------------------------------------------------------- texts


def _check_texts_of(schema: Schema, path: str) -> list[Cause]:
    causes = []
    for index, rule in enumerate(schema[RULES]):
        field = f"{path}.{RULES}[{index}]"
        causes += _check_texts(rule, field)
        causes += _check_reason_and_path(rule, field, schema)
    return causes


def _check_texts(rule: Mapping[str, Any], field: str) -> list[Cause]:
    source = (rule.get("rule") or "").strip()
    given = rule.get("message") or ""
    message = given.strip()
    causes = []
    if not source:
        causes.append(field_required(f"{field}.rule", "rule is not specified"))
    elif given and not message:
        causes.append(field_invalid(f"{field}.message", given, "must be non-empty if specified"))
    elif _has_line_breaks(message):
        causes.append(field_invalid(f"{field}.message", given, "must not contain line breaks"))
    elif _has_line_breaks(source) and not message:
        detail = "message must be specified if rule contains line breaks"
        causes.append(field_required(f"{field}.message", detail))
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        detail = "messageExpression must be non-empty if specified"
        causes.append(field_required(f"{field}.messageExpression", detail))
    return causes


def _check_reason_and_path(rule: Mapping[str, Any], field: str, schema: Schema) -> list[Cause]:
    causes = []
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        causes.append(field_not_supported(f"{field}.reason", reason, _REASONS))
    path, path_field = rule.get("fieldPath") or "", f"{field}.fieldPath"
    if not path:
        return causes
    if not path.strip():
        causes.append(field_invalid(path_field, path, "must be non-empty if specified"))
    if _has_line_breaks(path):
        causes.append(field_invalid(path_field, path, "must not contain line breaks"))
    try:
        fieldpath.resolve(path, schema)
    except ValueError:
        causes.append(field_invalid(path_field, path, "must be a valid path"))
    return causes


def _has_line_breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


# ------------------------------------------------------------------------- costs


def _check_site(site: _RuleSite, costs: list[RuleCost]) -> list[Cause]:
    """Check the compiled rules of one schema, and add their estimated costs to `costs`."""
    kind, rules = compile_rules(site.schema, resource=site.resource)
    times = site.times
    if times is None:
        # As many as fit into a request, each followed by at least one separator.
        smallest = 0 if kind is None else kind.min_size
        times = _MAX_REQUEST // (smallest + 1)
    causes: list[Cause] = []
    if kind is None:
        message = "Internal error: internal error: failed to construct type information for "
        message += f"{RULES} rules: unable to convert structural schema to CEL declarations"
        return [Cause("InternalError", message, f"{site.field}.{RULES}")]
    for index, rule in enumerate(rules):
        field = f"{site.field}.{RULES}[{index}]"
        if rule.test is None:
            causes.append(field_invalid(f"{field}.rule", _shown(rule), rule.error))
            continue
        most = _most(rule.test, kind)
        causes += _check_cost(most * times, f"{field}.rule", "rule", costs)
        causes += _check_message_expression(rule, f"{field}.messageExpression", kind, costs)
        causes += _check_old_self(rule, field, site)
    return causes


def _check_message_expression(
    rule: CompiledRule, field: str, kind: Any, costs: list[RuleCost]
) -> list[Cause]:
    if rule.error:
        return [field_invalid(field, _shown(rule), rule.error)]
    if rule.message is None:
        return []
    # It is evaluated once: after the first failure of its rule.
    return _check_cost(_most(rule.message, kind), field, "messageExpression", costs)


def _check_old_self(rule: CompiledRule, field: str, site: _RuleSite) -> list[Cause]:
    """Check that a transition rule has a former value, and that others do not ask for one."""
    causes = []
    if rule.uses_old and site.uncorrelated:
        detail = "oldSelf cannot be used on the uncorrelatable portion of the schema within "
        detail += site.uncorrelated
        causes.append(field_invalid(f"{field}.rule", rule.source["rule"], detail))
    optional = rule.source.get("optionalOldSelf")
    if not rule.uses_old and optional is not None:
        detail = "may not be set if oldSelf is not used in rule"
        causes.append(field_invalid(f"{field}.optionalOldSelf", optional, detail))
    return causes


def _shown(rule: CompiledRule) -> dict[str, Any]:
    """Return a rule as errors show it: the fields of upstream's internal type."""
    source = rule.source
    return {
        "Rule": source.get("rule") or "",
        "Message": source.get("message") or "",
        "MessageExpression": source.get("messageExpression") or "",
        "Reason": source.get("reason"),
        "FieldPath": source.get("fieldPath") or "",
        "OptionalOldSelf": source.get("optionalOldSelf"),
    }


def _most(program: Any, kind: Any) -> int:
    """Return the most that one evaluation can cost over values of a CEL type."""
    from kcpfast.schema.cel import estimate_cost  # noqa: PLC0415 - few schemas have rules

    return estimate_cost(program, kind)[1]


def _check_cost(cost: int, field: str, name: str, costs: list[RuleCost]) -> list[Cause]:
    """Check what all evaluations of an expression may cost, and add it to `costs`."""
    from kcpfast.schema.cel.estimate import RULE_LIMIT  # noqa: PLC0415

    cost = min(cost, _UNBOUNDED)
    costs.append((cost, field))
    if cost <= RULE_LIMIT:
        return []
    return [field_forbidden(field, _exceeds(f"estimated {name} cost", cost, RULE_LIMIT))]


def _check_total(costs: list[RuleCost], field: str) -> list[Cause]:
    """Check the cost of all rules of a schema; over the limit, the four costliest are named."""
    if not costs:
        return []
    from kcpfast.schema.cel.estimate import CRD_LIMIT  # noqa: PLC0415 - few schemas have rules

    total = sum(cost for cost, _ in costs)
    if total <= CRD_LIMIT:
        return []
    large = [pair for pair in costs if pair[0] >= CRD_LIMIT // 100]
    costliest = sorted(large, reverse=True)[:4]
    detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3"
    causes = [field_forbidden(path, f"{detail} schema") for _, path in costliest]
    name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    causes.append(field_forbidden(field, _exceeds(name, total, CRD_LIMIT)))
    return causes


def _exceeds(name: str, cost: int, limit: int) -> str:
    factor = cost / limit
    if factor > 100:
        times = "more than 100x"
    elif factor < 1.5:
        times = f"{factor:f}x"
    else:
        times = f"{factor:.1f}x"
    return (
        f"{name} exceeds budget by factor of {times} (try simplifying the rule, or adding maxItems,"
        " maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
