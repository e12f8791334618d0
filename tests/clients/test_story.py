"""How a platform team offers an API and others use it, told with kubectl and the plugins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conversation import FOLDER, read
from tests.clients.world import World
from tests.harness.https import Access
from tests.harness.kubectl import Kubectl


@pytest.fixture
def world(granted: Access, kubectl: Kubectl) -> Iterator[World]:
    made = World(granted, kubectl)
    yield made
    made.end()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_story(path: Path, world: World) -> None:
    for step in read(path):
        world.play(step)
