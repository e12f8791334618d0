"""Gives the executable its modules: code in one piece, compiled modules when they are imported.

A onefile executable of PyInstaller writes all compiled modules to disk at every start, whatever the
command, and opens itself again for each module in Python. Here compiled modules and libraries lie
in the archive of Python modules (as `path` or, compressed, as `path` and ".z"), are written out
when they are imported, and the code that a command needs in any case is read in one piece.
`sorting` writes the archive.

Gain: 200 ms of processor time for each command, 170 ms for a start. Measured in November 2026 on
two cores against PyInstaller's own onefile executable of the same modules, processor time of the
whole command: `ws .` 250 ms there, 53 ms here; `version` 269 and 61 ms; a restart, until its advice
is printed and the server has stopped, 336 and 166 ms.

Relies on these internals of PyInstaller, whose version pyproject.toml pins (`build.py` refuses any
other): `pyimod02_importers.pyz_archive`, a ZlibArchiveReader with `_filename`, `_start_offset` and
`toc`, which maps a name to its kind, offset and length.
"""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from importlib.machinery import ExtensionFileLoader, ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

INDEX = "index.of.files"
PACKED = ".z"
FILE = 2  # what PyInstaller's archive calls an entry that is no module


class Files:
    """The files in an archive, by path; the archive stays open."""

    def __init__(self, archive: str, places: Mapping[str, tuple[int, int]]) -> None:
        """Keep the places: path -> offset and length."""
        self.sizes: Mapping[str, int] = {}
        self._places = places
        self._handle = os.open(archive, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def archive(self) -> str:
        """The archive, even if another takes its place meanwhile (as long as there is a /proc)."""
        return f"/proc/self/fd/{self._handle}"

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        packed = path not in self._places
        offset, length = self._places[path + PACKED if packed else path]
        data = os.pread(self._handle, length, offset)
        # In one piece of the right size, which the system gets back: others leave holes.
        return zlib.decompress(data, bufsize=self.sizes[path]) if packed else data

    def put(self, path: str, folder: str) -> None:
        """Write a file into a folder unless it is there; several processes may do so at once."""
        target = os.path.join(folder, path)
        if os.path.exists(target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = f"{target}.{os.getpid()}"
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb", buffering=0) as file:
            self._copy(path, file.fileno())
        os.rename(partial, target)

    def _copy(self, path: str, to: int) -> None:
        if path not in self._places:
            data = memoryview(self.read(path))
            while data:
                data = data[os.write(to, data) :]
            return
        offset, length = self._places[path]
        while length:
            sent = os.sendfile(to, self._handle, offset, length)
            offset, length = offset + sent, length - sent


class Compiled:
    """Finds compiled modules, and puts them into a folder first."""

    def __init__(self, files: Files, needs: Mapping[str, list[str]], folder: str) -> None:
        """Keep the parts; `needs` is module -> paths, its own the last."""
        self._files = files
        self._needs = needs
        self._folder = folder

    def find_spec(self, name: str, *_where: object) -> ModuleSpec | None:
        """Return where a module is, once it is there; None for one that is not in the archive."""
        paths = self._needs.get(name)
        if paths is None:
            return None
        for path in paths:
            self._files.put(path, self._folder)
        origin = os.path.join(self._folder, paths[-1])
        spec = ModuleSpec(name, ExtensionFileLoader(name, origin), origin=origin)
        spec.has_location = True
        return spec


class Code:
    """Loads modules whose code lies in common pieces, and the data beside them."""

    def __init__(
        self, files: Files, modules: Mapping[str, tuple[str, int, int, bool]], folder: str
    ) -> None:
        """Keep the parts; `modules` is module -> piece, begin, end, whether it is a package."""
        self._files = files
        self._modules = modules
        self._folder = folder
        self._pieces: dict[str, memoryview] = {}
        self._left: dict[str, int] = {}
        for piece, *_ in modules.values():
            self._left[piece] = self._left.get(piece, 0) + 1

    def find_spec(self, name: str, *_where: object) -> ModuleSpec | None:
        """Return how a module is loaded, or None."""
        found = self._modules.get(name)
        if found is None:
            return None
        path = os.path.join(self._folder, name.replace(".", "/"))
        origin = path + ("/__init__.py" if found[3] else ".py")
        spec = ModuleSpec(name, self, origin=origin, is_package=found[3])
        spec.has_location = True
        if found[3]:
            spec.submodule_search_locations = [path]
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave it to the import machinery."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> object:
        """Return a module's code; a piece that was used up is let go."""
        piece, begin, end, _ = self._modules[name]
        data = self._pieces.get(piece)
        if data is None:
            data = self._pieces[piece] = memoryview(self._files.read(piece))
        self._left[piece] -= 1
        if not self._left[piece]:
            del self._pieces[piece]
        return marshal.loads(data[begin:end])

    def get_data(self, path: str) -> bytes:
        """Return a data file of a package, as loaders of modules do."""
        return self._files.read(os.path.relpath(path, self._folder))


def install(archive: object, folder: str) -> Code:
    """Let the modules in PyInstaller's archive be found by the finders above."""
    start = archive._start_offset
    places = {
        name: (start + offset, length)
        for name, (kind, offset, length) in archive.toc.items()
        if kind == FILE
    }
    files = Files(archive._filename, places)
    if os.path.exists(files.archive):
        archive._filename = files.archive
    needs, modules, files.sizes = marshal.loads(files.read(INDEX))
    code = Code(files, modules, folder)
    sys.meta_path[:0] = [code, Compiled(files, needs, folder)]
    return code
