"""Where one stands and where one goes: workspace paths, their URLs, and what `ws` words mean.

Rules: kcp's `kubectl ws`, which understands a workspace as `cd` does a directory. No I/O.
"""

from __future__ import annotations

from typing import NamedTuple

from kcpfast.cli.failure import Failure

ROOT = "root"
_MARK = "/clusters/"
NOTE_ROOT = (
    "Note: Using 'root:' to define an absolute path is no longer supported. "
    "Instead, use ':root' to specify an absolute path."
)
NOTE_HOME = (
    "Note: 'kubectl ws' now matches 'cd' semantics: go to home workspace. "
    "'kubectl ws -' to go back. 'kubectl ws .' to print current workspace."
)


class WorkspacePlace(NamedTuple):
    """A workspace at a server: what stands in front of /clusters/, and the path behind it."""

    base: str
    path: str

    @property
    def url(self) -> str:
        """The URL of the workspace."""
        return f"{self.base.rstrip('/')}{_MARK}{self.path}"

    def at(self, path: str) -> WorkspacePlace:
        """Return another workspace of the same server."""
        return WorkspacePlace(self.base, path)


def place_of(url: str) -> WorkspacePlace | None:
    """Return the workspace a URL points to, None if it points to none."""
    base, mark, rest = url.partition(_MARK)
    path = rest.partition("/")[0]
    if not mark or not (path == "*" or valid(path)):
        return None
    return WorkspacePlace(base, path)


def valid(path: str) -> bool:
    """Tell whether a path consists of DNS labels joined by colons."""
    return all(_label(segment) for segment in path.split(":"))


def _label(text: str) -> bool:
    """Tell whether a text is a DNS label, as kcpfast.meta.names does without costing its import."""
    bare = text.replace("-", "0")
    lower = bare.isascii() and bare.isalnum() and bare == bare.lower()
    return lower and len(text) <= 63 and not text.startswith("-") and not text.endswith("-")


def spelled(word: str, home: str, *, short: bool) -> tuple[str, str]:
    """Return what a word given to `ws` stands for, and a note to be printed for it ("" = none).

    `home` is the user's home directory, which the shell has put where ~ was. `short` is kcp's
    exception: with --short a path that begins with `root:` is not taken for an absolute one.
    """
    name = (
        "~" + word.removeprefix(home) if home not in ("", "/") and word.startswith(home) else word
    )
    name = name.replace("/", ":")
    if name == ROOT or (name.startswith(f"{ROOT}:") and not short):
        return f":{name}", NOTE_ROOT
    if not name:
        return "~", "" if short else NOTE_HOME
    return name, ""


def resolve(current: str, name: str) -> str:
    """Return the path that a name means as seen from a path; Failure if it means none.

    `:a:b` is absolute, all else is relative; `.` and `..` may be segments of either.
    """
    if name == ":":
        return _top(current)
    joined = name[1:] if name.startswith(":") else f"{current}:{name}"
    path: list[str] = []
    for segment in joined.split(":"):
        if segment == ".":
            continue
        if segment != "..":
            path.append(segment)
        elif not path:
            raise Failure("cannot go up from root")
        else:
            # What begins with "system" is one name, however many colons it has.
            path = [] if path[0] == "system" else path[:-1]
    if not path or not valid(":".join(path)):
        raise Failure(f"invalid workspace path: {name}")
    return ":".join(path)


def _top(path: str) -> str:
    """Return the workspace that all of a path is below; `system:x` is one name, not a path."""
    return path if path.startswith("system:") else path.partition(":")[0]


def split(path: str) -> tuple[str, str]:
    """Return parent and name of a path; what has no parent has the parent ""."""
    if path.startswith("system:"):
        return "", path
    parent, _, name = path.rpartition(":")
    return parent, name


def announce(url: str, kind: str = "", *, short: bool = False) -> str:
    """Return the line that tells where one stands ("" = nothing); `kind` is a workspace's type."""
    place = place_of(url)
    if place is None:
        return "" if short else f'Current workspace is the URL "{url}".\n'
    if short:
        return f"{place.path}\n"
    suffix = f" (type {kind})" if kind else ""
    return f"Current workspace is '{place.path}'{suffix}.\n"
