"""Looks at JSON before or beside its decoder: fields that stand twice, where a text may be cut.

Decoders keep the last of two equal keys and say nothing; Kubernetes warns or refuses (field
validation, KEP-2885). The text must be valid JSON: a decoder has seen it before.
"""

import json

import cython

from kcpfast._core._turn import turn

MAX_FOUND = 100  # as sigs.k8s.io/json: so many strict errors are kept, each once
# Texts, numbers and brackets between two moments in which others may have the interpreter lock.
_STRIDE = cython.declare(cython.int, 4096)


@cython.ccall
def duplicates(text: bytes) -> list:  # type: ignore[type-arg]
    """Return the path of each field that repeats an earlier one, e.g. `spec.ports[0].name`.

    Each is told once, and no more than MAX_FOUND.
    """
    found: list = []  # type: ignore[type-arg]
    seen: list = []  # type: ignore[type-arg]
    names: list = []  # type: ignore[type-arg]
    keys: dict | None = None  # type: ignore[type-arg]
    count: cython.int = 0
    at: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(text)
    start: cython.Py_ssize_t
    expects_key: cython.bint = False
    escaped: cython.bint
    char: cython.uchar
    data: cython.p_const_uchar = text
    while at < end:
        char = data[at]
        if char == 34:  # "
            at += 1
            start = at
            escaped = False
            while data[at] != 34:
                if data[at] == 92:
                    escaped = True
                    at += 1
                at += 1
            if expects_key:
                key: object = text[start:at]
                if escaped:
                    key = json.loads(b'"' + text[start:at] + b'"').encode()
                names[-1] = key
                _note(keys, key, names, found)  # type: ignore[arg-type]
                if len(found) >= MAX_FOUND:
                    return found
                expects_key = False
        elif char == 123 or char == 91:  # { [
            seen.append(keys)
            expects_key = char == 123
            keys = {} if expects_key else None
            names.append(b"" if expects_key else 0)
        elif char == 125 or char == 93:  # } ]
            keys = seen.pop()
            names.pop()
            expects_key = False
        elif char == 44:  # ,
            if keys is None:
                names[-1] = names[-1] + 1
            else:
                expects_key = True
        at += 1
        count += 1
        if count % _STRIDE == 0:
            turn()
    return found


@cython.cfunc
@cython.returns(cython.void)
def _note(keys: dict, key: object, names: list, found: list):  # type: ignore[no-untyped-def, type-arg]
    """Note a key of an object; tell it when it comes for the second time."""
    told: object = keys.get(key)
    if told is None:
        keys[key] = False
    elif told is False:
        found.append(_path(names))
        keys[key] = True


@cython.ccall
def cuts(text: bytes, start: cython.Py_ssize_t, step: cython.Py_ssize_t) -> list:  # type: ignore[type-arg]
    """Return where a JSON container can be cut: before its items, so that pieces are `step` long.

    It begins at `start` with its bracket; the first place is behind that, the last one is where
    its closing bracket is. A piece is longer than `step` and an item if that is a single item. An
    empty list is returned for what is no container or does not end; what is between the brackets
    need not be JSON.
    """
    places: list = [start + 1]  # type: ignore[type-arg]
    end: cython.Py_ssize_t = len(text)
    data: cython.p_const_uchar = text
    if start >= end or (data[start] != 91 and data[start] != 123):
        return []
    at: cython.Py_ssize_t = start + 1
    last: cython.Py_ssize_t = at  # where the present piece began
    begun: cython.Py_ssize_t = at  # where the present item began
    while True:
        with cython.nogil:
            # Through all items of a piece: to let go of the lock for each of a million would make
            # whoever waits for it wait a million times.
            at = _item_end(data, at, end)
            while at < end and data[at] == 44 and at - last <= step:
                begun = at + 1
                at = _item_end(data, begun, end)
        if at >= end:
            return []
        if at - last > step and begun > last:
            places.append(begun)
            last = begun
        if data[at] != 44:
            places.append(at)
            return places
        at += 1
        if at - begun > step:
            places.append(at)
            last = at
        begun = at


@cython.ccall
def container_end(text: bytes, start: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Return where the bracket is that closes the container around a place between its items.

    The length of the text is returned if there is none.
    """
    data: cython.p_const_uchar = text
    end: cython.Py_ssize_t = len(text)
    with cython.nogil:
        start = _item_end(data, start, end)
        while start < end and data[start] == 44:
            start = _item_end(data, start + 1, end)
    return start


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _item_end(
    data: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Return where the comma or bracket behind an item is, `end` if there is none."""
    depth: cython.Py_ssize_t = 0
    char: cython.uchar
    while at < end:
        char = data[at]
        if char == 34:  # "
            at += 1
            while at < end and data[at] != 34:
                at += 2 if data[at] == 92 else 1
        elif char == 44 and depth == 0:
            return at
        elif char == 123 or char == 91:
            depth += 1
        elif char == 125 or char == 93:
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return end


@cython.cfunc
def _path(names: list) -> str:  # type: ignore[type-arg]
    out: str = ""
    for name in names:
        if isinstance(name, int):
            out += "[" + str(name) + "]"
        else:
            word = name.decode("utf-8", "replace")
            out += "." + word if out else word
    return out
