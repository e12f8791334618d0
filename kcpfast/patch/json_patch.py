"""JSON patch: the change of an object written as a list of operations (RFC 6902).

Where the RFC and kube-apiserver differ, the server is followed, since clients are tested against
it: `replace` of a missing member adds it, `copy` of a missing member copies null, a missing
member passes `test` for null, array indices may count from the end (-1), and `add`, `remove`,
`move` and `copy` cannot reach the whole document. Values are compared as JSON values, not as the
bytes they were written in.

The document and every value are copied first, so that operations may then work in place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError, bad_request
from kcpfast.patch.decoded import ABSENT, check_depth, refuse_too_deep, same

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024
# Inserting into a list moves the items behind it; moving this many takes a tenth of a second.
MAX_MOVED_ITEMS = 50_000_000

# RFC 6901 section 4: no leading zeros. Ten digits are more than any list has items.
_INDEX = re.compile(r"-?(?:0|[1-9][0-9]{0,9})", re.ASCII)

Operation = dict[str, Any]


@refuse_too_deep
def apply_json_patch(document: dict[str, Any], operations: Any) -> Any:
    """Return what the operations make of `document`; neither is changed.

    The result need not be an object, since `replace` may exchange the whole document. Raises 400
    if `operations` is not a list of objects or the result is nested too deeply, 413 for more than
    MAX_OPERATIONS, 422 (without details, as upstream) if an operation fails.
    """
    if not _is_list_of_objects(operations):
        raise bad_request("a JSON patch must be a list of operations, each an object")
    if len(operations) > MAX_OPERATIONS:
        raise ApiError(
            "RequestEntityTooLarge",
            "Request entity is too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    patching = _Patching(copy_json(document))
    for operation in operations:
        kind = operation.get("op")
        if type(kind) is not str or kind not in _ACTIONS:
            raise _rejected(f"unexpected kind: {kind}")
        _ACTIONS[kind](patching, operation)
    check_depth(patching.document)
    return patching.document


def _is_list_of_objects(value: Any) -> bool:
    return type(value) is list and all(type(item) is dict for item in value)


def _rejected(_reason: str) -> ApiError:
    """Return the refusal; why an operation fails a kube-apiserver keeps to itself."""
    text = "the server rejected our request due to an error in our request"
    return ApiError("Invalid", text, details={})


class _Patching:
    """The document between two operations, and the work done so far, which is bounded."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.copied = 0
        self.moved = 0

    def spend_move(self, items: int) -> None:
        self.moved += items
        if self.moved > MAX_MOVED_ITEMS:
            raise _rejected("the operations move too many list items")

    def spend_copy(self, value: Any) -> None:
        self.copied += _size(value)
        if self.copied > MAX_COPIED_BYTES:
            raise _rejected(
                "Unable to complete the copy, the accumulated size increase of copy is "
                f"{self.copied}, exceeding the limit {MAX_COPIED_BYTES}"
            )


def _size(value: Any) -> int:
    """Return roughly how many bytes the value is as JSON."""
    if type(value) is dict:
        return 2 + sum(len(key) + 4 + _size(item) for key, item in value.items())
    if type(value) is list:
        return 2 + sum(1 + _size(item) for item in value)
    return len(value) + 2 if type(value) is str else 8


# ---------------------------------------------------------------- pointers (RFC 6901)


def _pointer(operation: Operation, member: str) -> list[str]:
    pointer = operation.get(member)
    if type(pointer) is not str:
        raise _rejected(f"{operation['op']} operation is missing its {member}: missing value")
    if pointer and not pointer.startswith("/"):
        raise _rejected(f"{member} is not a JSON pointer: {pointer}")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _index(token: str, length: int) -> int:
    """Return the index that a token means in a list of `length` items; 422 if there is none."""
    if not _INDEX.fullmatch(token):
        raise _rejected(f"value was not a proper array index: '{token}'")
    index = int(token)
    if index < 0:
        index += length
    if not 0 <= index < length:
        raise _rejected(f"Unable to access invalid index: {token}: invalid index referenced")
    return index


def _get(container: Any, token: str) -> Any:
    """Return a member, or ABSENT if an object lacks it."""
    if type(container) is dict:
        return container.get(token, ABSENT)
    return container[_index(token, len(container))]


def _holder(patching: _Patching, operation: Operation, member: str) -> tuple[Any, str]:
    """Return the container that a pointer's last token is about, and that token.

    `member` names the pointer: "path" or "from". Raises 422 if there is no such container.
    """
    tokens = _pointer(operation, member)
    container = patching.document if tokens else None
    for token in tokens[:-1]:
        container = _get(container, token)
        if type(container) is not dict and type(container) is not list:
            container = None
            break
    if type(container) is not dict and type(container) is not list:
        raise _rejected(
            f"{operation['op']} operation does not apply: doc is missing path: "
            f'"{operation[member]}": missing value'
        )
    return container, tokens[-1]


# ---------------------------------------------------------------- operations (RFC 6902 section 4)


def _insert(patching: _Patching, container: Any, token: str, value: Any) -> None:
    if type(container) is dict:
        container[token] = value
    elif token == "-":
        container.append(value)
    else:
        index = _index(token, len(container) + 1)
        patching.spend_move(len(container) - index)
        container.insert(index, value)


def _take(patching: _Patching, container: Any, token: str) -> Any:
    if type(container) is list:
        index = _index(token, len(container))
        patching.spend_move(len(container) - index)
        return container.pop(index)
    if token not in container:
        raise _rejected(f"Unable to remove nonexistent key: {token}: missing value")
    return container.pop(token)


def _add(patching: _Patching, operation: Operation) -> None:
    container, token = _holder(patching, operation, "path")
    _insert(patching, container, token, copy_json(operation.get("value")))


def _remove(patching: _Patching, operation: Operation) -> None:
    _take(patching, *_holder(patching, operation, "path"))


def _replace(patching: _Patching, operation: Operation) -> None:
    value = copy_json(operation.get("value"))
    if operation.get("path") == "":
        if type(value) is not dict and type(value) is not list:
            raise _rejected("replace operation value must be object or array")
        patching.document = value
        return
    container, token = _holder(patching, operation, "path")
    if type(container) is list:
        container[_index(token, len(container))] = value
    else:
        container[token] = value


def _move(patching: _Patching, operation: Operation) -> None:
    value = _take(patching, *_holder(patching, operation, "from"))
    container, token = _holder(patching, operation, "path")
    _insert(patching, container, token, value)


def _copy(patching: _Patching, operation: Operation) -> None:
    value = _get(*_holder(patching, operation, "from"))
    container, token = _holder(patching, operation, "path")
    if value is ABSENT:
        value = None
    patching.spend_copy(value)
    _insert(patching, container, token, copy_json(value))


def _test(patching: _Patching, operation: Operation) -> None:
    if operation.get("path") == "":
        actual = patching.document
    else:
        actual = _get(*_holder(patching, operation, "path"))
    if actual is ABSENT:
        actual = None
    if not same(actual, operation.get("value")):
        raise _rejected(f"testing value {operation['path']} failed: test failed")


_ACTIONS: dict[str, Callable[[_Patching, Operation], None]] = {
    "add": _add,
    "copy": _copy,
    "move": _move,
    "remove": _remove,
    "replace": _replace,
    "test": _test,
}
