"""Answers in YAML: what would be sent as JSON, turned into YAML."""

from __future__ import annotations

import re

import msgspec

from kcpfast.meta.yamltext.writer import write

# Beyond this an answer is written in flow style, which its JSON is already.
_BLOCK_STYLE = 256 * 1024
# What JSON may hold as it is and YAML may not.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def flow(text: bytes) -> bytes:
    """Turn JSON, or a part of it, into YAML of flow style."""
    printable = _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text.decode())
    return printable.encode()


def write_yaml(body: bytes) -> bytes:
    """Turn JSON into YAML."""
    if len(body) > _BLOCK_STYLE:
        return flow(body) + b"\n"
    return write(msgspec.json.decode(body))
