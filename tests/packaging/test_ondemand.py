"""Compiled modules of the executable: written out when they are imported, and only then."""

import importlib.util
import marshal
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

NEEDS = {"plain": ["lib.so.1", "a/plain.so"], "packed": ["b/packed.so"]}
SOURCES = {"one": "A = 1", "one.two": "A = 2"}
CODES = {name: marshal.dumps(compile(text, name, "exec")) for name, text in SOURCES.items()}
LENGTH = len(CODES["one"])
MODULES = {
    "one": ("piece", 0, LENGTH, True),
    "one.two": ("piece", LENGTH, LENGTH + len(CODES["one.two"]), False),
}
CONTENTS = {
    "lib.so.1": b"library",
    "a/plain.so": b"plain" * 100,
    "b/packed.so": b"packed" * 100,
    "one/data.json": b"{}",
    "piece": CODES["one"] + CODES["one.two"],
}
SIZES = {name: len(content) for name, content in CONTENTS.items()}


class Archive:
    """What PyInstaller's archive of modules looks like."""

    def __init__(self, path: Path) -> None:
        self._filename = str(path)
        self._start_offset = 5
        self.toc: dict[str, tuple[int, int, int]] = {"module": (0, 0, 0)}
        index = {ondemand.INDEX: marshal.dumps((NEEDS, MODULES, SIZES))}
        data = b""
        for name, content in (CONTENTS | index).items():
            packed = name in ("b/packed.so", "piece")
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
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    code = ondemand.install(archive, str(tmp_path / "out"))
    assert sys.meta_path[0] is code
    return sys.meta_path[1]


def written(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    files = [path for path in out.rglob("*") if path.is_file()]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", NEEDS)
def test_a_module_brings_what_it_needs(name: str, finder: Any, tmp_path: Path) -> None:
    assert written(tmp_path) == {}
    for _ in range(2):
        spec = finder.find_spec(name, None, None)
        assert spec.origin == str(tmp_path / "out" / NEEDS[name][-1])
        assert written(tmp_path) == {path: CONTENTS[path] for path in NEEDS[name]}


def test_code_comes_in_a_piece_that_is_let_go(finder: Any) -> None:
    code = sys.meta_path[0]
    assert isinstance(code, ondemand.Code)
    one = importlib.import_module("one")
    assert list(code._pieces) == ["piece"]
    two = importlib.import_module("one.two")
    assert (one.A, two.A, list(code._pieces)) == (1, 2, [])
    assert one.__file__ is not None
    assert code.get_data(os.path.join(os.path.dirname(one.__file__), "data.json")) == b"{}"
    assert code.find_spec("json") is None
    for name in MODULES:
        del sys.modules[name]


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
