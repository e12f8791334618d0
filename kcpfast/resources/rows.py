"""Rows of tables and bare metadata, made from the JSON of objects.

Of an object only what the cells read is decoded; its metadata, and the object itself where it is
wanted, go from the text they come in to the text that is sent as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import msgspec

from kcpfast.resources.resource import Column, Object
from kcpfast.work import pieces

# A text that is not decoded at once: nobody could interrupt that.
_LONG = 1024 * 1024
_Raw = msgspec.Raw


class Partial(msgspec.Struct, gc=False):
    """PartialObjectMetadata."""

    kind: str
    apiVersion: str
    metadata: _Raw


class TableRow(msgspec.Struct, gc=False):
    """A row of a Table."""

    cells: Sequence[Any]
    object: Partial | _Raw | msgspec.UnsetType = msgspec.UNSET


class _OnlyMetadata(msgspec.Struct, gc=False):
    metadata: _Raw


class _Names(TypedDict, total=False):
    """What most cells read of metadata."""

    name: Any
    namespace: Any
    creationTimestamp: Any


class _Reader(NamedTuple):
    """Decoders of what some columns read; `objects` None: of everything."""

    objects: msgspec.json.Decoder[list[Object]] | None
    metadata: msgspec.json.Decoder[Any]


_only_metadata = msgspec.json.Decoder(list[_OnlyMetadata])
_raws = msgspec.json.Decoder(list[_Raw])
_names: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Names)
_whole_metadata: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, Any])


@lru_cache(maxsize=512)
def _reader(columns: tuple[Column, ...]) -> _Reader:
    members: dict[str, Any] = {}
    for column in columns:
        if column.reads is None:
            return _Reader(None, _whole_metadata)
        members |= dict.fromkeys(column.reads, Any)
    metadata = _whole_metadata if "metadata" in members else _names
    kind: Any = TypedDict("kind", members | {"metadata": _Raw}, total=False)  # type: ignore[misc]
    return _Reader(msgspec.json.Decoder(list[kind]), metadata)


def partials(items: bytes, version: str) -> list[Partial]:
    """Return the metadata of objects, given as a JSON array, in a version of meta.k8s.io."""
    return [_partial(version, obj.metadata) for obj in _only_metadata.decode(items)]


def _partial(version: str, metadata: _Raw) -> Partial:
    return Partial("PartialObjectMetadata", version, metadata)


def rows(
    columns: tuple[Column, ...], items: bytes, version: str, include: str = "Metadata"
) -> list[TableRow]:
    """Return a row for each object of a JSON array.

    `include` tells what of an object goes along: its Metadata, the Object, or None of it.
    """
    objects, metadata = _read(_reader(columns), items)
    cells: Iterable[Sequence[Any]] = [()] * len(objects)
    if columns:
        cells = zip(*([column.cell(obj) for obj in objects] for column in columns), strict=True)
    if include == "None":
        return [TableRow(row_cells) for row_cells in cells]
    if include == "Object":
        return [
            TableRow(row_cells, obj)
            for row_cells, obj in zip(cells, _raws.decode(items), strict=True)
        ]
    return [
        TableRow(row_cells, _partial(version, meta))
        for row_cells, meta in zip(cells, metadata, strict=True)
    ]


def _read(reader: _Reader, items: bytes) -> tuple[list[Object], list[_Raw]]:
    """Return objects as far as they are read, and the text of their metadata."""
    if reader.objects is None or len(items) > _LONG:
        metadata = [obj.metadata for obj in _only_metadata.decode(items)]
        return pieces.decode(items), metadata
    objects, read = reader.objects.decode(items), reader.metadata.decode
    metadata = [obj["metadata"] for obj in objects]
    for obj, text in zip(objects, metadata, strict=True):
        obj["metadata"] = read(text)
    return objects, metadata
