"""Scans JSON texts for what no decoder tells: repeated fields, and places where a text can be cut.

Decoders keep the last of two equal keys without an error; Kubernetes warns or refuses (field
validation, KEP-2885).

Danger: `duplicates` checks no bounds inside a text value. What it gets must be valid JSON, which a
decoder has read before; `cuts` and `container_end` take any bytes.
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

    Each path is returned once, and at most MAX_FOUND of them.
    """
    paths: list = []  # type: ignore[type-arg]
    outer_keys: list = []  # type: ignore[type-arg]
    names: list = []  # type: ignore[type-arg]
    keys: dict | None = None  # type: ignore[type-arg]
    count: cython.int = 0
    position: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = len(text)
    start: cython.Py_ssize_t
    expects_key: cython.bint = False
    escaped: cython.bint
    char: cython.uchar
    data: cython.p_const_uchar = text
    while position < end:
        char = data[position]
        if char == 34:  # "
            position += 1
            start = position
            escaped = False
            while data[position] != 34:
                if data[position] == 92:
                    escaped = True
                    position += 1
                position += 1
            if expects_key:
                key: object = text[start:position]
                if escaped:
                    # Halves of characters stand in texts that were repaired for the decoder.
                    key = json.loads(b'"' + text[start:position] + b'"').encode("utf-8", "replace")
                names[-1] = key
                _note(keys, key, names, paths)  # type: ignore[arg-type]
                if len(paths) >= MAX_FOUND:
                    return paths
                expects_key = False
        elif char == 123 or char == 91:  # { [
            outer_keys.append(keys)
            expects_key = char == 123
            keys = {} if expects_key else None
            names.append(b"" if expects_key else 0)
        elif char == 125 or char == 93:  # } ]
            keys = outer_keys.pop()
            names.pop()
            expects_key = False
        elif char == 44:  # ,
            if keys is None:
                names[-1] = names[-1] + 1
            else:
                expects_key = True
        position += 1
        count += 1
        if count % _STRIDE == 0:
            turn()
    return paths


@cython.cfunc
@cython.returns(cython.void)
def _note(keys: dict, key: object, names: list, paths: list):  # type: ignore[no-untyped-def, type-arg]
    """Note a key of an object; add its path when it comes for the second time.

    `keys` says of each key of the object whether its path was added already.
    """
    is_told: object = keys.get(key)
    if is_told is None:
        keys[key] = False
    elif is_told is False:
        paths.append(_path(names))
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
    position: cython.Py_ssize_t = start + 1
    last: cython.Py_ssize_t = position  # where the present piece began
    begun: cython.Py_ssize_t = position  # where the present item began
    while True:
        with cython.nogil:
            # Through all items of a piece: to let go of the lock for each of a million would make
            # whoever waits for it wait a million times.
            position = _item_end(data, position, end)
            while position < end and data[position] == 44 and position - last <= step:
                begun = position + 1
                position = _item_end(data, begun, end)
        if position >= end:
            return []
        if position - last > step and begun > last:
            places.append(begun)
            last = begun
        if data[position] != 44:
            places.append(position)
            return places
        position += 1
        if position - begun > step:
            places.append(position)
            last = position
        begun = position


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
    data: cython.p_const_uchar, position: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Return where the comma or bracket behind an item is, `end` if there is none."""
    depth: cython.Py_ssize_t = 0
    char: cython.uchar
    while position < end:
        char = data[position]
        if char == 34:  # "
            position += 1
            while position < end and data[position] != 34:
                position += 2 if data[position] == 92 else 1
        elif char == 44 and depth == 0:
            return position
        elif char == 123 or char == 91:
            depth += 1
        elif char == 125 or char == 93:
            if depth == 0:
                return position
            depth -= 1
        position += 1
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
