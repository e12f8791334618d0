"""What compiling the kernels is worth: each beside the same file, interpreted."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kcpfast._core
from kcpfast.schema.program import compile_schema

FOLDER = Path(kcpfast._core.__file__).parent
PATHS = (
    "/clusters/root:org:team/api/v1/namespaces/default/configmaps/theme",
    "/clusters/root:org:team/apis/demo.example.com/v1/widgets",
    "/services/apiexport/1je5usrqkko9gikw/demo/clusters/*/apis/demo.example.com/v1/widgets",
)
KEY = b"demo.example.com/widgets\x001je5usrqkko9gikw\0default\0web"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["items"],
            "properties": {
                "mode": {"type": "string", "default": "auto"},
                "items": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "count": {"type": "integer", "default": 1},
                            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                        },
                    },
                },
            },
        }
    },
}


def item(at: int) -> dict[str, Any]:
    return {"name": f"item-{at}", "count": at, "tags": {"a": "b", "c": "d"}}


OBJECT = {"spec": {"mode": "fast", "items": [item(at) for at in range(20)]}}
TEXT = json.dumps(OBJECT).encode()
META = {
    "labels": {"app.kubernetes.io/name": "load", "tier": "web"},
    "annotations": {"kcp.io/cluster": "1je5usrqkko9gikw", "example.com/note": "x" * 80},
}


def interpreted(name: str) -> ModuleType:
    """Return a kernel from its source, as Python runs it."""
    full = f"interpreted_{name}"
    loader = importlib.machinery.SourceFileLoader(full, str(FOLDER / f"{name}.py"))
    spec = importlib.util.spec_from_loader(full, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def compiled(name: str) -> ModuleType:
    """Return a kernel as it is shipped; it is an error if it was not compiled."""
    module = importlib.import_module(f"kcpfast._core.{name}")
    assert str(module.__file__).endswith(".so")
    return module


BOTH = pytest.mark.parametrize("side", [compiled, interpreted], ids=["kernel", "twin"])
FIELDS = (
    "type", "nullable", "keep_unknown", "embedded", "checks", "typed", "keep_empty", "defaults",
    "required", "list_keys",
)  # fmt: skip


def twin(node: Any, module: ModuleType) -> Any:
    """Return a compiled schema's tree, made of another module's nodes."""
    made = module.SchemaNode()
    for name in FIELDS:
        setattr(made, name, getattr(node, name))
    made.properties = {key: twin(each, module) for key, each in node.properties.items()}
    made.additional = twin(node.additional, module) if node.additional is not None else None
    made.items = twin(node.items, module) if node.items is not None else None
    return made


@BOTH
def test_route(benchmark: Any, side: Any) -> None:
    """Three paths routed."""
    route = side("routing").route
    benchmark(lambda: [route(path) for path in PATHS])


@BOTH
def test_duplicates(benchmark: Any, side: Any) -> None:
    """Duplicate keys looked for in 1.5 KB of JSON."""
    assert benchmark(side("jsonscan").duplicates, TEXT) == []


@BOTH
def test_validate(benchmark: Any, side: Any) -> None:
    """A custom object of 1.5 KB pruned, defaulted and validated."""
    module = side("schema")
    node = twin(compile_schema(SCHEMA).root, module)

    def run() -> Any:
        report = module.Report(True, True, True)
        module.run(node, OBJECT, report)
        return report.errors

    assert benchmark(run) == []


@BOTH
def test_same(benchmark: Any, side: Any) -> None:
    """Two equal objects of 1.5 KB compared as JSON."""
    assert benchmark(side("decoded").same, OBJECT, json.loads(TEXT))


@BOTH
def test_plain_metadata(benchmark: Any, side: Any) -> None:
    """Labels and annotations of an object found to be right."""
    assert benchmark(side("decoded").is_plain, META)


@BOTH
def test_find_among_ten_thousand_watches(benchmark: Any, side: Any) -> None:
    """The watches of a key among 10,000."""
    fanout = side("fanout").Fanout()
    for at in range(10_000):
        fanout.add(b"demo.example.com/widgets\0cluster%d\0" % at, object())
    fanout.add(KEY, "watch")
    assert benchmark(fanout.find, KEY) == ["watch"]
