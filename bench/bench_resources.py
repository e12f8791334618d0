"""Kinds in their other forms: protobuf, and the rows of tables."""

from __future__ import annotations

import json
from typing import Any

from bench.inside import config_map
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.protobuf.decode import decode
from kcpfast.resources.protobuf.encode import encode

OBJECT = json.loads(config_map("web"))
LIST = {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {}, "items": [OBJECT] * 100}


def test_protobuf_encoded(benchmark: Any) -> None:
    """A ConfigMap of 1 KB turned into protobuf."""
    assert benchmark(encode, OBJECT)


def test_protobuf_list_encoded(benchmark: Any) -> None:
    """A list of 100 of them, each."""
    benchmark.extra_info["times"] = 100
    assert benchmark(encode, LIST)


def test_protobuf_decoded(benchmark: Any) -> None:
    """A ConfigMap of 1 KB read from protobuf."""
    assert benchmark(decode, encode(OBJECT))["data"] == OBJECT["data"]


def test_cells(benchmark: Any) -> None:
    """The cells of one row."""
    columns = BY_PLACE["", "v1", "configmaps"].columns
    obj = OBJECT | {"metadata": OBJECT["metadata"] | {"creationTimestamp": "2024-01-01T00:00:00Z"}}
    assert benchmark(lambda: [column.cell(obj) for column in columns])[0] == "web"
