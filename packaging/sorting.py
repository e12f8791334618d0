"""Tells what a start needs from what it does not, and stores each accordingly.

What a start loads lies in the executable as it is; all else is compressed there. Which is which is
found out by running the program while it is built.

Gain: 60 to 90 ms of processor time for a start, nothing for other commands. Measured as in
`ondemand.py`, against an executable in which everything is compressed: a restart 228 to 257 ms
there, 162 to 170 ms here; `ws .` 44 and 52 ms. The price is size: 26.1 MB instead of 20.9 MB.

Relies on these internals of PyInstaller, whose version pyproject.toml pins (`build.py` refuses any
other): `archive.writers.ZlibArchiveWriter` with `_write_entry(fp, entry, code_dict)`, which returns
a name and its kind, offset and length; `replace_filename_in_code_object`; `building.api`, which
looks the writer up under its name when the spec builds a PYZ.
"""

from __future__ import annotations

import json
import marshal
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import ondemand
from PyInstaller.archive import writers

Row = tuple[str, str, str]  # PyInstaller's: name inside, path outside, kind
# Runs a command; prints what it has loaded, and from where, when it says the last it has to say.
_PROBE = """
import json, sys
sys.argv = ["kcpfast", *sys.argv[1:]]
from kcpfast.__main__ import main

class Out:
    def write(self, text):
        sys.__stdout__.write(text)
        if "api-resources" in text or "workspace is" in text:
            found = {name: getattr(each, "__file__", None) for name, each in sys.modules.items()}
            print(json.dumps(found), file=sys.stderr, flush=True)
    def flush(self):
        sys.__stdout__.flush()

sys.stdout = Out()
sys.exit(main())
"""
# What `ondemand` itself imports is found as PyInstaller finds it.
_EARLY = re.compile(r"__future__|importlib(\._?\w+)?|ondemand")
# Compiled modules that PyInstaller's own beginnings import.
_BOOT = ("_struct", "zlib")
# Needed by every start, but to unpack it takes 5 ms and saves a megabyte.
_LARGE = {"uvloop.loop"}
# Encodings that texts and names may be in; Python asks for the others never.
_ENCODINGS = re.compile(
    r"encodings/(__init__|aliases|ascii|cp437|hex_codec|idna|latin_1|punycode|raw_unicode_escape"
    r"|unicode_escape|utf_\w+)\.pyc"
)


class Writer(writers.ZlibArchiveWriter):
    """Writes an archive of modules with files in it, and code in common pieces (see `ondemand`)."""

    pieces: Sequence[tuple[str, Container[str]]] = ()
    files: Sequence[Row] = ()
    needs: Mapping[str, Sequence[str]] = {}

    def __init__(self, filename, entries, code_dict=None):
        """Write it, as PyInstaller asks for; what is in no piece is compressed by itself."""
        self.modules = {}
        rest, data = list(entries), {name: b"" for name, _ in self.pieces}
        for name, members in self.pieces:
            for entry in [
                each for each in rest if each[0] in members and not _EARLY.fullmatch(each[0])
            ]:
                rest.remove(entry)
                data[name] += self._code(entry, code_dict, name, len(data[name]))
        folder = Path(filename).parent
        files = [_file(folder, name + ondemand.PACKED, each) for name, each in data.items()]
        files += self.files
        sizes = {
            name.removesuffix(ondemand.PACKED): os.path.getsize(path) for name, path, _ in files
        }
        index = marshal.dumps((dict(self.needs), self.modules, sizes))
        files.append(_file(folder, ondemand.INDEX, index))
        super().__init__(filename, [*rest, *files], code_dict)

    def _code(self, entry, code_dict, piece, begin):
        name, path, _ = entry
        package = Path(path).stem == "__init__"
        inside = name.replace(".", "/") + ("/__init__.py" if package else ".py")
        data = marshal.dumps(writers.replace_filename_in_code_object(code_dict[name], inside))
        self.modules[name] = (piece, begin, begin + len(data), package)
        return data

    @classmethod
    def _write_entry(cls, fp, entry, code_dict):
        name, path, kind = entry
        if kind != "FILE":
            return super()._write_entry(fp, entry, code_dict)
        data = Path(path).read_bytes()
        if name.endswith(ondemand.PACKED):
            data = zlib.compress(data, 9)
        place = (ondemand.FILE, fp.tell(), len(data))
        fp.write(data)
        return (name, place)


def _file(folder: Path, name: str, data: bytes) -> Row:
    path = folder / name
    path.write_bytes(data)
    return (name, str(path), "FILE")


def loaded() -> tuple[dict[str, str], dict[str, str]]:
    """Return the modules that `ws .` and `start` load, with their files ("" = built in)."""
    with tempfile.TemporaryDirectory() as name:
        _started(name)  # makes certificates, which later starts find
        start = _started(name)
        environment = os.environ | {"KUBECONFIG": str(Path(name) / "admin.kubeconfig")}
        done = subprocess.run(_command("ws", "."), env=environment, **_PIPES, check=True)
    return _said(done.stderr), start


_PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-c", _PROBE, *words]


def _started(root: str) -> dict[str, str]:
    command = _command("start", "--root-directory", root, "--secure-port", "0")
    with subprocess.Popen(command, **_PIPES) as server:
        for line in server.stdout:
            if "api-resources" in line:  # the last thing it says
                break
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=20)
    return _said(said)


def _said(text: str) -> dict[str, str]:
    found = json.loads(text.splitlines()[-1])
    return {module: path or "" for module, path in found.items()}


def sort_binaries(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the binaries that must be there before any program runs, and the others.

    Libraries that none of them needs are left out.
    """
    first = [row for row in rows if module_name(row[0]) in _BOOT or row[0].startswith("libpython")]
    later = [row for row in rows if row[2] == "EXTENSION" and row not in first]
    wanted, also = (needs(row[1] for row in each) for each in (first, later))
    libraries = [row for row in rows if row[2] == "BINARY" and row not in first]
    first += [row for row in libraries if row[0] in wanted]
    return first, later + [row for row in libraries if row[0] in also - wanted]


def needs(paths: Iterable[str]) -> set[str]:
    """Return the names of the shared libraries that files need, directly or not."""
    found: set[str] = set()
    for path in paths:
        done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
        found |= {line.split()[0] for line in done.stdout.splitlines() if "=>" in line}
    return found


def index_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return which of the files each compiled module needs, itself the last."""
    names = {row[0] for row in rows}
    return {
        module_name(name): [*sorted(needs([path]) & names), name]
        for name, path, kind in rows
        if kind == "EXTENSION"
    }


def files_of(folder: Path, rows: Sequence[Row], modules: Mapping[str, str]) -> list[Row]:
    """Return rows for the archive: stripped, compressed unless a start loads them."""
    opened = {os.path.realpath(modules[name]) for name in modules.keys() - _LARGE if modules[name]}
    opened_names = needs(opened & {os.path.realpath(row[1]) for row in rows})
    found = []
    for name, path, _ in rows:
        stripped = folder / name.replace("/", "_")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        is_open = os.path.realpath(path) in opened or name in opened_names
        found.append((name if is_open else name + ondemand.PACKED, str(stripped), "FILE"))
    return found


def assets_of(root: Path) -> list[Row]:
    """Return rows for the data of the program."""
    return [
        (path.relative_to(root).as_posix() + ondemand.PACKED, str(path), "FILE")
        for path in sorted((root / "kcpfast" / "assets").rglob("*.*"))
        if path.is_file() and path.suffix != ".md"
    ]


def module_name(path: str) -> str:
    """Return the name of the module that an extension inside the executable is."""
    stem = re.sub(r"^python3\.\d+/lib-dynload/", "", path).partition(".")[0]
    return stem.replace("/", ".")


def before_any_program() -> set[str]:
    """Return the modules that Python, PyInstaller and `ondemand` load before a command runs."""
    probe = "import __future__, importlib.machinery, io, os, struct, sys, warnings, zlib"
    command = [sys.executable, "-I", "-S", "-c", f"{probe}; print(*sys.modules)"]
    return set(subprocess.run(command, **_PIPES, check=True).stdout.split())


def split_library(path: Path, modules: Mapping[str, str]) -> list[Row]:
    """Take what commands load out of base_library.zip; return rows for it.

    What is left is stored as it is if it is loaded before them, otherwise compressed; encodings
    that nobody asks for are left out.
    """
    early = before_any_program()
    rows, kept = [], []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".pyc").removesuffix("/__init__").replace("/", ".")
            if name in modules and name not in early and not name.startswith("encodings"):
                rows.append((name, modules[name], "PYMODULE-2"))
            elif not name.startswith("encodings.") or _ENCODINGS.fullmatch(info.filename):
                way = zipfile.ZIP_STORED if name in early else zipfile.ZIP_DEFLATED
                kept.append((info, archive.read(info), way))
    with zipfile.ZipFile(path, "w") as archive:
        for each in kept:
            archive.writestr(*each)
    return rows
