"""Compiled modules of the executable: written out when they are imported, and only then."""

import importlib.util
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

PACKAGING = Path(__file__).resolve().parent.parent.parent / "packaging"
SPEC = importlib.util.spec_from_file_location("ondemand", PACKAGING / "ondemand.py")
assert SPEC is not None
assert SPEC.loader is not None
ondemand = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ondemand)

INDEX = {"plain": ["lib.so.1", "a/plain.so"], "packed": ["b/packed.so"]}
CONTENTS = {"lib.so.1": b"library", "a/plain.so": b"plain" * 100, "b/packed.so": b"packed" * 100}


class Archive:
    """What PyInstaller's archive of modules looks like."""

    def __init__(self, path: Path) -> None:
        self._filename = str(path)
        self._start_offset = 5
        self.toc: dict[str, tuple[int, int, int]] = {"module": (0, 0, 0)}
        data = b""
        for name, content in CONTENTS.items():
            packed = "packed" in name
            kept = zlib.compress(content) if packed else content
            self.toc[name + ".z" * packed] = (2, len(data), len(kept))
            data += kept
        path.write_bytes(b"begin" + data + b"end")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "program")


@pytest.fixture
def finder(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    found = ondemand.install(archive, INDEX, str(tmp_path / "out"))
    assert sys.meta_path[0] is found
    return found


def written(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    files = [path for path in out.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", INDEX)
def test_a_module_brings_what_it_needs(name: str, finder: Any, tmp_path: Path) -> None:
    assert written(tmp_path) == {}
    for _ in range(2):
        spec = finder.find_spec(name, None, None)
        assert spec.origin == str(tmp_path / "out" / INDEX[name][-1])
        assert written(tmp_path) == {path: CONTENTS[path] for path in INDEX[name]}


@pytest.mark.parametrize("name", ["module", "json", "lib.so.1"])
def test_other_modules_are_left_to_others(name: str, finder: Any, tmp_path: Path) -> None:
    assert finder.find_spec(name) is None
    assert written(tmp_path) == {}


def test_what_is_there_is_not_written_again(finder: Any, tmp_path: Path) -> None:
    there = tmp_path / "out" / "b" / "packed.so"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"in use")
    finder.find_spec("packed")
    assert there.read_bytes() == b"in use"


def test_a_program_that_is_replaced_goes_on(archive: Archive, finder: Any, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(b"another program")
    new.replace(tmp_path / "program")
    finder.find_spec("plain")
    assert written(tmp_path)["a/plain.so"] == CONTENTS["a/plain.so"]
    assert Path(archive._filename).read_bytes().startswith(b"begin")


def test_a_full_disk_is_an_error(
    finder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(OSError, match="No space"):
        finder.find_spec("plain")
    assert "lib.so.1" not in written(tmp_path)
