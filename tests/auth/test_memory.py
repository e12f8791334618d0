"""What is remembered of decisions: dropped when doubtful, and bounded."""

from __future__ import annotations

import pytest

from kcpfast.auth import rbac
from kcpfast.auth.rbac import Memory
from kcpfast.registry import index
from kcpfast.store.contract import Batch


def answers(memory: Memory, *clusters: str) -> list[int]:
    return [len(memory.of(each)) for each in clusters]


def test_commit_makes_answers_of_its_cluster_doubtful() -> None:
    memory = Memory()
    for cluster in ("a", "b", "c"):
        memory.of(cluster)["question"] = True
    memory.on_commit(Batch((), [index.auth("a"), index.mark("gc", "b", "x")]))
    assert answers(memory, "a", "b", "c") == [0, 1, 1]
    memory.on_commit(Batch((), [index.auth("system:admin")]))
    assert answers(memory, "a", "b", "c") == [0, 0, 0]


@pytest.mark.parametrize("clusters", [1, 10, 1000])
def test_memory_is_bounded_whatever_is_asked(
    monkeypatch: pytest.MonkeyPatch, clusters: int
) -> None:
    monkeypatch.setattr(rbac, "_MAX_ANSWERS", 100)
    monkeypatch.setattr(rbac, "_MAX_CLUSTERS", 50)
    memory = Memory()
    for number in range(5000):
        memory.of(f"c{number % clusters}")[number] = True
        assert len(memory) <= 100
    kept = [memory.of(f"c{each}") for each in range(4999 - 40, 5000)] if clusters == 1000 else []
    assert all(len(each) <= 5 for each in kept)
    assert len(memory._clusters) <= 50


def test_what_was_asked_lately_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rbac, "_MAX_CLUSTERS", 2)
    memory = Memory()
    for cluster in ("a", "b", "a", "c"):
        memory.of(cluster)[cluster] = True
    assert answers(memory, "a", "c") == [1, 1]
