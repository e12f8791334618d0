"""A running server, one for each worker of the test run, and what talks to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.https import Access, Client, access
from tests.harness.kubectl import Kubectl
from tests.harness.process import ServerProcess
from tests.models.consistency import problems_of


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server; when the tests are over it must go in time and have nothing to confess."""
    process = ServerProcess(tmp_path_factory.mktemp("server") / "root")
    yield process
    process.stop()
    assert problems_of(process.root) == []


Start = Callable[..., ServerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers of a test's own: start(root, *flags). What is left of them is killed."""
    with ExitStack() as running:

        def begin(root: Path, *flags: str) -> ServerProcess:
            process = ServerProcess(root, *flags)
            running.callback(process.kill)
            return process

        yield begin


@pytest.fixture(scope="session")
def granted(server: ServerProcess) -> Access:
    return access(server.kubeconfig)


@pytest.fixture
def client(granted: Access) -> Iterator[Client]:
    """A connection to the server."""
    with Client(granted) as opened:
        yield opened


@pytest.fixture
def kubectl(server: ServerProcess, tmp_path: Path) -> Kubectl:
    """A kubectl that stands in root."""
    return Kubectl(server.kubeconfig, tmp_path)
