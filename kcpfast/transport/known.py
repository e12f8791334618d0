"""Blocks of headers that clients send again and again, each with what it was parsed to."""

from __future__ import annotations

from collections.abc import Mapping

from kcpfast._core.heads import HeaderBlock

_MOST = 512
# Headers that are about this message or this connection: they are looked at each time.
_NOT_KEPT = (b"connection", b"expect", b"trailer", b"transfer-encoding", b"upgrade")


def keep(known: dict[bytes, HeaderBlock], block: bytes, fields: Mapping[bytes, bytes]) -> None:
    """Remember what a block of headers was parsed to, if that may be repeated.

    Once there are too many all are forgotten: those in use are soon there again.
    """
    if any(name in fields for name in _NOT_KEPT):
        return
    if len(known) >= _MOST:
        known.clear()
    left = {name: value for name, value in fields.items() if name != b"content-length"}
    known[block] = HeaderBlock(left)
