"""What a body may grow to while it is worked on, told from its bytes before any of it is decoded.

Measured with the worst there is: an object or list that is empty is two bytes of JSON and 75 in
memory, and what admission, ownership of fields and encoding keep of a value is as much again.
"""

from __future__ import annotations

import re

from kcpfast.api.negotiate import PROTOBUF

# What is smaller is part of what a connection holds anyway.
LARGE_BODY = 2048
_PER_BYTE, _PER_VALUE = 4, 150
_PER_BYTE_OF_PROTOBUF = 40  # a value is two bytes there
# Each begins with its mark: to look for a byte is a hundred times faster than for one of many.
_ALIAS, _ANCHOR = (
    (mark, re.compile(rb"\%b(?:(?<=[\s,:\[{-]\%b)|(?<=\A\%b))[^\s,\]}]" % (mark, mark, mark)))
    for mark in (b"*", b"&")
)
_MOST_MARKS = 10_000
_JSON_MARKS, _YAML_MARKS = b",:{[", b",:{[-\n"


def growth(body: bytes, media: str) -> int:
    """Return the bytes of memory that working on a body of a media type takes at most."""
    if PROTOBUF in media:
        return _PER_BYTE_OF_PROTOBUF * len(body)
    is_yaml = "yaml" in media
    marks = _YAML_MARKS if is_yaml else _JSON_MARKS
    values = len(body) - len(body.translate(None, marks))
    size = len(body)
    if is_yaml and _has(_ALIAS, body) and _has(_ANCHOR, body):
        from kcpfast.meta.yamltext import (  # noqa: PLC0415 - few bodies have aliases
            REPEATED_NODES,
            REPEATED_TEXT,
        )

        values, size = values + REPEATED_NODES, size + REPEATED_TEXT
    return _PER_BYTE * size + _PER_VALUE * values


def _has(what: tuple[bytes, re.Pattern[bytes]], body: bytes) -> bool:
    """Tell whether a YAML text may have an alias (or an anchor).

    A text with more than _MOST_MARKS of the character is not searched: it may have one.
    """
    mark, pattern = what
    count = body.count(mark)
    return count > _MOST_MARKS or (count > 0 and pattern.search(body) is not None)
