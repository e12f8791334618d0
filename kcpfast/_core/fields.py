"""The fields of what has just appeared, in the form and order of FieldsV1: run for every create.

A set of fields is nested dicts of path elements, as kcpfast.patch.fieldset tells. `node` is a
kcpfast.patch.merge_type.MergeNode; of it `fields`, `other`, `granular`, `associative` and `always`
are read.
"""

import cython

from kcpfast._core._turn import turn

_SELF: str = "."
# the C stack has no end of its own that could be caught
_MAX_DEPTH = cython.declare(cython.int, 450)
# entries, and characters of a key
_MAX_OUTLINE = cython.declare(cython.int, 128)
# strings that are sorted within a millisecond
_RUN = cython.declare(cython.Py_ssize_t, 4096)
LEAF: dict = {}  # type: ignore[type-arg]


@cython.ccall
def all_fields(value: object, node: object, listed: object) -> dict:  # type: ignore[type-arg]
    """Return a place whose value has just appeared, and all that is below it.

    `listed(items, node)` returns the place of an associative list. RecursionError for what is
    nested too deeply.
    """
    managed: dict = _all(value, node, listed, 0)  # type: ignore[type-arg]
    return managed


@cython.ccall
def new_fields(obj: dict, node: object, listed: object) -> dict:  # type: ignore[type-arg]
    """Return the fields that a new object has and an empty one has not; see all_fields."""
    out: dict = {}  # type: ignore[type-arg]
    _members(obj, node, listed, out, True, 0)
    return out


@cython.cfunc
def _all(value: object, node: object, listed: object, depth: cython.int) -> dict:  # type: ignore[type-arg]
    if not value:
        return LEAF
    if type(value) is dict and node.granular:  # type: ignore[attr-defined]
        out: dict = {_SELF: LEAF}  # type: ignore[type-arg]
        _members(value, node, listed, out, False, depth + 1)
        return out
    if type(value) is list and node.associative:  # type: ignore[attr-defined]
        managed: dict = listed(value, node)  # type: ignore[type-arg, operator]
        return managed
    return LEAF


@cython.cfunc
@cython.returns(cython.void)
def _members(  # type: ignore[no-untyped-def]
    obj: dict,  # type: ignore[type-arg]
    node: object,
    listed: object,
    out: dict,  # type: ignore[type-arg]
    new: cython.bint,
    depth: cython.int,
):
    """Enter the members of an object; those that are always there are nobody's if it is new."""
    if depth > _MAX_DEPTH:
        raise RecursionError
    fields: dict = node.fields  # type: ignore[attr-defined, type-arg]
    other: object = node.other  # type: ignore[attr-defined]
    keys: list = in_order(list(obj))  # type: ignore[type-arg]
    count: cython.int = 0
    for key in keys:
        count += 1
        if count % _RUN == 0:
            turn()
        item: object = obj[key]
        kind: object = type(item)
        element: str = "f:" + key
        if kind is not dict and kind is not list:
            out[element] = LEAF
            continue
        child: object = fields.get(key) or other
        if new and kind is dict and child.always:  # type: ignore[attr-defined]
            below: dict = {}  # type: ignore[type-arg]
            if item and child.granular:  # type: ignore[attr-defined]
                _members(item, child, listed, below, True, depth + 1)
            if below or (item and not child.granular):  # type: ignore[attr-defined]
                out[element] = below
        else:
            out[element] = _all(item, child, listed, depth)


@cython.ccall
def in_order(words: list) -> list:  # type: ignore[type-arg]
    """Return strings in order; many of them without holding the interpreter lock for long."""
    count: cython.Py_ssize_t = len(words)
    if count <= _RUN:
        words.sort()
        return words
    runs: list = []  # type: ignore[type-arg]
    start: cython.Py_ssize_t
    for start in range(0, count, _RUN):
        run: list = words[start : start + _RUN]  # type: ignore[type-arg]
        run.sort()
        runs.append(run)
        turn()
    while len(runs) > 1:
        pairs: list = []  # type: ignore[type-arg]
        for start in range(0, len(runs), 2):
            if start + 1 < len(runs):
                pairs.append(_merged(runs[start], runs[start + 1]))
            else:
                pairs.append(runs[start])
        runs = pairs
    return runs[0]  # type: ignore[no-any-return]


@cython.cfunc
def _merged(left: list, right: list) -> list:  # type: ignore[type-arg]
    out: list = []  # type: ignore[type-arg]
    left_index: cython.Py_ssize_t = 0
    right_index: cython.Py_ssize_t = 0
    mine: str
    theirs: str
    while left_index < len(left) and right_index < len(right):
        mine = left[left_index]
        theirs = right[right_index]
        if theirs < mine:
            out.append(theirs)
            right_index += 1
        else:
            out.append(mine)
            left_index += 1
        if (left_index + right_index) % _RUN == 0:
            turn()
    out.extend(left[left_index:])
    out.extend(right[right_index:])
    return out


@cython.ccall
def outline(obj: dict, node: object) -> tuple | None:  # type: ignore[type-arg]
    """Return what is equal for objects with the same new_fields, None for what cannot be told so.

    It holds the keys that are walked, in their order; items of associative lists are fields
    themselves. It is made to be kept: there is none of large objects.
    """
    out: list = []  # type: ignore[type-arg]
    return tuple(out) if _outline(obj, node, out, 0) else None


@cython.cfunc
@cython.returns(cython.bint)
def _outline(obj: dict, node: object, out: list, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    if depth > _MAX_DEPTH:
        raise RecursionError
    fields: dict = node.fields  # type: ignore[attr-defined, type-arg]
    name: str
    for name, item in obj.items():
        if len(out) > _MAX_OUTLINE or len(name) > _MAX_OUTLINE:
            return False
        out.append(name)
        kind: object = type(item)
        if kind is not dict and kind is not list:
            continue
        if not item:
            out.append(kind)
            continue
        child: object = fields.get(name) or node.other  # type: ignore[attr-defined]
        if kind is list:
            if child.associative:  # type: ignore[attr-defined]
                return False
        elif child.granular:  # type: ignore[attr-defined]
            out.append(1)
            if not _outline(item, child, out, depth + 1):
                return False
            out.append(0)
    return True
