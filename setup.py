"""Lists the compiled kernels, checks the LMDB they call, and notes the commit that is built.

The rest of the build is in pyproject.toml.
"""

import ctypes
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

KERNELS = sorted(
    path for path in Path("kcpfast/_core").glob("[a-z]*.py*") if path.suffix in (".py", ".pyx")
)


def missing_functions(library: str) -> list[str]:
    """Return those of LMDB's functions named in engine.pyx that a shared library does not have."""
    engine = Path("kcpfast/_core/engine.pyx").read_text()
    names = re.findall(r'_symbol\(library, b"(\w+)"\)', engine)
    loaded = ctypes.CDLL(library)
    return [
        f"mdb_{name}"
        for name in names
        if not any(hasattr(loaded, prefix + name) for prefix in ("mdb09_", "mdb_"))
    ]


class Checked(build_ext):
    """Kernels are built only for an LMDB whose functions they can call."""

    def run(self) -> None:
        """Look for the functions in py-lmdb's compiled module, then compile."""
        module = find_spec("lmdb.cpython")
        if module is None or module.origin is None:
            sys.exit("the compiled module of lmdb is missing: install lmdb as a wheel")
        missing = missing_functions(module.origin)
        if missing:
            sys.exit(f"lmdb does not offer what kcpfast calls: {', '.join(missing)}")
        super().run()


class Noted(build_py):
    """What is built for others says which commit it is of."""

    def run(self) -> None:
        """Copy the modules, then write the note beside them."""
        super().run()
        if not self.editable_mode:
            sys.path.insert(0, str(Path(__file__).parent))
            from kcpfast.cli.version import git_commit  # noqa: PLC0415 - found only now

            note = Path(self.build_lib) / "kcpfast" / "assets" / "built.json"
            note.write_text(json.dumps({"commit": git_commit()}) + "\n")


setup(
    cmdclass={"build_ext": Checked, "build_py": Noted},
    ext_modules=cythonize(
        [
            Extension(
                f"kcpfast._core.{path.stem}",
                [str(path)],
                extra_compile_args=["-O2", "-g0"],
                extra_link_args=["-s"],
            )
            for path in KERNELS
        ],
        language_level=3,
        build_dir="build/cython",
        compiler_directives={"embedsignature": True},
    ),
)
