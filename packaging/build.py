"""Builds dist/kcpfast, the whole program in one file, and holds it to its list of modules.

`python packaging/build.py` builds; `--update` writes the list of modules anew, to be read before
it is committed: every module in it is paid for by everybody who starts the program.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from kcpfast.cli.version import git_commit, installed

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "packaging" / "modules.txt"
UPDATE = "KCPFAST_UPDATE_MODULES"
# Compiled modules, and what only they import.
KERNELS = sorted(
    f"kcpfast._core.{path.stem}"
    for path in (ROOT / "kcpfast" / "_core").glob("*.py*")
    if path.suffix in (".py", ".pyx") and path.stem != "__init__"
)
# What is imported by name, or from C.
HIDDEN = [
    *KERNELS,
    "_cffi_backend",
    "kcpfast.schema.cel.whole",
    "lmdb._envid",
    "numbers",
    "platform",
]
# What libraries and the standard library offer to others than us.
EXCLUDED = [
    "_aix_support",
    "_bz2",
    "_codecs_cn",
    "_codecs_hk",
    "_codecs_iso2022",
    "_codecs_jp",
    "_codecs_kr",
    "_codecs_tw",
    "_dbm",
    "_gdbm",
    "_lzma",
    "_multibytecodec",
    "_osx_support",
    "_pydecimal",
    "_pyrepl",
    "_sqlite3",
    "asyncio.proactor_events",
    "asyncio.windows_events",
    "asyncio.windows_utils",
    "audioop",
    "bdb",
    "bz2",
    "ctypes",
    "doctest",
    "ensurepip",
    "idlelib",
    "importlib.metadata",
    "lib2to3",
    "lmdb.cffi",
    "lmdb.tool",
    "lzma",
    "multiprocessing",
    "nis",
    "ossaudiodev",
    "pdb",
    "pty",
    "pydoc",
    "pydoc_data",
    "readline",
    "spwd",
    "sqlite3",
    "syslog",
    "tarfile",
    "test",
    "tkinter",
    "tomllib",
    "turtle",
    "unittest",
    "typing_extensions",
    "uvloop._testbase",
    "xml",
    "xmlrpc",
]


def required(name: str) -> set[str]:
    """Return a distribution and all that it needs to run, by their normalised names (PEP 503)."""
    wanted: set[str] = set()
    waiting = [name]
    while waiting:
        distribution = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if distribution in wanted:
            continue
        wanted.add(distribution)
        try:
            needs = metadata.requires(distribution) or []
        except metadata.PackageNotFoundError:
            continue  # needed elsewhere: on another system, with an older Python
        names = [re.match(r"[\w.-]+", need) for need in needs if "extra ==" not in need]
        waiting += [found[0] for found in names if found]
    return wanted


def foreign() -> list[str]:
    """Return the top-level modules that are installed here and that the program does not need.

    PyInstaller takes whatever somebody may import and is there: the executable would be another
    one where tools for tests are installed.
    """
    wanted = required("kcpfast")
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if not wanted & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners}
        and module.isidentifier()
    )


def check_pyinstaller() -> None:
    """Exit unless PyInstaller is of the version that `ondemand` and `sorting` know from inside."""
    needs = metadata.requires("kcpfast") or []
    pinned = next(need for need in needs if need.startswith("pyinstaller=="))
    wanted = pinned.partition("==")[2].partition(";")[0].strip()
    installed_version = metadata.version("pyinstaller")
    if installed_version != wanted:
        sys.exit(
            f"PyInstaller {installed_version} is installed, but the executable is built with the "
            f"internals of {wanted}: run `make binary`, or try the new version and pin it"
        )


def is_ballast(name: str) -> bool:
    """Tell whether a data file is of no use at run time: metadata, stubs, headers."""
    return ".dist-info" in name or name.endswith((".pyi", ".h", ".typed"))


def check_modules(found: Iterable[str]) -> None:
    """Exit with the difference unless the modules found are those of the list."""
    # Each build of Python has a name of its own for one of its modules.
    names = sorted({name for name in found if not name.startswith("_sysconfigdata_")})
    if os.environ.get(UPDATE):
        LIST.write_text("\n".join(names) + "\n")
        return
    listed = LIST.read_text().split()
    for sign, these, those in (("+", names, listed), ("-", listed, names)):
        for name in sorted(set(these) - set(those)):
            print(f"{sign} {name}", file=sys.stderr)
    if names != listed:
        sys.exit("the executable's modules are not those of packaging/modules.txt (see --update)")


def note(folder: Path) -> Path:
    """Write down which commit and which libraries go into the executable; return the file."""
    path = folder / "built.json"
    path.write_text(json.dumps({"commit": git_commit(), "libraries": installed()}) + "\n")
    return path


def main(arguments: list[str]) -> int:
    """Run PyInstaller over the spec; return its exit code."""
    check_pyinstaller()
    environment = os.environ | {
        "KCPFAST_ROOT": str(ROOT),
        # Columns of expressions, for the marks in tracebacks, are a fifth of all code.
        "PYTHONNODEBUGRANGES": "1",
    }
    if "--update" in arguments:
        environment[UPDATE] = "1"
    # PyInstaller would take parts of the last build whose contents only we know.
    shutil.rmtree(ROOT / "build" / "binary", ignore_errors=True)
    command = [
        *(sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(ROOT / "dist"), "--workpath", str(ROOT / "build" / "binary")),
        str(ROOT / "packaging" / "kcpfast.spec"),
    ]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
