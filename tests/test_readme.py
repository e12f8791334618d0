"""The README names what there is: flags, commands, rooms, metrics."""

import ast
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


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


# Rows of the glossary: what a term means, and the class that is it.
TERMS = re.findall(
    r"^\| ([\w -]+) \| .* \| `(\w+)` in `(\S+)` \|$", section("Glossary"), re.MULTILINE
)


def test_the_glossary_has_its_terms() -> None:
    assert len({term for term, _, _ in TERMS}) == len(TERMS) >= 20
    assert section("Glossary").count("\n|") == len(TERMS) + 2  # head and rule


@pytest.mark.parametrize(("term", "name", "path"), TERMS)
def test_a_term_names_a_class_that_exists(term: str, name: str, path: str) -> None:
    classes = {
        node.name
        for node in ast.parse((ROOT / path).read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert name in classes, term


def test_the_idea_is_told_in_ten_lines() -> None:
    lines = re.findall(r"^    (\S.*?)(?: +# .*)?$", section("The idea in ten lines"), re.MULTILINE)
    assert len(lines) == 10
    quickstart = section("Quickstart")
    commands = [command for line in lines for command in line.split(" && ")]
    assert [command for command in commands if f"$ {command}\n" not in quickstart] == []


# What somebody may want to add: each has a row that says where, and which test fails first.
ADDITIONS = (
    "a built-in kind", "a type of printer column", "an admission plugin", "a view", "a controller",
    "a flag of the server", "a command", "a metric", "a CEL function", "an error of the store",
)  # fmt: skip


@pytest.mark.parametrize("addition", ADDITIONS)
def test_what_is_added_has_files_and_a_test(addition: str) -> None:
    (row,) = re.findall(rf"^\| {addition}\b.*$", section("Changing it"), re.MULTILINE)
    _, _, touched, fails_first, _ = row.split("|")
    assert "`kcpfast/" in touched
    assert "`tests/" in fails_first


def test_what_a_change_touches_is_there() -> None:
    table = section("Changing it")
    paths = re.findall(r"`((?:kcpfast|tests|bench|packaging)/[^` ]*)`", table)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
