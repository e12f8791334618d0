"""Sources and values made to hurt: refused or answered soon, always with CelError."""

import time
from contextlib import suppress

import pytest

from kcpfast.schema.cel import CelError

from . import evaluate

NESTED: object = 1
for _ in range(3000):
    NESTED = [NESTED]
WIDE = {str(index): [index] * 10 for index in range(1000)}
# Short to write, without an end for who walks over it.
DOUBLED = "optional.of([1])" + ".optMap(x, [x, x])" * 50

REFUSED = {
    "parentheses": "(" * 50_000 + "1" + ")" * 49_000,
    "brackets": "[" * 99_999,
    "braces": "{" * 99_999,
    "mixed signs": "!-" * 40_000 + "1",
    "additions": "+".join(["1"] * 50_000),
    "branches": "true?1:" * 14_000 + "1",
    "middles": "true?" * 16_000 + "1" + ":1" * 16_000,
    "fields": "d" + ".a" * 49_000,
    "calls": "size(" * 16_000 + "d" + ")" * 16_000,
    "too long": "1" + " " * 100_000,
    "unknown names": "&&".join(["x"] * 30_000),
    "quotes": "'" * 99_999,
    "escapes": "'" + "\\q" * 49_000 + "'",
    "digits": "9" * 99_999,
    "dots": "." * 99_999,
    "doubled strings": "optional.of('abcdefgh')" + ".optMap(x, x + x)" * 60,
    "doubled lists": "optional.of(l)" + ".optMap(x, x + x)" * 60,
    "grown strings": "s.replace('', s).replace('', s)",
    "grown joins": "l.map(x, l.map(y, s).join(s)).size()",
    "loops in loops": "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))",
    "lists of lists": "l.map(a, l.map(b, l.map(c, a)))",
    "long range": "lists.range(9223372036854775807)",
    "compared objects": "l.all(x, d == d)",
    "added lists": "l.all(x, (l + l).size() > 0 && l.all(y, (l + l).size() > 0))",
    "formatted objects": "l.all(x, '%s'.format([d]) != '')",
    "deep values": "[n] == [n + []]",
    "deep text": "'%s'.format([n])",
    "doubled lists compared": f"{DOUBLED} == {DOUBLED}",
    "doubled lists in a list": f"{DOUBLED} in [{DOUBLED}]",
    "doubled lists counted out": f"[{DOUBLED}, {DOUBLED}].distinct() == []",
    "doubled lists looked up": f"[{DOUBLED}].indexOf({DOUBLED})",
    "doubled lists looked up from behind": f"[{DOUBLED}].lastIndexOf({DOUBLED})",
    "doubled lists written": f"'%s'.format([{DOUBLED}.value()])",
    "doubled texts written": "'%s'.format([optional.of([s + s])"
    + ".optMap(x, [x, x])" * 50
    + ".value()])",
    "many patterns": "l.all(x, l.all(y, !s.matches('(a|b|ab)*c' + string(x * 1000 + y))))",
    "product of counts": "s.matches('((a{100}){100}){100}')",
    "deep pattern": "s.matches('" + "(" * 5000 + "a" + ")" * 5000 + "')",
}
ANSWERED = {
    "huge pattern": ("s.matches('" + "(a{1,30}){1,30}" * 30 + "')", True),
    "conjunctions": ("&&".join(["true"] * 16_000), True),
    "negations": ("!" * 99_990 + "true", True),
    "long list": ("[" + "1," * 10_000 + "1].size()", 10_001),
    "nested list": ("[" * 200 + "1" + "]" * 200 + " == null || true", None),
    "nested plus": ("(1 + " * 120 + "1" + ")" * 120, 121),
    "precision": ("'%.999999999f'.format([1.5]).size() < 2000", True),
    "catastrophic": ("s.matches('(a+)+$')", False),
    "ambiguous": ("s.matches('(a|aa)+$')", False),
    "optional run": ("s.matches('^" + "a?" * 30 + "a" * 30 + "$')", False),
    "many stars": ("s.matches('.*a.*a.*a.*a.*a.*c$')", False),
    "found": ("s.find('(a*)*b').size()", 10_001),
}
VALUES = {"d": WIDE, "l": list(range(2000)), "n": NESTED, "s": "a" * 10_000 + "b"}
# Generous, for slow machines; each takes well under a second.
SOON = 10.0


@pytest.mark.parametrize("source", REFUSED.values(), ids=REFUSED.keys())
def test_refused_soon(source: str) -> None:
    begun = time.monotonic()
    with pytest.raises(CelError):
        evaluate(source, VALUES)
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize(("source", "value"), ANSWERED.values(), ids=ANSWERED.keys())
def test_answered_soon(source: str, value: object) -> None:
    begun = time.monotonic()
    if value is None:
        with pytest.raises(CelError):
            evaluate(source, VALUES)
    else:
        assert evaluate(source, VALUES) == value
    assert time.monotonic() - begun < SOON


def test_stack_is_never_exhausted() -> None:
    def below(depth: int) -> None:
        if depth:
            below(depth - 1)
            return
        for source in ("dyn(" * 240 + "1" + ")" * 240, "l.map(x, " * 60 + "1" + ")" * 60):
            with suppress(CelError):
                evaluate(source, VALUES)

    for depth in (100, 400, 700):
        below(depth)
