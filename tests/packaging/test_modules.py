"""The list of the executable's modules: it names every module of ours, and is not to grow."""

import contextlib
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = importlib.util.spec_from_file_location("build_binary", ROOT / "packaging" / "build.py")
assert SPEC is not None
assert SPEC.loader is not None
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
LISTED = (ROOT / "packaging" / "modules.txt").read_text().split()
MOST_OF_OTHERS = 290
LEFT_OUT = {"kcpfast.store.memory"}  # for tests


def test_every_module_is_listed() -> None:
    """Otherwise: python packaging/build.py --update."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "kcpfast").rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    ours = {name for name in LISTED if name.startswith("kcpfast")}
    kernels = {name for name in names if name.startswith("kcpfast._core.") and "._turn" not in name}
    assert names - kernels - LEFT_OUT == ours


def test_the_list_is_sorted_and_short() -> None:
    assert sorted(set(LISTED)) == LISTED
    assert len([name for name in LISTED if not name.startswith("kcpfast")]) <= MOST_OF_OTHERS


@pytest.mark.parametrize("name", ["Cython", "cython", "hypothesis", "mypy", "pip", "pytest"])
def test_what_the_program_does_not_need_is_kept_out(name: str) -> None:
    """PyInstaller would take it because it is installed: here it is, on a fresh clone it is not."""
    assert name in build.foreign()


@pytest.mark.parametrize("name", ["_cffi_backend", "cryptography", "jwt", "kcpfast", "re2", "yaml"])
def test_what_the_program_needs_is_not_kept_out(name: str) -> None:
    assert name not in build.foreign()


@pytest.mark.parametrize(("version", "refused"), [("6.22.3", False), ("6.22.4", True)])
def test_only_the_pinned_pyinstaller_builds(
    version: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build.metadata, "version", lambda _name: version)
    with pytest.raises(SystemExit, match="internals of") if refused else contextlib.nullcontext():
        build.check_pyinstaller()


def test_the_list_depends_on_no_tool() -> None:
    assert not {name.partition(".")[0] for name in LISTED} & set(build.foreign())


def test_ci_builds_before_there_are_tools() -> None:
    said = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [
        line.removeprefix("exec ") for line in said if not line.startswith(("#", "set", "cd"))
    ]
    assert commands == ["make binary", "packaging/smoke.py", "make test"]


@pytest.mark.parametrize("kernel", ["_turn", "commits", "engine", "schema"])
def test_what_only_a_kernel_imports_is_packed(kernel: str) -> None:
    """Nobody can see what a compiled module imports."""
    assert f"kcpfast._core.{kernel}" in build.HIDDEN
