"""Formats, numbers and nulls of custom resources: what a kube-apiserver 1.36 said to each value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kcpfast.registry.typed import check_depth
from kcpfast.schema import formats
from kcpfast.schema.program import compile_schema

CASES = json.loads(Path(__file__).with_name("strfmt.json").read_text())


@pytest.mark.parametrize("name", CASES["strings"])
def test_strings_of_a_format(name: str) -> None:
    test = formats.STRINGS[name.replace("-", "")]
    cases = CASES["strings"][name]
    assert [text for text in cases["accepted"] if not test(text)] == []
    assert [text for text in cases["refused"] if test(text)] == []


@pytest.mark.parametrize(("schema", "sent", "code", "kept"), CASES["numbers"])
def test_numbers_and_nulls(schema: dict[str, Any], sent: str, code: int, kept: Any) -> None:
    program = compile_schema({"type": "object", "properties": {"v": schema}})
    obj = json.loads(f'{{"v": {sent}}}')
    check_depth(obj, numbers=True)
    program.prune(obj)
    causes = program.validate(obj)
    assert bool(causes) == (code != 201), causes
    if not causes:
        assert obj.get("v", "GONE") == kept
        assert not _has_whole_float(obj)
    elif "multiple" in kept.lower():
        assert causes[0].message in kept


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer() and abs(value) < 1e21
    children = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and any(map(_has_whole_float, children))
