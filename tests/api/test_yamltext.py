"""YAML as clients write it, and as nobody should."""

from __future__ import annotations

import math
import time
from typing import Any

import msgspec
import pytest
import yaml

from kcpfast.api.yamltext import YamlError, read_yaml, write_yaml

SCALARS = [
    ("a", "a"), ("'1'", "1"), ('"true"', "true"), ("", None), ("~", None), ("null", None),
    ("true", True), ("Yes", True), ("on", True), ("off", False), ("no", False), ("y", "y"),
    ("1", 1), ("-1", -1), ("+1", 1), ("0", 0), ("017", 15), ("0x1F", 31), ("0o17", 15),
    ("1_000", 1000), ("08", 8.0), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0),
    ("1.5e-3", 0.0015), (".inf", math.inf), ("-.inf", -math.inf),
    ("1:30", "1:30"), ("2024-01-01", "2024-01-01"),
    ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ("1.2.3", "1.2.3"), ("v1", "v1"), ("!!str 1", "1"), ("!!binary aGk=", "aGk="),
    ("|\n  a\n  b\n", "a\nb\n"), (">-\n  a\n  b\n", "a b"), ("0x", "0x"), ("-", [None]),
    ("18446744073709551616", 18446744073709551616),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_read_as_by_kubernetes(text: str, value: object) -> None:
    assert read_yaml(f"k: {text}".encode() if text != "-" else b"k:\n-")["k"] == value


DOCUMENTS: list[tuple[str, Any]] = [
    ("", None),
    ("# nothing\n", None),
    ("[a, {b: c}]", ["a", {"b": "c"}]),
    ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
    ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    ("a: 1\na: 2\n", {"a": 2}),
    ("---\na: 1\n---\nb: 2\n", {"a": 1}),
    ('{"a": "\\u00e9", "b": [1, 2.5, null]}', {"a": "é", "b": [1, 2.5, None]}),
]


@pytest.mark.parametrize(("text", "value"), DOCUMENTS)
def test_documents_are_read(text: str, value: object) -> None:
    assert read_yaml(text.encode()) == value


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


HOSTILE = [
    bomb(9),
    b"a: &a [*a]",
    b"a: *nobody",
    b"{<<: 1}",
    b"? [a]\n: b",
    b"[" * 100_000,
    b"- " * 100_000,
    b"? " * 100_000,
    b"a: {" * 10_000,
    b"a: 'unclosed",
    b"\xff\xfe\x00",
    b"a: \x00",
    b"%TAG ! x\n",
    b"a: b: c",
    b"\tx",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_at_once(text: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(YamlError):
        read_yaml(text)
    assert time.process_time() - begun < 2


def test_large_text_is_read_in_time() -> None:
    text = b"\n".join(b"k%d: {a: b, c: 'x%d'}" % (each, each) for each in range(50_000))
    begun = time.process_time()
    assert len(read_yaml(text)) == 50_000
    assert time.process_time() - begun < 4


@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_written_can_be_read(size: int) -> None:
    obj = {"a": ["1", 1, True, None, "yes", "2024-01-01"] * size, "é": "😀\n\x7f\x00"}
    written = write_yaml(msgspec.json.encode(obj))
    assert read_yaml(written) == obj
    if size == 1:
        assert yaml.safe_load(written) == obj
        assert written.startswith(b"a:\n- '1'\n")
