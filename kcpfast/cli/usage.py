"""Help texts, made from the rows that the parser works by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kcpfast.cli.arguments import (
    LIST,
    MANY,
    NUMBER,
    SECONDS,
    SWITCH,
    TEXT,
    Command,
    Flag,
)

if TYPE_CHECKING:
    from kcpfast.cli.commands import CommandRow

# How long a flag and what it takes may be, to stand on a line with what it does.
_LABEL = 34
# what a flag takes, for people
_TAKES = {
    LIST: " LIST",
    MANY: " TEXT",
    NUMBER: " NUMBER",
    SECONDS: " DURATION",
    SWITCH: "",
    TEXT: " TEXT",
}


def describe(spelled: str, command: Command, children: Sequence[CommandRow]) -> str:
    """Return the help of a command; `children` are the rows of those below it, by their names."""
    lines = [command.about, "", "Usage:", f"  {spelled} {command.usage}".rstrip()]
    if children:
        lines.append(f"  {spelled} COMMAND")
    if command.examples:
        lines += ["", "Examples:"]
        for text, example in command.examples:
            lines += [f"  # {text}", f"  {spelled} {example}".rstrip()]
    lines += _children(children)
    for topic in dict.fromkeys(flag.topic for flag in command.known):
        lines += ["", f"{topic}:"]
        lines += _flags(flag for flag in command.known if flag.topic == topic)
    return "\n".join(lines)


def overview(spelled: str, about: str, children: Sequence[CommandRow]) -> str:
    """Return the help of a group, which does nothing by itself."""
    lines = [about, "", "Usage:", f"  {spelled} COMMAND [ARGUMENT ...]", *_children(children)]
    return "\n".join([*lines, "", f'"{spelled} COMMAND --help" tells more of a command.'])


def _children(children: Sequence[CommandRow]) -> list[str]:
    lines = []
    for topic in dict.fromkeys(row.topic for row in children):
        lines += ["", f"{topic} Commands:".lstrip()]
        lines += [f"  {row.path:18} {row.about}" for row in children if row.topic == topic]
    return lines


def _flags(flags: Iterable[Flag]) -> list[str]:
    lines, named = [], []
    for flag in flags:
        if not flag.help:
            named.append(f"--{flag.name}")
            continue
        short = f"-{flag.short}, " if flag.short else "    "
        label = f"--{flag.name}{_TAKES[flag.kind]}"
        if len(label) > _LABEL:
            label += "\n" + " " * (6 + _LABEL)
        choices = f": {' or '.join(flag.choices)}" if flag.choices else ""
        default = f" (default {flag.default})" if flag.default else ""
        lines.append(f"  {short}{label:{_LABEL}} {flag.help}{choices}{default}")
    return lines + (_wrapped(named) if named else [])


def _wrapped(names: Sequence[str]) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415 - for the few commands that need it

    text = ", ".join(names)
    return wrap(text, 98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
