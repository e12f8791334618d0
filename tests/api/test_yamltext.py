"""Answers in YAML: every reader of YAML takes them for what their JSON says."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from kcpfast.api.yamltext import write_yaml
from kcpfast.meta.yamltext.reader import read


@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_written_can_be_read(size: int) -> None:
    obj = {"a": ["1", 1, True, None, "yes", "y", "0o17", "2024-01-01"] * size, "é": "😀\n\x7f\x00"}
    written = write_yaml(msgspec.json.encode(obj))
    assert read(written) == obj
    if size == 1:
        assert yaml.safe_load(written) == obj
        assert written.startswith(b"a:\n- '1'\n")
