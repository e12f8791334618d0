"""Compiled modules are written to disk when they are imported, each with the libraries it needs.

What a onefile executable holds in the common way is all written out at every start, whatever the
command. build.py keeps compiled modules and libraries in the archive of Python modules instead, as
`path` or, compressed, as `path` and ".z"; `ondemand_index` says which module needs which of them.
"""

from __future__ import annotations

import os
import sys
import zlib
from importlib.machinery import ExtensionFileLoader, ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PACKED = ".z"
FILE = 2  # what PyInstaller's archive calls an entry that is no module


class Finder:
    """Finds compiled modules in an archive, and puts them into a folder first."""

    def __init__(
        self,
        index: Mapping[str, Sequence[str]],
        places: Mapping[str, tuple[int, int]],
        file: str,
        folder: str,
    ) -> None:
        """Keep the parts.

        `index` is module -> paths in the folder, its own the last; `places` is path -> offset and
        length in `file`, which stays open.
        """
        self._index = index
        self._places = places
        self._handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._folder = folder

    @property
    def file(self) -> str:
        """The file, even if another takes its place meanwhile (as long as there is a /proc)."""
        return f"/proc/self/fd/{self._handle}"

    def find_spec(self, name: str, *_where: object) -> ModuleSpec | None:
        """Return where a module is, once it is there; None for one that is not in the index."""
        paths = self._index.get(name)
        if paths is None:
            return None
        for path in paths:
            self._put(path)
        origin = os.path.join(self._folder, paths[-1])
        spec = ModuleSpec(name, ExtensionFileLoader(name, origin), origin=origin)
        spec.has_location = True
        return spec

    def _put(self, path: str) -> None:
        """Write a file unless it is there; several processes may do so at once."""
        target = os.path.join(self._folder, path)
        if os.path.exists(target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = f"{target}.{os.getpid()}"
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "wb", buffering=0) as file:
            self._copy(path, file.fileno())
        os.rename(partial, target)

    def _copy(self, path: str, to: int) -> None:
        packed = path not in self._places
        offset, length = self._places[path + PACKED if packed else path]
        if packed:
            data = memoryview(zlib.decompress(os.pread(self._handle, length, offset)))
            while data:
                data = data[os.write(to, data) :]
        while length and not packed:
            sent = os.sendfile(to, self._handle, offset, length)
            offset, length = offset + sent, length - sent


def install(archive: object, index: Mapping[str, Sequence[str]], folder: str) -> Finder:
    """Let the modules of an index be found in PyInstaller's archive; return the finder."""
    start = archive._start_offset
    places = {
        name: (start + offset, length)
        for name, (kind, offset, length) in archive.toc.items()
        if kind == FILE
    }
    finder = Finder(index, places, archive._filename, folder)
    sys.meta_path.insert(0, finder)
    if os.path.exists(finder.file):
        archive._filename = finder.file
    return finder
