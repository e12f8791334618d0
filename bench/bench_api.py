"""Whole requests without sockets: from `serve` to the disk and back, durable where they write."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from bench.inside import CONFIG_MAPS, MADE, Inside, config_map, repeated

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
ONE = f"{CONFIG_MAPS}/o-0500"
_AT_ONCE = 64
_made = count()


def test_get(benchmark: Any, inside: Inside) -> None:
    """GET of 1 KB, from bytes to bytes: parsed, served, answered."""
    benchmark.extra_info["times"] = _AT_ONCE
    head = "Host: a\r\nAuthorization: Bearer admin\r\nAccept: application/json\r\n"
    text = f"GET {ONE} HTTP/1.1\r\n{head}\r\n".encode()
    run = repeated(inside.running.server.serve, text, _AT_ONCE, inside.loop)
    assert benchmark(run) > _AT_ONCE * 1000


@pytest.mark.parametrize("at_once", [1, 16, 128])
def test_create(benchmark: Any, inside: Inside, at_once: int) -> None:
    """Durable create of 1 KB."""
    benchmark.extra_info["times"] = at_once

    def bodies() -> Any:
        names = [f"n-{next(_made)}" for _ in range(at_once)]
        return ([("POST", MADE, config_map(name)) for name in names],), {}

    benchmark.pedantic(inside.ask_all, setup=bodies, rounds=30, warmup_rounds=2)


@pytest.mark.parametrize("at_once", [1, 16])
def test_update(benchmark: Any, inside: Inside, at_once: int) -> None:
    """Durable update of 1 KB."""
    benchmark.extra_info["times"] = at_once

    def bodies() -> Any:
        turn = b"%d" % (next(_made) % 10)
        names = [f"o-{at:04}" for at in range(at_once)]
        made = [(name, config_map(name).replace(b'"xx', b'"x' + turn)) for name in names]
        return ([("PUT", f"{CONFIG_MAPS}/{name}", body) for name, body in made],), {}

    benchmark.pedantic(inside.ask_all, setup=bodies, rounds=30, warmup_rounds=2)


@pytest.mark.parametrize(
    ("query", "accept"),
    [("", ""), ("", TABLE), ("", METADATA), ("?labelSelector=tier=7", ""), ("?limit=500", "")],
    ids=["whole", "table", "metadata", "labels", "page"],
)
def test_list(benchmark: Any, inside: Inside, query: str, accept: str) -> None:
    """List of 1,000 objects of 1 KB."""
    assert benchmark(inside.ask, "GET", CONFIG_MAPS + query, b"", accept).body


def test_discovery(benchmark: Any, inside: Inside) -> None:
    """Discovery of one group-version."""
    assert benchmark(inside.ask, "GET", "/clusters/root:bench/api/v1").body
