"""The README names what there is: flags, commands, rooms, metrics."""

import re
from pathlib import Path

import pytest

from kcpfast.cli.commands import COMMAND_ROWS
from kcpfast.server.flags import LATER, MEANINGLESS, SERVER_FLAGS
from kcpfast.telemetry.exposition import exposition

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FAMILIES = tuple(re.findall(r"`--([a-z-]+-)\*`", README))


@pytest.mark.parametrize("flag", [flag.name for flag in SERVER_FLAGS])
def test_every_flag_is_documented(flag: str) -> None:
    assert f"`--{flag}`" in README


@pytest.mark.parametrize("flag", [*LATER, *MEANINGLESS])
def test_flags_without_effect_are_named_by_family(flag: str) -> None:
    assert flag.startswith(FAMILIES) or f"`--{flag}`" in README


@pytest.mark.parametrize("path", [row.path for row in COMMAND_ROWS if row.about and row.module])
def test_every_command_is_documented(path: str) -> None:
    assert re.search(rf"`(kcpfast )?{re.escape(path)}`", README), path


@pytest.mark.parametrize(
    "room", sorted(each.parent.name for each in (ROOT / "kcpfast").glob("*/__init__.py"))
)
def test_every_room_is_on_the_map(room: str) -> None:
    assert f"`{room}/`" in README


def test_every_metric_is_documented() -> None:
    names = set(re.findall(r"^# TYPE (\S+)", exposition().decode(), re.MULTILINE))
    assert names
    assert all(f"`{name}`" in README for name in names)


def test_what_a_change_touches_is_there() -> None:
    table = README.partition("## Changing it")[2].partition("\n## ")[0]
    paths = re.findall(r"`((?:kcpfast|tests|bench|packaging)/[^` ]*)`", table)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
