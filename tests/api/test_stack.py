"""How deep a request goes: few frames of our own between its arrival and its commit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import kcpfast
from kcpfast.store.contract import Write
from kcpfast.store.memory import MemoryStore
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

OURS = str(Path(kcpfast.__file__).parent)
DEEPEST = 6


async def test_create_reaches_the_store_in_six_frames(inside: Inside, backing: MemoryStore) -> None:
    stacks: list[list[str]] = []
    commit = backing.commit

    async def recorded(writes: Sequence[Write]) -> int:
        frame = sys._getframe(1)
        names = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(OURS):
                names.append(frame.f_code.co_name)
            frame = frame.f_back  # type: ignore[assignment]
        stacks.append(names)
        return await commit(writes)

    backing.commit = recorded  # type: ignore[method-assign]
    await inside.create(CONFIG_MAPS, config_map("a"))
    stack = ["commit", *stacks[0]]
    assert (stack[0], stack[-1]) == ("commit", "serve")
    assert len(stack) <= DEEPEST, stack
