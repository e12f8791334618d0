"""What entering workspaces leaves in a kubeconfig: kcp's current and previous contexts."""

from pathlib import Path
from typing import Any

import pytest

from kcpfast.cli.client.kubeconfig import Kubeconfig
from kcpfast.cli.failure import Failure
from kcpfast.cli.ws.contexts import CURRENT, PREVIOUS, add, enter, go_back
from tests.fix_cli import KUBECONFIG

A, B, ROOT = (f"https://h/clusters/{path}" for path in ("root:a", "root:b", "root"))


@pytest.fixture
def config(tmp_path: Path) -> Kubeconfig:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG.format(url="https://h"))
    return Kubeconfig(str(path))


def state(config: Kubeconfig) -> dict[str, Any]:
    """Return the file in short: context -> (cluster, its server)."""
    document = config.files[0].document
    servers = {each["name"]: each["cluster"]["server"] for each in document["clusters"]}
    contexts = {
        each["name"]: (each["context"]["cluster"], servers[each["context"]["cluster"]])
        for each in document["contexts"]
    }
    assert {each["context"]["user"] for each in document["contexts"]} == {"admin"}
    return {"": config.current, **contexts}


def test_enter_keeps_where_one_was(config: Kubeconfig) -> None:
    enter(config, "main", A)
    main = {"main": ("main", ROOT)}
    assert state(config) == {"": CURRENT, **main, PREVIOUS: ("main", ROOT), CURRENT: (CURRENT, A)}
    enter(config, CURRENT, B)
    assert state(config) == {"": CURRENT, **main, PREVIOUS: (PREVIOUS, A), CURRENT: (CURRENT, B)}


def test_go_back_swaps(config: Kubeconfig) -> None:
    enter(config, "main", A)
    enter(config, CURRENT, B)
    assert go_back(config, CURRENT) == A
    main = {"main": ("main", ROOT)}
    assert state(config) == {"": CURRENT, **main, PREVIOUS: (PREVIOUS, B), CURRENT: (CURRENT, A)}
    assert go_back(config, CURRENT) == B


def test_go_back_to_a_context_of_the_users_own(config: Kubeconfig) -> None:
    enter(config, "main", A)
    assert go_back(config, CURRENT) == ROOT
    expected = {PREVIOUS: (PREVIOUS, A), CURRENT: ("main", ROOT)}
    assert state(config) == {"": CURRENT, "main": ("main", ROOT), **expected}


def test_add_copies_the_context(config: Kubeconfig) -> None:
    assert add(config, "main", "mine", A)
    assert not add(config, "main", "mine", B)
    assert state(config) == {"": "main", "main": ("main", ROOT), "mine": ("mine", B)}


def test_what_is_missing_is_named(config: Kubeconfig) -> None:
    with pytest.raises(Failure, match="no previous workspace found in kubeconfig"):
        go_back(config, "main")
    with pytest.raises(Failure, match='current "nope" context not found'):
        enter(config, "nope", A)
    config.files[0].document["clusters"] = []
    with pytest.raises(Failure, match='cluster "main" not found in kubeconfig'):
        enter(config, "main", A)
