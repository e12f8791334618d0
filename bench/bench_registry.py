"""Objects and their stored form: written, and read without being decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.inside import config_map
from kcpfast._core.generations import Generations
from kcpfast.registry import values
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.store.contract import Index
from kcpfast.store.keys import object_key, place

KIND = BY_PLACE["", "v1", "configmaps"]
OBJECT = json.loads(config_map("web"))
VALUE = values.encode(KIND, OBJECT)
KEY = object_key(KIND.storage, "1je5usrqkko9gikw", "default", "web")


def rendered(revision: int) -> bytes:
    return values.render(KIND, revision, VALUE)


def rendered_by_decoding(revision: int) -> bytes:
    obj = json.loads(b'{"metadata":{' + VALUE.partition(b'",')[2])
    obj["metadata"] = {"resourceVersion": str(revision)} | obj["metadata"]
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap"} | obj, separators=(",", ":")
    ).encode()


@pytest.mark.parametrize("side", [rendered, rendered_by_decoding], ids=["kernel", "twin"])
def test_render(benchmark: Any, side: Any) -> None:
    """A stored object as a client gets it."""
    assert benchmark(side, 12) == rendered(12)


def test_encode(benchmark: Any) -> None:
    """An object of 1 KB as it is stored."""
    assert benchmark(values.encode, KIND, OBJECT) == VALUE


def test_decode(benchmark: Any) -> None:
    """A stored object of 1 KB decoded."""
    assert benchmark(values.decode, KIND, 12, VALUE)["data"] == OBJECT["data"]


def test_labels(benchmark: Any) -> None:
    """The labels of a stored object of 1 KB."""
    assert benchmark(values.labels, VALUE) == OBJECT["metadata"]["labels"]


def test_key(benchmark: Any) -> None:
    """A key made and split."""
    benchmark(lambda: place(object_key(KIND.storage, "1je5usrqkko9gikw", "default", "web")))


WRITTEN = [
    Index(f"count\0{cluster}\0default\0/configmaps{at}".encode(), b"")
    for at, cluster in enumerate(["1je5usrqkko9gikw"] * 10)
]


def changed_by_prefix(names: dict[bytes, int], now: int) -> None:
    """Do what the kernel does: a written key touches itself and the ranges it lies in."""
    for key, _ in WRITTEN:
        parts = key.split(b"\0")
        ranges = (b"\0".join(parts[:upto]) + b"\0" for upto in range(1, len(parts)))
        for name in (key, *ranges):
            if name in names:
                names[name] = now


@pytest.mark.parametrize("kind", ["kernel", "twin"])
def test_changed(benchmark: Any, kind: str) -> None:
    """A commit of ten keys noted, of which nobody depends on any."""
    if kind == "kernel":
        benchmark(Generations(7, 1 << 18).change, WRITTEN, {Index: 1})
    else:
        benchmark(changed_by_prefix, {}, 1)


@pytest.mark.parametrize("writes", [0, 1], ids=["nothing written", "written elsewhere"])
def test_holds(benchmark: Any, writes: int) -> None:
    """An answer of 30 keys found to hold."""
    generations = Generations(7, 1 << 18)
    basis = generations.basis(range(1, 31), (), generations.now)

    def ask() -> bool:
        if writes:
            generations.change((), {})
        return basis.holds()

    assert benchmark(ask)
