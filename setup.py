"""Lists the compiled kernels and notes the commit; the rest of the build is in pyproject.toml."""

import json
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

KERNELS = sorted(
    path for path in Path("kcpfast/_core").glob("[a-z]*.py*") if path.suffix in (".py", ".pyx")
)


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
    cmdclass={"build_py": Noted},
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
