"""One step of a field path, in the text form that managed fields have on the wire.

    f:name              the member "name" of an object
    k:{"name":"x"}      the item of a list whose keys have these values
    v:"x"               the item of a set that is this value
    i:3                 the third item of a list (read, never written)
    .                   not a step: the place itself, where there are steps below it as well

Steps are compared and looked up as these strings, so their JSON must be written as Go writes it.
(KEP-555; https://kubernetes.io/docs/reference/using-api/server-side-apply/#fields)
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring as _quoted
from typing import Any

import msgspec

from kcpfast.meta.texts import embedded, signed
from kcpfast.patch.decoded import ABSENT
from kcpfast.patch.merge_type import MergeNode

# Go escapes these inside JSON strings, Python does not.
_GO_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
# One key with a plain word for its value: nearly all keyed elements, and read without a parser.
_PLAIN_KEY = re.compile(r'k:\{"(\w+)":"([\w./-]*)"\}')
_KIND_ORDER = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}
_NUMBER_ORDER, _TEXT_ORDER, _BOOL_ORDER, _REST_ORDER = range(4)


class Unkeyed(ValueError):
    """An item of an associative list has no identity: it lacks a key, or is of the wrong type."""


def item_element(item: Any, node: MergeNode) -> str:
    """Return the path element of an item of the associative list `node`; raises Unkeyed."""
    if not node.keys:
        if item is None or type(item) is dict or type(item) is list:
            raise Unkeyed("associative list without keys has an element that is not a scalar")
        return "v:" + literal(item)
    if type(item) is not dict:
        raise Unkeyed("associative list with keys may not have non-map elements")
    if len(node.keys) == 1:
        value = item.get(node.keys[0])
        if type(value) is str:
            return "k:{" + node.key_texts[0] + literal(value) + "}"
    parts = [
        text + literal(_key_value(item, key, node))
        for key, text in zip(node.keys, node.key_texts, strict=True)
    ]
    return "k:{" + ",".join(parts) + "}"


def _key_value(item: dict[str, Any], key: str, node: MergeNode) -> Any:
    value = item.get(key, ABSENT)
    if value is ABSENT:
        value = node.defaults.get(key, ABSENT)
    if value is ABSENT:
        raise Unkeyed(
            f'associative list with keys has an element that omits key field "{key}" '
            "(and doesn't have default value)"
        )
    return value


def literal(value: Any) -> str:
    """Return a value as the JSON that Go writes for it."""
    if type(value) is str:
        if value.isidentifier():
            return f'"{value}"'  # nothing in it needs an escape
        return _quoted(value).translate(_GO_ESCAPES)
    if type(value) is int:
        return str(value)
    if type(value) is float and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.translate(_GO_ESCAPES)


def parse_element(text: str) -> str:
    """Return a client's path element in the form that is used here, "" for an unknown kind.

    ValueError if it is malformed.
    """
    kind, colon, content = text[:1], text[1:2], text[2:]
    if colon != ":":
        raise ValueError(f"not a path element: {text[:100]}")
    if kind == "f":
        return text
    if kind == "v":
        return "v:" + literal(_value(content))
    if kind == "k":
        keys = embedded(content, dict)
        if not keys:
            raise ValueError(f"not the keys of a path element: {text[:100]}")
        return "k:" + literal(keys)
    if kind == "i":
        return f"i:{signed(content)}"
    return ""


def _value(content: str) -> Any:
    try:
        return msgspec.json.decode(content)
    except RecursionError as error:
        raise ValueError(f"not a path element: {content[:100]}") from error


def element_order(element: str) -> tuple[Any, ...]:
    """Return the sort key of a path element: members, then keyed items, values, positions."""
    kind = element[0]
    if kind in ".f":
        return (_KIND_ORDER[kind], element)
    plain = _PLAIN_KEY.fullmatch(element)
    if plain:
        key, value = plain.groups()
        return (_KIND_ORDER["k"], [(key, (_TEXT_ORDER, value))])
    content = json.loads(element[2:])
    if kind == "k":
        return (_KIND_ORDER["k"], [(key, _value_order(value)) for key, value in content.items()])
    return (_KIND_ORDER[kind], _value_order(content))


def _value_order(value: Any) -> tuple[int, Any]:
    """Return the sort key of a value: numbers, texts, booleans, then the rest by its JSON.

    As sigs.k8s.io/structured-merge-diff, value/value.go, CompareUsing.
    """
    if type(value) is bool:
        return (_BOOL_ORDER, value)
    if type(value) is int or type(value) is float:
        return (_NUMBER_ORDER, value)
    if type(value) is str:
        return (_TEXT_ORDER, value)
    return (_REST_ORDER, json.dumps(value))


def element_text(element: str) -> str:
    """Return a path element as error texts print it: `.name`, `[name="x",port=80]`, `[="x"]`."""
    kind, content = element[0], element[2:]
    if kind == "f":
        return "." + content
    if kind == "i":
        return f"[{content}]"
    value = json.loads(content)
    if kind == "v":
        return f"[={_json(value)}]"
    pairs = [f"{key}={_json(key_value)}" for key, key_value in value.items()]
    return f"[{','.join(pairs)}]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
