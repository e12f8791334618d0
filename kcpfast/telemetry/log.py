"""Log lines on standard error, one for each record: as klog writes text, or as kube's JSON.

Messages contain what clients, objects and webhooks said. In text the formatter escapes control
characters, line breaks of any alphabet and halves of characters, and indents the lines of a
traceback, so that nobody can forge a record. In JSON the encoder escapes them.

`LOG.info("HTTP", extra={NAMED_VALUES: {...}})` logs a message with named values, as klog's InfoS
does.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping

_LETTERS = {
    logging.DEBUG: "D",
    logging.INFO: "I",
    logging.WARNING: "W",
    logging.ERROR: "E",
    logging.CRITICAL: "F",
}
# klog's verbosity of a record, by its level; warnings and errors are logged always.
_VERBOSITY = {logging.DEBUG: 4, logging.INFO: 2}
# Bounds how much of a line a client can write; a URI alone may have 64 KiB.
_LONGEST = 8192
OURS = "kcpfast"
# The attribute of a record that holds its named values.
NAMED_VALUES = "fields"
TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)


class Verbatim(str):
    """A value of our own making, which text shows without quotes."""

    __slots__ = ()


def escaped(text: str) -> str:
    """Return text in which every character is printable; the others become Python escapes."""
    if text.isprintable():
        return text
    return "".join(map(_escaped_character, text))


def _escaped_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def quoted(text: str) -> str:
    """Return text in quotes, with its own quotes escaped."""
    return '"' + escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


class Lines(logging.Formatter):
    """Formats a record as `W1130 14:52:45.123456  4711 kcpfast.api] text`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, followed by the indented lines of its traceback."""
        when = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micro = int(record.created % 1 * 1_000_000)
        letter = _LETTERS.get(record.levelno, "E")
        head = f"{letter}{when}.{micro:06d} {os.getpid():7d} {record.name}] "
        message = escaped(record.getMessage()) + _fields_as_text(_fields(record))
        lines = [head + message[:_LONGEST]]
        if record.exc_info:
            traceback = self.formatException(record.exc_info).split("\n")
            lines += ["    " + escaped(line)[:_LONGEST] for line in traceback]
        return "\n".join(lines)


class JsonLines(logging.Formatter):
    """Formats a record as a JSON object, with the keys of Kubernetes' JSON log format.

    `ts` is in milliseconds since the epoch; `v` is missing from warnings and errors, which have
    `err` and `stacktrace` if an exception was caught. Source: k8s.io/component-base/logs/json.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        entry: dict[str, object] = {
            "ts": round(record.created * 1000, 3),
            "caller": f"{_source(record.pathname)}:{record.lineno}",
            "logger": record.name,
            "msg": record.getMessage()[:_LONGEST],
        }
        if record.levelno in _VERBOSITY:
            entry["v"] = _VERBOSITY[record.levelno]
        for name, value in _fields(record).items():
            entry[name] = value[:_LONGEST] if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            entry["err"] = str(record.exc_info[1])[:_LONGEST]
            entry["stacktrace"] = self.formatException(record.exc_info)[:_LONGEST]
        return json.dumps(entry, separators=(",", ":"))


def _fields(record: logging.LogRecord) -> Mapping[str, str | int]:
    """Return the named values of a record."""
    fields: Mapping[str, str | int] = getattr(record, NAMED_VALUES, {})
    return fields


def _fields_as_text(fields: Mapping[str, str | int]) -> str:
    """Return named values as klog writes them, each after a space: ` verb="get" resp=200`."""
    pairs = []
    for name, value in fields.items():
        foreign = isinstance(value, str) and not isinstance(value, Verbatim)
        pairs.append(f" {name}={quoted(str(value)) if foreign else value}")
    return "".join(pairs)


def _source(path: str) -> str:
    """Return a source file as zap names it: its folder and its name."""
    folder, name = os.path.split(path)
    return f"{os.path.basename(folder)}/{name}"


def begin(verbosity: int, form: str = TEXT) -> None:
    """Write log lines from now on: warnings, from 2 on requests, from 4 on everything.

    `form` is one of FORMATS.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == JSON else Lines())
    logging.raiseExceptions = False  # a full disk below the log is no reason to write more
    logging.getLogger().addHandler(handler)
    if verbosity >= 4:
        level = logging.DEBUG
    elif verbosity >= 2:
        level = logging.INFO
    else:
        level = logging.WARNING
    logging.getLogger(OURS).setLevel(level)
