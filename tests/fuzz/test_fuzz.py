"""The fuzzer's short form: its corpus, and a few seeds. `make fuzz` goes on for hours."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fuzz.__main__ import CORPUS, LENGTH
from tests.fuzz.choices import Choices
from tests.fuzz.grammar import request
from tests.fuzz.samples import SAMPLES
from tests.fuzz.world import World, leave, world

SEEDS = (1, 2, 3, 4, 5)
EACH = 250


@pytest.fixture
async def fuzzed(account_key: Path) -> AsyncIterator[World]:
    made = await world(account_key)
    yield made
    await leave(made)


async def test_no_request_is_a_fault(account_key: Path) -> None:
    """And half of them are valid: a world is spoiled by what was made in it, so there are some."""
    valid = asked = 0
    for seed in SEEDS:
        made, generator = await world(account_key), random.Random(seed)
        try:
            for _ in range(EACH):
                finding = await made.ask(generator.randbytes(LENGTH))
                assert finding is None, finding
        finally:
            await leave(made)
        valid, asked = valid + made.counts["valid"], asked + made.counts["all"]
    assert valid >= 0.5 * asked


async def test_the_corpus_brings_nothing_new(fuzzed: World) -> None:
    paths = sorted(CORPUS.iterdir())
    assert paths
    for path in paths:
        finding = await fuzzed.ask(path.read_bytes())
        assert finding is None, (path.name, finding)


async def test_every_kind_and_verb_is_asked_for(fuzzed: World) -> None:
    generator = random.Random(0)
    asked = [request(Choices(generator.randbytes(LENGTH)), fuzzed.places) for _ in range(4000)]
    assert {each.method for each in asked} == {"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"}
    for sample in SAMPLES:
        assert any(sample.base in each.path and sample.plural in each.path for each in asked)
    assert 0.25 < sum(each.spoiled for each in asked) / len(asked) < 0.45


async def test_a_fault_is_found(fuzzed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps the other tests quiet is not that nobody looks."""

    def broken(*_: object, **__: object) -> None:
        raise KeyError("metadata")

    monkeypatch.setattr("kcpfast.api.verbs.create.read_object", broken)
    generator = random.Random(1)
    findings = [await fuzzed.ask(generator.randbytes(LENGTH)) for _ in range(40)]
    assert any("KeyError: 'metadata'" in each.why for each in findings if each is not None)
