"""Lists the compiled kernels; everything else about the build stands in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = sorted(
    path for path in Path("kcpfast/_core").glob("[a-z]*.py*") if path.suffix in (".py", ".pyx")
)

setup(
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
    )
)
