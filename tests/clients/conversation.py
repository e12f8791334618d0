"""Reads conversations: paragraphs of a sentence, a command and what must come of it.

    what this shows
    $ at {team} get configmap theme       the command; `$~` tries again until it is as expected
    < theme.yaml                          what it reads: a file of manifests/, or lines after `|`
    0 theme +1 +[0-9]+s                   exit code, and a regular expression for what is printed
    ! smell                               what must not be printed
    = seen                                a variable that keeps what was printed

A command may go on in the next line behind a backslash. A line `given NAME` plays the conversation
of that name (in given/) first. Lines that begin with # are for the reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "story"


class Step(NamedTuple):
    """A command and what must come of it; `soon` lets it take a moment."""

    says: str
    command: str
    soon: bool
    manifest: str
    text: str
    code: int
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    keep: str


def read(path: Path) -> Iterator[Step]:
    """Yield the steps of a conversation, those that it builds on first."""
    text = path.read_text().replace("\\\n", " ")
    for paragraph in text.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line and not line.startswith("#")]
        if lines and lines[0].startswith("given "):
            for name in lines[0].split()[1:]:
                yield from read(FOLDER / "given" / f"{name}.txt")
        elif lines:
            yield _step(lines)


def _step(lines: list[str]) -> Step:
    def marked(mark: str) -> tuple[str, ...]:
        return tuple(line[2:] for line in lines[1:] if line.startswith(mark + " "))

    command, *more = (line for line in lines[1:] if line.startswith("$"))
    ends = [line for line in lines[1:] if line[0].isdigit()]
    assert not more, f"two commands: {lines}"
    assert ends, f"no exit code: {lines}"
    manifest, keep = marked("<"), marked("=")
    return Step(
        says=lines[0],
        command=command.lstrip("$~").strip(),
        soon=command.startswith("$~"),
        manifest=manifest[0] if manifest else "",
        text="\n".join(marked("|")),
        code=int(ends[0].split()[0]),
        wanted=tuple(line.partition(" ")[2] for line in ends),
        unwanted=marked("!"),
        keep=keep[0] if keep else "",
    )
