"""Definitions: of many fields, versions, columns, patterns, rules."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    APPLY,
    DEFINITIONS,
    Nasty,
    Shot,
    custom,
    definition,
    path,
    post,
    ruled,
    text,
)


def _fields(number: int, **more: Any) -> dict[str, Any]:
    return {f"field{n}": {"type": "string"} | more for n in range(number)}


def _schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}


def _deep_schema(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return {"type": "object", "properties": {"spec": schema}}


def _versions(number: int, fields: int) -> list[Shot]:
    found = definition("versions", "Versions", _schema(_fields(fields)))
    listed = found["spec"]["versions"]
    listed += [listed[0] | {"name": f"v{n}", "storage": False} for n in range(2, number)]
    return [post(DEFINITIONS, found)]


LISTED = [
    Nasty(
        "a definition of 15,000 fields",
        lambda: [
            post(
                DEFINITIONS,
                definition("wides", "Wides", _schema(_fields(15_000, description="a" * 60))),
            )
        ],
    ),
    Nasty(
        "the same fields, other text",
        lambda: [
            Shot(
                "PATCH",
                f"{DEFINITIONS}/wides.stall.example.com?fieldManager=x&force=true",
                text(definition("wides", "Wides", _schema(_fields(15_000)))),
                APPLY,
            )
        ],
    ),
    Nasty(
        "an object of 15,000 fields",
        lambda: [
            post(
                path(kind="wides"),
                custom("a", spec={f"field{n}": "x" for n in range(15_000)}) | {"kind": "Wides"},
            )
        ],
    ),
    Nasty(
        "a definition of 3,000 patterns",
        lambda: [
            post(
                DEFINITIONS,
                definition(
                    "patterns",
                    "Patterns",
                    _schema(
                        {
                            f"f{n}": {"type": "string", "pattern": f"^(a|b{n})+$"}
                            for n in range(3_000)
                        }
                    ),
                ),
            )
        ],
    ),
    Nasty(
        "a definition of 1,500 rules",
        lambda: ruled("rules", [{"rule": f"size(self.l) != {n}"} for n in range(1_500)]),
    ),
    Nasty(
        "a definition 90 deep",
        lambda: [post(DEFINITIONS, definition("deeps", "Deeps", _deep_schema(90)))],
    ),
    Nasty(
        "a definition 3,000 deep",
        lambda: [post(DEFINITIONS, definition("deepers", "Deepers", _deep_schema(400)))],
    ),
    Nasty("a definition of 100 versions", lambda: _versions(100, 20)),
    Nasty("a definition of 20,000 versions", lambda: _versions(20_000, 0)),
    Nasty(
        "a definition of 5,000 columns",
        lambda: [
            post(
                DEFINITIONS,
                definition(
                    "columns",
                    "Columns",
                    _schema({}),
                    additionalPrinterColumns=[
                        {"name": f"c{n}", "type": "string", "jsonPath": f".spec.field{n}"}
                        for n in range(5_000)
                    ],
                ),
            )
        ],
    ),
    Nasty(
        "an enum of 100,000 values",
        lambda: [
            post(
                DEFINITIONS,
                definition(
                    "enums",
                    "Enums",
                    _schema({"e": {"type": "string", "enum": [f"e{n}" for n in range(100_000)]}}),
                ),
            )
        ],
    ),
    Nasty(
        "defaults of 1 MB",
        lambda: [
            post(
                DEFINITIONS,
                definition(
                    "defaults",
                    "Defaults",
                    _schema(
                        {
                            "d": {
                                "type": "array",
                                "items": {"type": "integer"},
                                "default": [1] * 400_000,
                            }
                        }
                    ),
                ),
            )
        ],
    ),
    Nasty(
        "a definition of nonsense",
        lambda: [
            post(
                DEFINITIONS,
                definition(
                    "wrongs",
                    "Wrongs",
                    _schema({f"f{n}": {"type": "nonsense", "pattern": "("} for n in range(30_000)}),
                ),
            )
        ],
    ),
]
