"""What a body may grow to while it is worked on, told from its bytes before any of it is decoded.

Measured with the worst there is: an object or list that is empty is two bytes of JSON and 75 in
memory, and what admission, ownership of fields and encoding keep of a value is as much again.
"""

from __future__ import annotations

from kcpfast.api.negotiate import PROTOBUF

# What is smaller is part of what a connection holds anyway.
LARGE = 2048
_PER_BYTE, _PER_VALUE = 4, 150
_PER_BYTE_OF_PROTOBUF = 40  # a value is two bytes there
_JSON_MARKS, _YAML_MARKS = b",:{[", b",:{[-\n"


def growth(body: bytes, media: str) -> int:
    """Return the bytes of memory that working on a body of a media type takes at most."""
    if PROTOBUF in media:
        return _PER_BYTE_OF_PROTOBUF * len(body)
    marks = _YAML_MARKS if "yaml" in media else _JSON_MARKS
    values = len(body) - len(body.translate(None, marks))
    return _PER_BYTE * len(body) + _PER_VALUE * values
