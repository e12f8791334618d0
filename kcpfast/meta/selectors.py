"""Label and field selectors: parsed from query strings or LabelSelector objects, and matched.

Grammar and texts: k8s.io/apimachinery/pkg/labels and pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kcpfast.meta.errors import (
    Cause,
    field_forbidden,
    field_invalid,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import label_value, qualified_name
from kcpfast.meta.texts import signed

# One token: an operator of two characters goes before its own first character.
_TOKEN = re.compile(r"\s*(==|=|!=|[!<>(),]|[^\s=!<>(),]+)")
# Bounds of our own: a selector is looked at for each object of a list or of a watch.
_MAX_SELECTOR = 64 * 1024
_MAX_TERMS = 500
# The operators of a query, and what a Requirement calls them.
_BINARY = {"=": "in", "==": "in", "!=": "notin", "in": "in", "notin": "notin", "<": "<", ">": ">"}


class SelectorError(ValueError):
    """A selector cannot be parsed; its text is the message for the client."""


class Requirement(NamedTuple):
    """One term: `operator` is in, notin, exists, absent, < or >."""

    key: str
    operator: str
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy this term."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value is not None and value in self.values
        if self.operator == "notin":
            return value is None or value not in self.values
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        """Compare integers; a label that holds none satisfies neither > nor <."""
        (bound_text,) = self.values
        try:
            number, bound = signed(value or ""), signed(bound_text)
        except ValueError:
            return False
        if self.operator == ">":
            return number > bound
        return number < bound


LabelSelector = tuple[Requirement, ...]


def matches(selector: Iterable[Requirement], labels: Mapping[str, str] | None) -> bool:
    """Tell whether labels satisfy all terms."""
    present = labels or {}
    return all(requirement.matches(present) for requirement in selector)


def labels_test(selector: LabelSelector) -> Callable[[Mapping[str, str]], bool]:
    """Return a test of whether labels satisfy all terms.

    The terms are merged by key once, so that the test takes time for the labels of an object and
    not for the terms: a selector may have hundreds, and be put to many thousands of objects.
    """
    # Terms that a missing label satisfies are not needed; a label that is there must pass all.
    needed = frozenset(term.key for term in selector if term.operator not in ("absent", "notin"))
    by_key: dict[str, list[Requirement]] = {}
    for term in selector:
        by_key.setdefault(term.key, []).append(term)
    merged = {key: _merged(terms) for key, terms in by_key.items()}
    keys = frozenset(merged)

    def test(labels: Mapping[str, str]) -> bool:
        if not needed <= labels.keys():
            return False
        return all(merged[key].matches(labels[key]) for key in keys.intersection(labels))

    return test


class _Merged(NamedTuple):
    """All terms about one key, for a label that is there; None means no such bound.

    `allowed` is the intersection of all `in` terms (empty for `absent`), `denied` the union of all
    `notin` terms.
    """

    allowed: frozenset[str] | None
    denied: frozenset[str]
    above: int | None
    below: int | None

    def matches(self, value: str) -> bool:
        if value in self.denied or (self.allowed is not None and value not in self.allowed):
            return False
        if self.above is None and self.below is None:
            return True
        return self._is_between(value)

    def _is_between(self, value: str) -> bool:
        try:
            number = signed(value)
        except ValueError:
            return False
        if self.above is not None and number <= self.above:
            return False
        return self.below is None or number < self.below


def _merged(terms: Iterable[Requirement]) -> _Merged:
    allowed: frozenset[str] | None = None
    denied: set[str] = set()
    above: int | None = None
    below: int | None = None
    for _, operator, values in terms:
        if operator == "absent":
            allowed = frozenset()
        elif operator == "in":
            allowed = values if allowed is None else allowed & values
        elif operator == "notin":
            denied |= values
        elif operator in "<>":
            bound = signed(next(iter(values)))
            if operator == ">":
                above = bound if above is None else max(above, bound)
            else:
                below = bound if below is None else min(below, bound)
    return _Merged(allowed, frozenset(denied), above, below)


def parse_labels(text: str) -> LabelSelector:
    """Parse the `labelSelector` of a query; SelectorError with upstream's message."""
    if len(text) > _MAX_SELECTOR:
        raise SelectorError(f"selector is longer than {_MAX_SELECTOR} characters")
    if not text.strip():
        return ()
    requirements = tuple(_Parser(_tokens(text)).selector())
    _check_number(len(requirements))
    return requirements


def _check_number(terms: int) -> None:
    """Raise SelectorError for a selector that would cost too much for each object."""
    if terms > _MAX_TERMS:
        raise SelectorError(f"selector has more than {_MAX_TERMS} terms")


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise SelectorError(f"unable to parse requirement: found '{text[position]}'")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


class _Parser:
    """A parser by recursive descent, as in k8s.io/apimachinery/pkg/labels/selector.go.

    "" is the token at the end.
    """

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def _peek(self) -> str:
        if self._next == len(self._tokens):
            return ""
        return self._tokens[self._next]

    def _take(self) -> str:
        token = self._peek()
        if token:
            self._next += 1
        return token

    def selector(self) -> Iterable[Requirement]:
        while True:
            yield self._requirement()
            token = self._take()
            if not token:
                return
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            if not self._peek():
                raise SelectorError("found '', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return Requirement(self._key(), "absent", frozenset())
        key = self._key()
        if self._peek() in ("", ","):
            return Requirement(key, "exists", frozenset())
        word = self._take()
        operator = _BINARY.get(word)
        if operator is None:
            raise SelectorError(
                f"unable to parse requirement: found '{word}', expected: in, notin, =, ==, !=, <, >"
            )
        values = self._values() if word in ("in", "notin") else frozenset([self._value()])
        return _checked(Requirement(key, operator, values))

    def _key(self) -> str:
        key = self._take()
        if not key or key in "=!<>(),":
            raise SelectorError(
                f"unable to parse requirement: found '{key}', expected: !, identifier, or 'end of "
                "string'"
            )
        wrong = qualified_name(key)
        if wrong:
            raise SelectorError(f'key: Invalid value: "{key}": {"; ".join(wrong)}')
        return key

    def _value(self) -> str:
        # `key=` compares with the empty text.
        if self._peek() in ("", ","):
            return ""
        return self._take()

    def _values(self) -> frozenset[str]:
        if self._take() != "(":
            raise SelectorError("unable to parse requirement: expected: '('")
        values = set()
        while True:
            # `in (a,,b)` has the empty text among its values.
            value = "" if self._peek() in (",", ")") else self._take()
            values.add(value)
            token = self._take()
            if token == ")":
                return frozenset(values)
            if token != ",":
                raise SelectorError(f"unable to parse requirement: found '{token}', expected: ','")


def _checked(requirement: Requirement) -> Requirement:
    for value in requirement.values:
        wrong = label_value(value)
        if wrong:
            raise SelectorError(
                f'values[0][{requirement.key}]: Invalid value: "{value}": {"; ".join(wrong)}'
            )
        if requirement.operator in "<>" and not _is_integer(value):
            raise SelectorError(
                f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must "
                "be an integer"
            )
    return requirement


def _is_integer(text: str) -> bool:
    try:
        signed(text)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------- LabelSelector objects

_EXPRESSION_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """Turn a meta/v1 LabelSelector into terms; an empty one matches everything.

    SelectorError for an unknown operator.
    """
    if not selector:
        return ()
    labels = selector.get("matchLabels") or {}
    terms = [Requirement(key, "in", frozenset([value])) for key, value in labels.items()]
    for expression in selector.get("matchExpressions") or ():
        operator_name = expression.get("operator") or ""
        operator = _EXPRESSION_OPERATORS.get(operator_name)
        if operator is None:
            raise SelectorError(f'"{operator_name}" is not a valid label selector operator')
        values = frozenset(expression.get("values") or ())
        terms.append(Requirement(expression.get("key") or "", operator, values))
    return tuple(terms)


def check_object(selector: Mapping[str, Any], field: str) -> list[Cause]:
    """Return what is wrong with a LabelSelector, too many terms included.

    Rules: ValidateLabelSelector in k8s.io/apimachinery/pkg/apis/meta/v1/validation/validation.go.
    """
    labels = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    terms = len(labels) + len(expressions)
    if terms > _MAX_TERMS:
        return [field_too_many(field, terms, _MAX_TERMS)]
    causes = []
    path = f"{field}.matchLabels"
    for key, value in labels.items():
        causes += [field_invalid(path, key, text) for text in qualified_name(key)]
        causes += [field_invalid(path, value, text) for text in label_value(str(value))]
    for index, expression in enumerate(expressions):
        causes += _check_expression(expression, f"{field}.matchExpressions[{index}]")
    return causes


def _check_expression(expression: Mapping[str, Any], field: str) -> list[Cause]:
    operator = expression.get("operator", "")
    values = expression.get("values") or ()
    causes = []
    if operator in ("In", "NotIn") and not values:
        detail = "must be specified when `operator` is 'In' or 'NotIn'"
        causes.append(field_required(f"{field}.values", detail))
    elif operator in ("Exists", "DoesNotExist") and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        causes.append(field_forbidden(f"{field}.values", detail))
    elif operator not in _EXPRESSION_OPERATORS:
        causes.append(field_invalid(f"{field}.operator", operator, "not a valid selector operator"))
    key = expression.get("key", "")
    causes += [field_invalid(f"{field}.key", key, text) for text in qualified_name(key)]
    for index, value in enumerate(values):
        path = f"{field}.values[{index}]"
        causes += [field_invalid(path, value, text) for text in label_value(value)]
    return causes


# ------------------------------------------------------------------- field selectors


class FieldTerm(NamedTuple):
    """One term of a field selector: the field equals the value, or differs from it."""

    field: str
    value: str
    equal: bool


FieldSelector = tuple[FieldTerm, ...]


def parse_fields(text: str) -> FieldSelector:
    """Parse the `fieldSelector` of a query; SelectorError with upstream's message."""
    if len(text) > _MAX_SELECTOR:
        raise SelectorError(f"selector is longer than {_MAX_SELECTOR} characters")
    # Empty terms are passed over, as upstream does.
    terms = tuple(_field_term(part) for part in _split_terms(text) if part)
    _check_number(len(terms))
    return terms


def _split_terms(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<!\\),", text)]


def _field_term(text: str) -> FieldTerm:
    # `!=` and `==` first: both of them contain `=`.
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        field, separator, value = text.partition(sign)
        if separator:
            unescaped = re.sub(r"\\([\\,=])", r"\1", value)
            return FieldTerm(field, unescaped, equal)
    raise SelectorError(f"invalid selector: '{text}'; can't understand '{text}'")


def fields_test(selector: FieldSelector) -> Callable[[Callable[[str], str]], bool]:
    """Return a test of whether an object satisfies all terms.

    The test takes a function that returns the text of a field. It is called once for each field,
    however many terms are about it.
    """
    fields: dict[str, tuple[set[str], set[str]]] = {}
    for field, value, equal in selector:
        allowed, excluded = fields.setdefault(field, (set(), set()))
        if equal:
            allowed.add(value)
        else:
            excluded.add(value)

    def test(read: Callable[[str], str]) -> bool:
        for field, (allowed, excluded) in fields.items():
            text = read(field)
            if text in excluded:
                return False
            # Two different values that it should equal are never satisfied.
            if allowed and allowed != {text}:
                return False
        return True

    return test
