"""All that most expressions need, loaded at once: for who loads it beside the event loop.

A start does without, and the first expression would wait for each part of it.
"""

from __future__ import annotations

from . import estimate, program, results, schemas, signatures, values

__all__ = ["estimate", "program", "results", "schemas", "values"]

for _library in signatures.COMMON:
    signatures.rows_of(_library)
