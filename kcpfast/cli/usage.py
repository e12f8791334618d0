"""Help texts, made from the rows that the parser works by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kcpfast.cli.arguments import (
    CONNECTION,
    HELP,
    LIST,
    MANY,
    NUMBER,
    SECONDS,
    SWITCH,
    TEXT,
    Command,
    Flag,
)

# what a flag takes, for people
_TAKES = {
    LIST: " LIST",
    MANY: " TEXT",
    NUMBER: " NUMBER",
    SECONDS: " DURATION",
    SWITCH: "",
    TEXT: " TEXT",
}


def describe(spelled: str, command: Command, children: Sequence[tuple[str, str]]) -> str:
    """Return the help of a command; `children` are the names and texts of those below it."""
    lines = [command.about, "", "Usage:", f"  {spelled} {command.usage}".rstrip()]
    if children:
        lines.append(f"  {spelled} COMMAND")
    if command.examples:
        lines += ["", "Examples:"]
        for text, example in command.examples:
            lines += [f"  # {text}", f"  {spelled} {example}".rstrip()]
    lines += _children(children)
    lines += ["", "Flags:", *_flags((*command.flags, *HELP))]
    if command.connects:
        lines += ["", "Connection:", *_flags(CONNECTION)]
    return "\n".join(lines)


def overview(spelled: str, about: str, children: Sequence[tuple[str, str]]) -> str:
    """Return the help of a group, which does nothing by itself."""
    lines = [about, "", "Usage:", f"  {spelled} COMMAND [ARGUMENT ...]", *_children(children)]
    return "\n".join([*lines, "", f'"{spelled} COMMAND --help" tells more of a command.'])


def _children(children: Sequence[tuple[str, str]]) -> list[str]:
    if not children:
        return []
    return ["", "Commands:", *(f"  {name:18} {text}" for name, text in children)]


def _flags(flags: Iterable[Flag]) -> list[str]:
    lines = []
    for flag in flags:
        short = f"-{flag.short}, " if flag.short else "    "
        label = f"--{flag.name}{_TAKES[flag.kind]}"
        default = f" (default {flag.default})" if flag.default else ""
        lines.append(f"  {short}{label:34} {flag.help}{default}")
    return lines
