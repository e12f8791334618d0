"""Finds fields that stand twice in one JSON object.

Decoders keep the last of two equal keys and say nothing; Kubernetes warns or refuses (field
validation, KEP-2885). The text must be valid JSON: a decoder has seen it before.
"""

import json

import cython


@cython.ccall
def duplicates(text: bytes) -> list:  # type: ignore[type-arg]
    """Return the path of each field that repeats an earlier one, e.g. `spec.ports[0].name`."""
    found: list = []  # type: ignore[type-arg]
    seen: list = []  # type: ignore[type-arg]
    names: list = []  # type: ignore[type-arg]
    keys: set | None = None  # type: ignore[type-arg]
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
                if key in keys:  # type: ignore[operator]
                    found.append(_path(names))
                else:
                    keys.add(key)  # type: ignore[union-attr]
                expects_key = False
        elif char == 123:  # {
            seen.append(keys)
            keys = set()
            names.append(b"")
            expects_key = True
        elif char == 91:  # [
            seen.append(keys)
            keys = None
            names.append(0)
            expects_key = False
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
    return found


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
