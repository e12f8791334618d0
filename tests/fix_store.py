"""Stores of every kind, opened and closed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kcpfast.store.contract import Store
from kcpfast.store.lmdb import LmdbStore
from kcpfast.store.memory import MemoryStore


@pytest.fixture(params=["lmdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = LmdbStore(tmp_path) if request.param == "lmdb" else MemoryStore()
    yield opened
    opened.close()
