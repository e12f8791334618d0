"""What every write asks about decoded JSON: is it the same, is its metadata plainly right.

The rules and their texts are in kcpfast.meta and kcpfast.registry.strategies. Here is answered only
whether there is nothing to be said: "no" sends the caller to the rules.
"""

import cython

from kcpfast._core._turn import turn

_MAX_DEPTH: cython.int = 450  # the C stack has no end of its own that could be caught
_STRIDE: cython.int = 2048  # values between two moments without the interpreter lock
_MAX_PART: cython.Py_ssize_t = 63
_MAX_NAME: cython.Py_ssize_t = 253
_MAX_ANNOTATIONS: cython.Py_ssize_t = 256 * 1024


@cython.ccall
@cython.returns(cython.bint)
def same(one: object, other: object) -> object:
    """Tell whether two values are the same JSON: true is not 1, but 1.0 is.

    RecursionError for what is nested too deeply.
    """
    found: cython.bint = _same(one, other, 0)
    return found


@cython.cfunc
@cython.returns(cython.bint)
def _same(one: object, other: object, depth: cython.int):  # type: ignore[no-untyped-def]
    if one is other:
        return True
    kind: object = type(one)
    if kind is not type(other):
        numbers: cython.bint = (kind is int or kind is float) and (
            type(other) is int or type(other) is float
        )
        return numbers and one == other
    if depth > _MAX_DEPTH:
        raise RecursionError
    if kind is dict:
        return _same_members(one, other, depth)
    if kind is list:
        return _same_items(one, other, depth)
    return one == other


@cython.cfunc
@cython.returns(cython.bint)
def _same_members(one: dict, other: dict, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    if len(one) != len(other):
        return False
    left: cython.int = _STRIDE
    for key, item in one.items():
        left -= 1
        if not left:
            left = _STRIDE
            turn()
        if key not in other or not _same(item, other[key], depth + 1):
            return False
    return True


@cython.cfunc
@cython.returns(cython.bint)
def _same_items(one: list, other: list, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    count: cython.Py_ssize_t = len(one)
    if count != len(other):
        return False
    at: cython.Py_ssize_t
    for at in range(count):
        if at % _STRIDE == 0:
            turn()
        if not _same(one[at], other[at], depth + 1):
            return False
    return True


# ------------------------------------------------------------------------- names


@cython.cfunc
@cython.returns(cython.bint)
def _is_small(letter: cython.Py_UCS4):  # type: ignore[no-untyped-def]
    return ord("a") <= letter <= ord("z") or ord("0") <= letter <= ord("9")


@cython.cfunc
@cython.returns(cython.bint)
def _is_alphanumeric(letter: cython.Py_UCS4):  # type: ignore[no-untyped-def]
    return _is_small(letter) or ord("A") <= letter <= ord("Z")


@cython.cfunc
@cython.returns(cython.bint)
def _is_between(letter: cython.Py_UCS4):  # type: ignore[no-untyped-def]
    return (
        _is_alphanumeric(letter) or letter == ord("-") or letter == ord("_") or letter == ord(".")
    )


@cython.cfunc
@cython.returns(cython.bint)
def _is_labels(text: str, end: cython.Py_ssize_t, dots: cython.bint):  # type: ignore[no-untyped-def]
    """Tell whether a text up to `end` is a DNS label, or with `dots` some of them."""
    between: cython.bint = False  # a letter may stand here, nothing else
    at: cython.Py_ssize_t
    for at in range(end):
        letter: cython.Py_UCS4 = ord(text[at])
        if _is_small(letter):
            between = True
        elif letter == ord("-"):
            if not between:
                return False
        elif letter == ord(".") and dots:
            if not between or text[at - 1] == "-":
                return False
            between = False
        else:
            return False
    return between and text[end - 1] != "-"


@cython.ccall
@cython.returns(cython.bint)
def is_label(value: object) -> object:
    """Tell whether a value is an RFC 1123 label of up to 63 characters."""
    found: cython.bint = (
        isinstance(value, str) and len(value) <= _MAX_PART and _is_labels(value, len(value), False)
    )
    return found


@cython.ccall
@cython.returns(cython.bint)
def is_subdomain(value: object) -> object:
    """Tell whether a value is an RFC 1123 subdomain of up to 253 characters."""
    found: cython.bint = (
        isinstance(value, str) and len(value) <= _MAX_NAME and _is_labels(value, len(value), True)
    )
    return found


@cython.cfunc
@cython.returns(cython.bint)
def _is_part(text: str, start: cython.Py_ssize_t):  # type: ignore[no-untyped-def]
    """Tell whether a text from `start` on is the name part of a qualified name."""
    end: cython.Py_ssize_t = len(text)
    if not 0 < end - start <= _MAX_PART:
        return False
    at: cython.Py_ssize_t
    for at in range(start, end):
        if not _is_between(ord(text[at])):
            return False
    return _is_alphanumeric(ord(text[start])) and _is_alphanumeric(ord(text[end - 1]))


@cython.cfunc
@cython.returns(cython.bint)
def _is_qualified(key: object):  # type: ignore[no-untyped-def]
    if not isinstance(key, str):
        return False
    slash: cython.Py_ssize_t = key.find("/")
    if slash >= 0 and (slash > _MAX_NAME or not _is_labels(key, slash, True)):
        return False
    return _is_part(key, slash + 1)


# ------------------------------------------------------------------------- parts of objects


@cython.ccall
@cython.returns(cython.bint)
def is_plain(meta: dict) -> object:  # type: ignore[type-arg]
    """Tell whether labels and annotations are right, and neither owners nor finalizers are there.

    Rules: k8s.io/apimachinery/pkg/api/validation/objectmeta.go. Of keys of annotations those with
    capitals in their prefix are right as well, and not known here.
    """
    if meta.get("ownerReferences") or meta.get("finalizers"):
        return False
    generation: object = meta.get("generation")
    if generation is not None and (type(generation) is not int or generation < 0):
        return False
    labels: object = meta.get("labels")
    annotations: object = meta.get("annotations")
    return (not labels or _are_labels(labels)) and (
        not annotations or _are_annotations(annotations)
    )


@cython.cfunc
@cython.returns(cython.bint)
def _are_labels(labels: object):  # type: ignore[no-untyped-def]
    if type(labels) is not dict or len(labels) > _STRIDE:
        return False
    members: dict = labels  # type: ignore[type-arg]
    for key, value in members.items():
        if not _is_qualified(key) or not isinstance(value, str):
            return False
        if value and not _is_part(value, 0):
            return False
    return True


@cython.cfunc
@cython.returns(cython.bint)
def _are_annotations(annotations: object):  # type: ignore[no-untyped-def]
    if type(annotations) is not dict or len(annotations) > _STRIDE:
        return False
    members: dict = annotations  # type: ignore[type-arg]
    for key in members:
        if not _is_qualified(key):
            return False
    size: cython.Py_ssize_t = text_size(members, True)
    return size <= _MAX_ANNOTATIONS


@cython.ccall
def text_size(texts: dict, keys: cython.bint) -> cython.Py_ssize_t:  # type: ignore[type-arg]
    """Return the bytes of all values as UTF-8, with `keys` those of the keys, too.

    UnicodeEncodeError for halves of characters.
    """
    size: cython.Py_ssize_t = 0
    for key, value in texts.items():
        if keys:
            size += _length(key)
        size += _length(value)
    return size


@cython.cfunc
def _length(value: object) -> cython.Py_ssize_t:
    text: str = value if isinstance(value, str) else str(value)
    return len(text) if text.isascii() else len(text.encode())


@cython.ccall
@cython.returns(cython.bint)
def are_config_keys(data: dict) -> object:  # type: ignore[type-arg]
    """Tell whether all keys are right for a ConfigMap or a Secret."""
    for key in data:
        if not _is_config_key(key):
            return False
    return len(data) <= _STRIDE


@cython.cfunc
@cython.returns(cython.bint)
def _is_config_key(name: object):  # type: ignore[no-untyped-def]
    if not isinstance(name, str):
        return False
    key: str = name
    count: cython.Py_ssize_t = len(key)
    if not 0 < count <= _MAX_NAME or key == "." or (count > 1 and key[:2] == ".."):
        return False
    at: cython.Py_ssize_t
    for at in range(count):
        if not _is_between(ord(key[at])):
            return False
    return True
