"""RE2's syntax; both ways of running a pattern agree with each other and with `re`."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kcpfast.schema.cel import CelError, regex
from kcpfast.schema.cel.regex import find_all, matches
from kcpfast.schema.pattern import Pattern

ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\b", "^", "$", "(a|b)", "(?:ab|a)", "(a*)"]
REPEATS = ["", "", "*", "+", "?", "{2}", "{1,3}", "*?", "+?", "??"]
PATTERNS = st.lists(
    st.tuples(st.sampled_from(ATOMS), st.sampled_from(REPEATS)).map("".join), min_size=1, max_size=4
).map("".join)
TEXTS = st.text("ab1 \né", max_size=10)


@given(PATTERNS, TEXTS)
def test_both_engines_agree(source: str, text: str) -> None:
    chosen, linear = Pattern(source), Pattern(source)
    linear._bounded = None
    assert chosen.search(text) == linear.search(text)


@given(PATTERNS.filter(lambda source: "$" not in source), TEXTS)
def test_agrees_with_re_where_they_mean_the_same(source: str, text: str) -> None:
    try:
        other = re.compile(source, re.ASCII)
    except re.error:
        assume(False)
    assert matches(text, source) == (other.search(text) is not None)


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("[0-9]*", "a1b22", ["", "1", "22"]),
        ("(?i)ab", "aBAb", ["aB", "Ab"]),
        ("(?s)a.", "a\n", ["a\n"]),
        ("(?m)^a$", "b\na\nc", ["a"]),
        ("a$", "a\n", []),
        (r"\pL+", "aéЖ1", ["aéЖ"]),
        (r"[[:alpha:]]+\x21", "ab!", ["ab!"]),
        (r"\Qa.b\E+", "a.bb", ["a.bb"]),
        ("(?U)a+", "aaa", ["a", "a", "a"]),
        (r"\s", "\v", []),
    ],
)
def test_find_all(source: str, text: str, found: list[str]) -> None:
    assert find_all(text, source) == found


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a(", "missing closing ): `a(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{100}){11}", "invalid repeat count: `{11}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        (r"\p{Geek}", r"invalid character class range: `\p{Geek}`"),
    ],
)
def test_wrong_pattern(source: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        matches("", source)
    assert caught.value.message == f"error parsing regexp: {message}"


def test_looking_for_matches_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each match of this pattern looks through all that follows it."""
    text, pattern = "x" * 2000, regex.compiled("x.*y|x")
    assert len(regex.find_all(text, pattern)) == len(text)
    monkeypatch.setattr(regex, "_MOST_SECONDS", -1.0)
    with pytest.raises(CelError) as raised:
        regex.find_all(text, pattern)
    assert raised.value.cancelled
