"""Log lines: one a record, on standard error, in the form of klog. Foreign text cannot forge one.

Whatever a message holds of what clients, objects or webhooks said, the formatter escapes: control
characters, line breaks of any alphabet, halves of characters. A traceback's lines are indented, so
that none of them can pass for a record.
"""

from __future__ import annotations

import logging
import os
import time

_LETTERS = {
    logging.DEBUG: "D",
    logging.INFO: "I",
    logging.WARNING: "W",
    logging.ERROR: "E",
    logging.CRITICAL: "F",
}
# What a client may write into a line is bounded by this; a URI alone may be 64 KiB long.
_LONGEST = 8192
OURS = "kcpfast"


def escaped(text: str) -> str:
    """Return text in which every character can be printed; the others stand as in Python source."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def quoted(text: str) -> str:
    """Return text in quotes that it cannot end."""
    return '"' + escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


class Lines(logging.Formatter):
    """Formats a record as `W1130 14:52:45.123456  4711 kcpfast.api] text`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, with the indented lines of its traceback."""
        when = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micro = int(record.created % 1 * 1_000_000)
        letter = _LETTERS.get(record.levelno, "E")
        head = f"{letter}{when}.{micro:06d} {os.getpid():7d} {record.name}] "
        lines = [head + escaped(record.getMessage())[:_LONGEST]]
        if record.exc_info:
            lines += ["    " + escaped(line)[:_LONGEST] for line in self._traceback(record)]
        return "\n".join(lines)

    def _traceback(self, record: logging.LogRecord) -> list[str]:
        assert record.exc_info
        return self.formatException(record.exc_info).split("\n")


def begin(verbosity: int) -> None:
    """Write log lines from now on: warnings, from 2 on requests, from 4 on everything."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.raiseExceptions = False  # a full disk below the log is no reason to write more
    logging.getLogger().addHandler(handler)
    level = logging.DEBUG if verbosity >= 4 else logging.INFO if verbosity >= 2 else logging.WARNING
    logging.getLogger(OURS).setLevel(level)
