"""Numbers in texts are those that Go reads; JSON in texts is of the type that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.meta.texts import embedded, embedded_object, signed, unsigned

NUMBERS: list[tuple[Callable[[str], int], str, int | str]] = [
    (signed, "0", 0),
    (signed, "+7", 7),
    (signed, "-7", -7),
    (signed, "007", 7),
    (signed, "9223372036854775807", (1 << 63) - 1),
    (signed, "-9223372036854775808", -(1 << 63)),
    (signed, "9223372036854775808", "value out of range"),
    (signed, "9" * 5000, "value out of range"),
    (signed, "", "invalid syntax"),
    (signed, "-", "invalid syntax"),
    (signed, "1_0", "invalid syntax"),
    (signed, " 1", "invalid syntax"),
    (signed, "1\n", "invalid syntax"),
    (signed, "٣", "invalid syntax"),
    (signed, "１", "invalid syntax"),
    (signed, "²", "invalid syntax"),
    (signed, "1.0", "invalid syntax"),
    (unsigned, "18446744073709551615", (1 << 64) - 1),
    (unsigned, "18446744073709551616", "value out of range"),
    (unsigned, "-1", "invalid syntax"),
    (unsigned, "+1", "invalid syntax"),
    (unsigned, "٣٤", "invalid syntax"),
]


@pytest.mark.parametrize(("read", "text", "wanted"), NUMBERS)
def test_numbers(read: Callable[[str], int], text: str, wanted: int | str) -> None:
    if isinstance(wanted, int):
        assert read(text) == wanted
        return
    with pytest.raises(ValueError, match=wanted) as refused:
        read(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ('{"a":1}', dict[str, Any], {"a": 1}),
        ("[]", dict[str, Any], None),
        ('{"a":1}', dict[str, str], None),
        ("", dict[str, Any], None),
        ("\ud800", dict[str, Any], None),
        ('{"a":"\\ud800"}', dict[str, Any], None),
        ('{"a":' * 100_000, dict[str, Any], None),
        ("[" * 100_000, list[Any], None),
    ],
)
def test_embedded_json(text: str, kind: Any, wanted: Any) -> None:
    assert embedded(text, kind) == wanted
    assert isinstance(embedded_object(text), dict)
