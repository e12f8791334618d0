"""Kernels that take long let others have the interpreter, and only when they are asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kcpfast._core import decoded, fields, jsonscan, numbers, schema
from kcpfast.patch.merge_type import DEDUCED

MANY = 100_000
KEYS = [f"k{n}" for n in range(MANY)]
OBJECT: Mapping[str, Any] = dict.fromkeys(KEYS, "v")
CORE = Path(schema.__file__).parent


def text(item: bytes) -> bytes:
    return b"[" + b",".join([item] * MANY) + b"]"


LONG: dict[str, tuple[Any, Callable[[], object]]] = {
    "empty objects, repeated fields?": (jsonscan, lambda: jsonscan.duplicates(text(b"{}"))),
    "empty lists, repeated fields?": (jsonscan, lambda: jsonscan.duplicates(text(b"[]"))),
    "numbers, repeated fields?": (jsonscan, lambda: jsonscan.duplicates(text(b"1"))),
    "keys, repeated fields?": (jsonscan, lambda: jsonscan.duplicates(text(b'{"a":1}'))),
    "lists, too deep?": (numbers, lambda: numbers.deeper([[] for _ in KEYS], 9)),
    "members, the same?": (decoded, lambda: decoded.same(dict(OBJECT), dict(OBJECT))),
    "items, the same?": (decoded, lambda: decoded.same(list(KEYS), list(KEYS))),
    "members, whose?": (fields, lambda: fields.all_fields(OBJECT, DEDUCED, None)),
    "names, in order": (fields, lambda: fields.in_order(KEYS[::-1])),
}


@pytest.mark.parametrize("what", LONG)
def test_who_waits_gets_a_turn(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, call = LONG[what]
    turns = list[int]()
    monkeypatch.setattr(kernel, "turn", lambda: turns.append(1))
    call()
    assert len(turns) >= MANY // 20_000


def test_no_kernel_lets_go_without_being_asked() -> None:
    """See `_core/_turn.py`: whoever waits would wait for ever."""
    for path in [*CORE.glob("*.py"), *CORE.glob("*.pyx")]:
        lines = [line.strip() for line in path.read_text().splitlines()]
        for line, after in pairwise(lines):
            assert not (line.endswith("nogil:") and after == "pass"), path.name
