"""The list of the executable's modules: it names every module of ours, and is not to grow."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LISTED = (ROOT / "packaging" / "modules.txt").read_text().split()
MOST_OF_OTHERS = 265
LEFT_OUT = {"kcpfast.store.memory"}  # for tests


def test_every_module_is_listed() -> None:
    """Otherwise: python packaging/build.py --update."""
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "kcpfast").rglob("*.py")]
    names = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    ours = {name for name in LISTED if name.startswith("kcpfast")}
    kernels = {name for name in names if name.startswith("kcpfast._core.")}
    assert names - kernels - LEFT_OUT == ours


def test_the_list_is_sorted_and_short() -> None:
    assert sorted(set(LISTED)) == LISTED
    assert len([name for name in LISTED if not name.startswith("kcpfast")]) <= MOST_OF_OTHERS
