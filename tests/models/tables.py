"""The slow, obvious twin of rows: every object decoded, every row encoded."""

from __future__ import annotations

import json
from typing import Any

from kcpfast.resources.resource import Column


def rows(
    columns: tuple[Column, ...], items: bytes, version: str, include: str = "Metadata"
) -> list[dict[str, Any]]:
    found = []
    for obj in json.loads(items):
        row: dict[str, Any] = {"cells": [column.cell(obj) for column in columns]}
        if include == "Object":
            row["object"] = obj
        elif include != "None":
            row["object"] = partial(obj, version)
        found.append(row)
    return found


def partial(obj: dict[str, Any], version: str) -> dict[str, Any]:
    meta = obj["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": meta}
