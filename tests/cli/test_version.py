"""kcpfast version: what it says, and where it knows that from."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import kcpfast
from kcpfast.cli import version
from tests.fix_cli import Cli

PROJECT = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())
NOTE = {"commit": "abc-dirty", "libraries": {"lmdb": "9"}}


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The note of an executable."""
    path = tmp_path / "a" / "kcpfast" / "assets" / "built.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(NOTE))
    monkeypatch.setattr(version, "BUILT", path)
    return path


def test_libraries_are_those_of_the_project() -> None:
    names = {re.match(r"[\w-]+", each)[0] for each in PROJECT["project"]["dependencies"]}  # type: ignore[index]
    assert set(version.LIBRARIES) == names
    assert PROJECT["project"]["version"] == kcpfast.__version__
    assert version.UNKNOWN_VERSION not in version.installed().values()


def test_text(noted: Path, cli: Cli) -> None:
    first, commit, python, libraries = cli("version").out.splitlines()
    assert first == cli("--version").out.strip() == f"kcpfast {kcpfast.__version__}"
    assert (commit, libraries) == ("commit: abc and changes", "libraries: lmdb 9")
    assert re.fullmatch(r"Python: 3\.[\d.]+, linux/\w+", python)


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_forms(form: str, read: object, noted: Path, cli: Cli) -> None:
    assert callable(read)
    facts = read(cli("version", "-o", form, "--client").out)["clientVersion"]
    assert facts["gitVersion"] == f"v{kcpfast.__version__}"
    assert (facts["gitCommit"], facts["gitTreeState"]) == ("abc", "dirty")
    assert facts["libraries"] == NOTE["libraries"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-o table", "--output must be 'yaml' or 'json'"),
        ("x", "extra arguments: [x]"),
    ],
)
def test_what_is_refused(words: str, text: str, cli: Cli) -> None:
    assert cli("version", *words.split())[::2] == (1, f"Error: {text}\n")


def test_a_checkout_asks_git(noted: Path) -> None:
    noted.unlink()
    assert version.built().commit == "unknown"
    root = noted.parents[2]
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in ("init -q", "add .", "commit -q --allow-empty -m x"):
        subprocess.run([*git, *words.split()], check=True)
    clean = version.built()
    assert re.fullmatch("[0-9a-f]{40}", clean.commit)
    assert not clean.dirty
    (root / "new").touch()
    subprocess.run([*git, "add", "."], check=True)
    assert version.built()[:2] == (clean.commit, True)
