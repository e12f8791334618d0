"""CEL rules of schemas (`x-kubernetes-validations`): placeholder until the evaluator is merged."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.errors import Cause
from kcpfast.schema.program import Program


def check_rules(program: Program, obj: Any, old: Any | None) -> list[Cause]:
    """Return the rules that an object breaks."""
    return []
