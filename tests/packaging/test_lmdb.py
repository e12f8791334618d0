"""The LMDB that the kernels call: one version, whose functions are there, or a sentence."""

import importlib.util
import re
import tomllib
from pathlib import Path

import lmdb
import lmdb.cpython
import pytest

from kcpfast._core import routing
from tests.harness.process import refused

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENGINE = (ROOT / "kcpfast" / "_core" / "engine.pyx").read_text()
FUNCTIONS = re.findall(r'_symbol\(library, b"(\w+)"\)', ENGINE)


def test_the_version_is_pinned_to_what_is_tested() -> None:
    pinned = f"lmdb=={lmdb.__version__}"
    assert pinned in PROJECT["project"]["dependencies"]
    assert pinned in PROJECT["build-system"]["requires"]
    pinned = PROJECT["project"]["optional-dependencies"]["binary"]
    assert [re.match(r"pyinstaller==[\d.]+$", each) is not None for each in pinned] == [True]


def test_the_build_looks_for_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    monkeypatch.setattr("Cython.Build.cythonize", lambda *_, **__: [])
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert len(FUNCTIONS) > 20
    assert script.missing_functions(lmdb.cpython.__file__) == []
    foreign = routing.__file__
    assert script.missing_functions(foreign) == [f"mdb_{name}" for name in FUNCTIONS]


BROKEN = [
    # What `import lmdb.cpython` comes to, and what is said of it.
    ("from kcpfast._core.routing import __file__", "lacks the function mdb_env_create"),
    ("__file__ = '/nowhere.so'", "cannot be loaded: /nowhere.so"),
    ("raise ImportError('no wheel for this machine')", "no wheel for this machine"),
]


@pytest.mark.parametrize(("source", "said"), BROKEN)
def test_a_start_says_what_is_wrong(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lmdb"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cpython.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    refusal = refused(tmp_path / "root", "--secure-port", "0")
    assert refusal.code == 1
    assert refusal.error.startswith("kcpfast: a library that the server needs cannot be used: ")
    assert said in refusal.error
    assert refusal.error.count("\n") == 1
