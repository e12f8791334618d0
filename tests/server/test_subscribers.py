"""Who is told of commits is arranged in one place."""

from pathlib import Path

import kcpfast

ROOM = Path(kcpfast.__file__).parent


def test_subscribers_are_registered_by_wire_alone() -> None:
    """But for the Reader, which must hear of a commit before all others, and subscribes itself."""
    calling = {
        path.relative_to(ROOM).as_posix()
        for path in ROOM.rglob("*.py")
        if ".subscribe(" in path.read_text()
    }
    assert calling == {"registry/reader.py", "server/wire.py"}
