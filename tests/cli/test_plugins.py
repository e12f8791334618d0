"""plugins install: what is linked, what is replaced, what is refused."""

import sys
from pathlib import Path

import pytest

from kcpfast.cli.commands import COMPLETERS, PROGRAMS
from tests.fix_cli import Cli


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable, run by its own name, of a user with a home and a PATH."""
    path = tmp_path / "opt" / "kcpfast"
    path.parent.mkdir()
    path.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"/usr/bin:{tmp_path / '.local' / 'bin'}")
    return path


def links(folder: Path) -> dict[str, Path]:
    return {path.name: path.readlink() for path in folder.iterdir() if path.is_symlink()}


def test_install_links_every_plugin(program: Path, tmp_path: Path, cli: Cli) -> None:
    code, out, err = cli("plugins", "install")
    folder = tmp_path / ".local" / "bin"
    assert (code, err) == (0, "")
    assert links(folder) == dict.fromkeys((*PROGRAMS, *COMPLETERS), program)
    assert out == f"{len(PROGRAMS)} plugins of kubectl in {folder} are links to {program}\n"


def test_install_tells_of_a_folder_that_is_not_searched(
    program: Path, tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / "a" / "b"
    assert f'export PATH="{folder}:$PATH"' in cli("plugins", "install", str(folder)).out
    assert links(folder) == dict.fromkeys((*PROGRAMS, *COMPLETERS), program)


@pytest.mark.parametrize("former", ["/gone/kcpfast", "opt/kcpfast"])
def test_install_replaces_its_own_links(
    former: str, program: Path, tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "kubectl-ws").symlink_to(former)
    assert cli("plugins", "install", str(tmp_path)).code == 0
    assert links(tmp_path) == dict.fromkeys((*PROGRAMS, *COMPLETERS), program)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_install_touches_nothing_foreign(
    kind: str, program: Path, tmp_path: Path, cli: Cli
) -> None:
    foreign = tmp_path / "kubectl-ws"
    if kind == "link":
        foreign.symlink_to("/usr/bin/kubectl-ws")
    else:
        foreign.touch() if kind == "file" else foreign.mkdir()
    before = links(tmp_path)
    code, _, err = cli("plugins", "install", str(tmp_path))
    assert (code, links(tmp_path)) == (1, before)
    assert err == f"Error: not made by kcpfast, remove first: kubectl-ws in {tmp_path}\n"


@pytest.mark.parametrize(
    ("words", "argv", "home", "text"),
    [
        ("a b", "kcpfast", "x", "accepts at most 1 arg(s), received 2"),
        ("", "kcpfast", "", "HOME is not set"),
        ("", "kcpfast/__main__.py", "x", "there is no executable to link to"),
        ("{program}/x", "kcpfast", "x", "cannot link in {program}/x: Not a directory"),
    ],
)
def test_install_says_why_not(
    words: str,
    argv: str,
    home: str,
    text: str,
    program: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [str(program.parent / argv)])
    monkeypatch.setenv("HOME", home)
    code, _, err = cli("plugins", "install", *words.format(program=program).split())
    assert code == 1
    assert err.startswith(f"Error: {text.format(program=program)}\n")
