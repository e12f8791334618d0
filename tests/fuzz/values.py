"""Values that a schema allows, and places in a decoded object: what mutations are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.resources.builtin import definitions
from tests.fuzz.choices import Choices
from tests.fuzz.hostile import VALUES

Schema = Mapping[str, Any]
Place = tuple[Any, Any]  # a container and the key in it
WORDS = ("a", "b", "default", "configmaps", "x.example.com", "root:shop", "v1", "", "*", "1s", "5")


def resolved(schema: Schema) -> Schema:
    """Return a schema with the definition it refers to in its place."""
    reference = schema.get("$ref") or next(
        (each["$ref"] for each in schema.get("allOf") or () if "$ref" in each), ""
    )
    return definitions().get(str(reference).rpartition("/")[2], {}) if reference else schema


def typed(schema: Schema, choices: Choices, depth: int = 4) -> Any:
    """Return a value of the type that a schema asks for; nothing else of it is obeyed."""
    schema = resolved(schema)
    kind = schema.get("type")
    if kind == "object" and schema.get("properties") and depth:
        names = sorted(schema["properties"])
        chosen = {choices.pick(names) for _ in range(1 + choices.number(4))}
        chosen |= set(schema.get("required") or ())
        properties = schema["properties"]
        return {
            name: typed(properties[name], choices, depth - 1)
            for name in sorted(chosen)
            if name in properties
        }
    if kind == "object":
        below = schema.get("additionalProperties") or {"type": "string"}
        return {choices.pick(WORDS): typed(below, choices, depth - 1)} if depth > 0 else {}
    if kind == "array":
        below = schema.get("items") or {}
        return (
            [typed(below, choices, depth - 1) for _ in range(choices.number(3))]
            if depth > 0
            else []
        )
    if kind in ("integer", "number"):
        return choices.pick((1, 0, 2, 600, 3600, -1, 2**31 - 1))
    if kind == "boolean":
        return choices.chance(50)
    if kind == "string":
        return choices.pick(schema.get("enum") or WORDS)
    return hostile(choices)


def hostile(choices: Choices) -> Any:
    """Return a value that has broken servers before, the caller's own."""
    return copy_json(choices.pick(VALUES))


def places(value: Any, depth: int = 12) -> Iterator[Place]:
    """Yield the places of a decoded value, outermost first, not those far down."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in list(keys):
        yield value, key
        if depth:
            yield from places(value[key], depth - 1)


def mutate(obj: Any, schema: Schema, choices: Choices) -> None:
    """Change an object in one place: another value, one more member, or one less."""
    found = list(places(obj))
    place: Place = choices.pick(found) if found else (obj, "a")
    container, key = place
    way = choices.number(10)
    if way < 4:
        container[key] = hostile(choices)
    elif way < 7:
        _graft(obj, schema, choices)
    elif way == 7 and isinstance(container, dict):
        container.pop(key, None)
    elif way == 8 and isinstance(container, dict):
        container[choices.pick(("", "a", "\ud800", "a/b", "x" * 70, "é"))] = hostile(choices)
    elif isinstance(container, list):
        container.extend([hostile(choices), container[key]])
    else:
        container[key] = [container[key], container[key]]


def _graft(obj: Any, schema: Schema, choices: Choices) -> None:
    """Set a member that the schema knows, somewhere on the way down, to a value of its type."""
    while True:
        schema = resolved(schema)
        properties = schema.get("properties")
        if isinstance(obj, list):
            if not obj:
                obj.append(typed(schema.get("items") or {}, choices))
                return
            obj, schema = choices.pick(obj), schema.get("items") or {}
            continue
        if not properties or not isinstance(obj, dict):
            return
        name = choices.pick(sorted(properties))
        if isinstance(obj.get(name), dict | list) and choices.chance(75):
            obj, schema = obj[name], properties[name]
            continue
        obj[name] = hostile(choices) if choices.chance(15) else typed(properties[name], choices)
        return
