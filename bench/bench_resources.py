"""Kinds in their other forms: protobuf, and the rows of tables."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bench.inside import config_map
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.protobuf.decode import decode
from kcpfast.resources.protobuf.encode import encode
from kcpfast.resources.rows import rows
from tests.models import tables

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


@pytest.mark.parametrize("side", [rows, tables.rows], ids=["kernel", "twin"])
def test_rows(benchmark: Any, side: Any) -> None:
    """A row of a Table, from text to text, each of 1,000."""
    benchmark.extra_info["times"] = 1000
    meta = OBJECT["metadata"] | {"creationTimestamp": "2024-01-01T00:00:00Z"}
    items = msgspec.json.encode([OBJECT | {"metadata": meta}] * 1000)
    columns = BY_PLACE["", "v1", "configmaps"].columns
    run = benchmark(lambda: msgspec.json.encode(side(columns, items, "meta.k8s.io/v1")))
    assert run.startswith(b'[{"cells":["web",1,"')
