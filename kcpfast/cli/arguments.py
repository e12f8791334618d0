"""The grammar of all command lines: one row for each flag, one parser for all commands.

Grammar and texts are those of github.com/spf13/pflag, so that what is written for kcp and its
plugins works here. argparse has another grammar: a switch takes no `=false`, a value may not begin
with a dash, a name may be cut short; and its import takes 6 ms, a sixth of what `ws .` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kcpfast.cli.failure import Failure

TEXT, SWITCH, LIST, MANY, SECONDS, NUMBER = "text", "switch", "list", "many", "seconds", "number"
FLAGS_TITLE = "Flags"

_TRUTH = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


class Flag(NamedTuple):
    """A flag: what it is called, what it does, and what it takes.

    LIST is cut at commas and may be repeated, MANY may be repeated and is not cut. The help shows
    flags by `topic`; a flag without a text is only named. `choices` are offered by shells.
    """

    name: str
    help: str
    kind: str = TEXT
    short: str = ""
    default: str = ""
    topic: str = FLAGS_TITLE
    choices: tuple[str, ...] = ()


class Command(NamedTuple):
    """What a command says of itself: `usage` follows its words, `about` is one line.

    `choices` are words that it takes, `connects` tells whether it talks to a server.
    """

    usage: str
    about: str
    flags: tuple[Flag, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    connects: bool = True
    choices: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[Flag, ...]:
        """All flags that it takes."""
        return (*self.flags, *HELP, *(CONNECTION_FLAGS if self.connects else ()))


_SERVER, _WHO, _AS = "Connection", "Credentials", "Impersonation"
HELP = (
    Flag("help", "Show this help", SWITCH, "h"),
    Flag("version", "Show the version", SWITCH),
)
CONNECTION_FLAGS = (
    Flag("kubeconfig", "Path of the kubeconfig file", topic=_SERVER),
    Flag("context", "Context of the kubeconfig to use", topic=_SERVER),
    Flag("cluster", "Cluster of the kubeconfig to talk to", topic=_SERVER),
    Flag("server", "URL of the server", TEXT, "s", topic=_SERVER),
    Flag("workspace", "Workspace to act in instead of the current one", TEXT, "w", topic=_SERVER),
    Flag("namespace", "Accepted; workspaces are in no namespace", TEXT, "n", topic=_SERVER),
    Flag("certificate-authority", "File of the CA that the server is verified by", topic=_SERVER),
    Flag("tls-server-name", "Name that the server is verified against", topic=_SERVER),
    Flag("insecure-skip-tls-verify", "Accept any certificate. Not secure", SWITCH, topic=_SERVER),
    Flag("proxy-url", "HTTP proxy to reach the server through", topic=_SERVER),
    Flag("request-timeout", "Time one request may take; 0 for ever", SECONDS, "", "30s", _SERVER),
    Flag("disable-compression", "Accepted; answers are never compressed", SWITCH, topic=_SERVER),
    Flag("v", "6 and more prints the requests", NUMBER, "v", "0", _SERVER),
    Flag("user", "User of the kubeconfig to act as", topic=_WHO),
    Flag("client-certificate", "File of the client certificate", topic=_WHO),
    Flag("client-key", "File of the client certificate's key", topic=_WHO),
    Flag("token", "Bearer token", topic=_WHO),
    Flag("username", "User name for basic authentication", topic=_WHO),
    Flag("password", "Password for basic authentication", topic=_WHO),
    Flag("as", "User to impersonate", topic=_AS),
    Flag("as-group", "Group to impersonate; may be repeated", MANY, topic=_AS),
    Flag("as-uid", "UID to impersonate", topic=_AS),
)


class CommandLine:
    """A command line that was understood: the words, the flags, and the words that called it."""

    def __init__(
        self,
        spelled: str,
        command: Command,
        words: list[str],
        values: Mapping[str, Any],
        started: float = 0.0,
    ) -> None:
        """Keep the parts; `spelled` is how the command was called, such as "kubectl ws use".

        `started` is when the process began (monotonic).
        """
        self.spelled = spelled
        self.command = command
        self.words = words
        self.started = started
        self._values = values

    def text(self, name: str) -> str:
        """Return the value of a TEXT flag, its default if it was not given."""
        value: str = self._values[name]
        return value

    def switch(self, name: str) -> bool:
        """Tell whether a SWITCH was given."""
        value: bool = self._values[name]
        return value

    def given(self, name: str) -> bool:
        """Tell whether a flag has another value than nothing."""
        return bool(self._values[name])

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


def nearest(word: str, names: Sequence[str]) -> str:
    """Return the name that was probably meant by a mistyped word, "" if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for who mistypes

    return next(iter(get_close_matches(word, names, 1, 0.7)), "")


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
        meant = nearest(name, [flag.name for flag in flags])
        raise Failure(f"unknown flag: --{name}", f"Did you mean --{meant}?" if meant else "")
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
