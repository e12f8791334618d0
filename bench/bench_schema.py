"""What a schema does to a custom object of 2 KB: unknown fields dropped, defaults, checks."""

from __future__ import annotations

import json
from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.schema.program import compile_schema

TEXT = {"type": "string", "maxLength": 253}
PORT = {
    "type": "object",
    "required": ["name", "port"],
    "properties": {
        "name": TEXT | {"pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "protocol": {"type": "string", "default": "TCP", "enum": ["TCP", "UDP", "SCTP"]},
    },
}
CONDITION = {
    "type": "object",
    "required": ["type", "status"],
    "properties": dict.fromkeys(("type", "status", "reason", "message"), TEXT),
}
SPEC = {
    "type": "object",
    "required": ["image", "ports"],
    "properties": {
        "image": TEXT,
        "mode": {"type": "string", "default": "auto", "enum": ["auto", "fast"]},
        "replicas": {"type": "integer", "default": 1, "minimum": 0},
        "args": {"type": "array", "items": TEXT},
        "env": {"type": "object", "additionalProperties": TEXT},
        "ports": {"type": "array", "items": PORT, "maxItems": 64},
    },
}
STATUS = {"type": "object", "properties": {"conditions": {"type": "array", "items": CONDITION}}}
SCHEMA = {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}
OBJECT = {
    "apiVersion": "demo.example.com/v1",
    "kind": "Server",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "image": "registry.example.com/team/web:1.2.3",
        "args": [f"--flag-{at}=value" for at in range(10)],
        "env": {f"VARIABLE_{at}": f"the value of variable {at}" for at in range(16)},
        "ports": [{"name": f"port-{at}", "port": 8000 + at} for at in range(8)],
    },
    "status": {
        "conditions": [
            {"type": kind, "status": "True", "reason": "Ok", "message": "all is well"}
            for kind in ("Ready", "Synced", "Healthy", "Bound")
        ]
    },
}
PROGRAM = compile_schema(SCHEMA)


def test_object(benchmark: Any) -> None:
    """An object of 2 KB pruned, defaulted and validated."""
    obj = copy_json(OBJECT)
    assert 1600 < len(json.dumps(obj)) < 2400
    PROGRAM.prune(obj)

    def run() -> Any:
        return PROGRAM.prune(obj) + PROGRAM.validate(obj)

    assert benchmark(run) == []


def test_compiled(benchmark: Any) -> None:
    """Its schema compiled."""
    benchmark(compile_schema, SCHEMA)
