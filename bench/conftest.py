"""What all benchmarks share: what is said of each in the table, and a server without sockets.

The first line of a benchmark's docstring says what it measures. A parameter `side` is "kernel" or
"twin" (the slow, obvious way); the table shows the first, and how many times faster it is than the
second in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bench.inside import Inside


@pytest.fixture(autouse=True)
def _described(request: pytest.FixtureRequest, benchmark: Any) -> None:
    name = request.function.__name__[5:].replace("_", " ")
    words = (request.function.__doc__ or name).splitlines()[0]
    benchmark.extra_info["what"] = words.rstrip(".")


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A whole server on a store of its own, with 1,000 ConfigMaps of 1 KB in a workspace."""
    with Inside(tmp_path_factory.mktemp("inside")) as server:
        yield server
