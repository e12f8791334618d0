"""Names match the patterns of their messages, and megabytes of text are soon looked at."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest

from kcpfast.meta import names

_PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
RULES = {
    "dns_label": _PART,
    "dns_1035_label": "[a-z]([-a-z0-9]*[a-z0-9])?",
    "dns_subdomain": rf"{_PART}(\.{_PART})*",
    "label_value": "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    "qualified_name": "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
}
TEXTS = [
    "".join(signs) for length in range(6) for signs in product("a1-._A", repeat=length)
] + ["a\n", "\na", "a b", "é", "٣"]  # fmt: skip
LONG = 2_800_000
NASTY = ["a." * (LONG // 2), "a-" * (LONG // 2), "a.a" * (LONG // 3), "a" * LONG + "!"]


@pytest.mark.parametrize(("rule", "pattern"), RULES.items(), ids=RULES)
def test_a_name_is_what_its_pattern_says(rule: str, pattern: str) -> None:
    matches, check = re.compile(pattern).fullmatch, getattr(names, rule)
    assert [text for text in TEXTS if (not check(text)) is not bool(matches(text))] == []


@pytest.mark.parametrize("text", NASTY, ids=[text[:3] for text in NASTY])
@pytest.mark.parametrize("rule", RULES)
def test_a_long_one_is_refused_soon(rule: str, text: str) -> None:
    """The work is less than what `bench.stall` allows a request, twice over; it was up to 1 s."""

    def worked() -> float:
        begun = time.thread_time()
        assert getattr(names, rule)(text)
        return time.thread_time() - begun

    assert min(worked() for _ in range(3)) < 0.1
