"""A running server, one for each worker of the test run, and what talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.https import Access, Client, access
from tests.harness.kubectl import Kubectl
from tests.harness.process import ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server; when the tests are over it must go in time and have nothing to confess."""
    process = ServerProcess(tmp_path_factory.mktemp("server") / "root")
    yield process
    process.stop()


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
