"""The grammar of all command lines: one row for each flag, one parser for all commands.

Parsed by hand: argparse alone would cost a tenth of the time that `ws .` takes. Grammar and texts
are those of github.com/spf13/pflag, so that what is written for kcp's plugins works here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kcpfast.cli.failure import Failure

TEXT, SWITCH, LIST, MANY, SECONDS, NUMBER = "text", "switch", "list", "many", "seconds", "number"

_TRUTH = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class Flag(NamedTuple):
    """A flag: what it is called, what it does, and what it takes.

    LIST is cut at commas and may be repeated, MANY may be repeated and is not cut.
    """

    name: str
    help: str
    kind: str = TEXT
    short: str = ""
    default: str = ""


class Command(NamedTuple):
    """What a command says of itself: `usage` follows its words, `about` is one line."""

    usage: str
    about: str
    flags: tuple[Flag, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    connects: bool = True


HELP = (
    Flag("help", "Show this help", SWITCH, "h"),
    Flag("version", "Show the version", SWITCH),
)
CONNECTION = (
    Flag("as", "User to impersonate"),
    Flag("as-group", "Group to impersonate; may be repeated", MANY),
    Flag("as-uid", "UID to impersonate"),
    Flag("certificate-authority", "File of the CA that the server's certificate is verified by"),
    Flag("client-certificate", "File of the client certificate"),
    Flag("client-key", "File of the client certificate's key"),
    Flag("cluster", "Cluster of the kubeconfig to talk to"),
    Flag("context", "Context of the kubeconfig to use"),
    Flag("disable-compression", "Accepted; answers are never compressed", SWITCH),
    Flag("insecure-skip-tls-verify", "Accept any certificate. Not secure", SWITCH),
    Flag("kubeconfig", "Path of the kubeconfig file"),
    Flag("namespace", "Accepted; workspaces are in no namespace", TEXT, "n"),
    Flag("password", "Password for basic authentication"),
    Flag("proxy-url", "HTTP proxy to reach the server through"),
    Flag("request-timeout", "Time one request may take; 0 for ever", SECONDS, "", "30s"),
    Flag("server", "URL of the server", TEXT, "s"),
    Flag("tls-server-name", "Name that the server's certificate is verified against"),
    Flag("token", "Bearer token"),
    Flag("user", "User of the kubeconfig to act as"),
    Flag("username", "User name for basic authentication"),
    Flag("v", "6 and more prints the requests", NUMBER, "v", "0"),
    Flag("workspace", "Workspace to act in instead of the current one", TEXT, "w"),
)


class Call:
    """A command line that was understood: the words, the flags, and the words that called it."""

    def __init__(
        self, spelled: str, command: Command, words: list[str], values: Mapping[str, Any]
    ) -> None:
        """Keep the parts; `spelled` is how the command was called, such as "kubectl ws use"."""
        self.spelled = spelled
        self.command = command
        self.words = words
        self._values = values

    def text(self, name: str) -> str:
        """Return the value of a TEXT flag, its default if it was not given."""
        value: str = self._values[name]
        return value

    def switch(self, name: str) -> bool:
        """Tell whether a SWITCH was given."""
        value: bool = self._values[name]
        return value

    def all(self, name: str) -> list[str]:
        """Return the values of a LIST or MANY flag."""
        values: list[str] = self._values[name]
        return values

    def number(self, name: str) -> float:
        """Return the value of a NUMBER or SECONDS flag."""
        value: float = self._values[name]
        return value


def duration(text: str) -> float:
    """Return a Go duration as seconds; a bare number counts seconds. ValueError if it is none."""
    if text.isascii() and text.isdecimal():
        return float(text)
    from kcpfast.meta.duration import parse_duration  # noqa: PLC0415 - for who gives one

    seconds = parse_duration(text)
    if seconds < 0:
        raise ValueError(f"invalid duration {text!r}")
    return seconds


def truth(text: str) -> bool:
    """Return what a SWITCH is set to; ValueError if it is neither true nor false."""
    if text.lower() not in _TRUTH:
        raise ValueError("it is neither true nor false")
    return _TRUTH[text.lower()]


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    LIST: lambda text: text.split(","),
    MANY: lambda text: [text],
    NUMBER: int,
    SECONDS: duration,
    SWITCH: truth,
    TEXT: str,
}
_EMPTY: Mapping[str, Any] = {SWITCH: False, TEXT: ""}


def parse(arguments: Sequence[str], flags: Sequence[Flag]) -> tuple[list[str], dict[str, Any]]:
    """Return the words and the flags' values of a command line; Failure if it is not understood."""
    values = {flag.name: _default(flag) for flag in flags}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return words + rest, values
        if word.startswith("--"):
            _read_long(word, rest, flags, values)
        elif word.startswith("-") and word != "-":
            _read_short(word, rest, flags, values)
        else:
            words.append(word)
    return words, values


def _default(flag: Flag) -> Any:
    if flag.kind in (LIST, MANY):
        return []
    return _CONVERTERS[flag.kind](flag.default) if flag.default else _EMPTY.get(flag.kind, 0)


def _read_long(word: str, rest: list[str], flags: Sequence[Flag], values: dict[str, Any]) -> None:
    name, given, text = word[2:].partition("=")
    flag = next((flag for flag in flags if flag.name == name), None)
    if flag is None:
        raise Failure(f"unknown flag: --{name}")
    if not given and flag.kind == SWITCH:
        text = "true"
    elif not given:
        if not rest:
            raise Failure(f"flag needs an argument: --{name}")
        text = rest.pop(0)
    _keep(flag, text, values)


def _read_short(word: str, rest: list[str], flags: Sequence[Flag], values: dict[str, Any]) -> None:
    """Read `-x`, `-xy` (switches), `-xvalue` and `-x value`."""
    letters = word[1:]
    while letters:
        flag = next((flag for flag in flags if flag.short == letters[0]), None)
        if flag is None:
            raise Failure(f"unknown shorthand flag: '{letters[0]}' in {word}")
        letters = letters[1:]
        if flag.kind == SWITCH and not letters.startswith("="):
            _keep(flag, "true", values)
            continue
        if not letters and not rest:
            raise Failure(f"flag needs an argument: '{flag.short}' in {word}")
        _keep(flag, letters.removeprefix("=") if letters else rest.pop(0), values)
        return


def _keep(flag: Flag, text: str, values: dict[str, Any]) -> None:
    try:
        value = _CONVERTERS[flag.kind](text)
    except ValueError as error:
        label = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
        raise Failure(f'invalid argument "{text}" for "{label}" flag: {error}') from None
    if flag.kind in (LIST, MANY):
        values[flag.name] += value
    else:
        values[flag.name] = value
