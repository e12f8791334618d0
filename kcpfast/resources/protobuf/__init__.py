"""Protobuf for built-in kinds: bodies that typed Go clients send, answers they ask for.

`decode` and `encode` go from and to what JSON decodes to; `tables` hold the messages.
"""

from kcpfast.resources.protobuf.decode import decode
from kcpfast.resources.protobuf.encode import ListWriter, encode, encode_event

__all__ = ["ListWriter", "decode", "encode", "encode_event"]
