"""What cel-go with Kubernetes' libraries answers, this evaluator answers too (cases.json)."""

import base64
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kcpfast.schema.cel import Budget, CelError, CelType, compile_expression, type_of_schema
from kcpfast.schema.cel.library.times import to_text
from kcpfast.schema.cel.values import NO_VALUE, Optional, Timestamp, TypeValue, kind_of, type_name

from . import typed

GROUPS = json.loads((Path(__file__).parent / "cases.json").read_text())["groups"]
CASES = [
    pytest.param(group, case, id=f"{group['name']}-{case['expr'][:60]}")
    for group in GROUPS
    for case in group["cases"]
]


def written(value: Any) -> Any:
    """Return a value as the data file writes it: CEL's type beside what JSON cannot tell."""
    kind = kind_of(value)
    if kind in ("bool", "string"):
        return value
    if kind == "list":
        return [written(item) for item in value]
    if kind in ("map", "object"):
        pairs = [[written(key), written(value[key])] for key in value]
        return {"map": sorted(pairs, key=lambda pair: json.dumps(pair, separators=(",", ":")))}
    if isinstance(value, Optional):
        return {"optional": None if value is NO_VALUE else [written(value.held)]}
    return _written_scalar(value, kind)


def _written_scalar(value: Any, kind: str) -> Any:
    if kind in ("int", "uint", "duration"):
        return {kind: str(int(value))}
    if kind == "double":
        return {"double": value if math.isfinite(value) else f"{value}"}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Timestamp):
        return {"timestamp": to_text(Timestamp(int(value)))}
    if isinstance(value, TypeValue):
        return {"type": value.name}
    return {"null": ""} if value is None else {"other": type_name(value)}


def variables(group: Mapping[str, Any]) -> dict[str, CelType]:
    declared = typed(group["variables"])
    if group["schema"] is not None:
        own = type_of_schema(group["schema"], resource=group["resource"])
        assert own is not None
        declared |= {"self": own, "oldSelf": own}
    return declared


@pytest.mark.parametrize(("group", "case"), CASES)
def test_agrees_with_kubernetes(group: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    answer: dict[str, Any] = {"expr": case["expr"]}
    budget = Budget()
    try:
        program = compile_expression(case["expr"], variables(group))
        answer["value"] = written(program.evaluate(group["bindings"], budget))
        if "cost" in case:
            answer["cost"] = budget.used
    except CelError as error:
        if error.stage == "compilation failed":
            answer["compile"] = error.message
        else:
            answer["error"] = ("PROGRAM " if error.stage else "") + error.message
    assert answer == case
