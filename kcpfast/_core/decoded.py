"""What every write asks about decoded JSON: whether it is equal, whether its metadata is valid.

The rules and their messages are in kcpfast.meta and kcpfast.registry.strategies. The functions here
only shorten the common case: False means "not known to be valid", and the caller then applies the
rules, which find the message.

Law: a True from here must never contradict the rules. tests/meta/test_plain.py compares both.
"""

import cython

from kcpfast._core._turn import turn

# A C function that calls itself overruns the C stack without an exception: the depth is counted.
_MAX_DEPTH = cython.declare(cython.int, 450)
# Values that are compared before the interpreter lock is offered to other threads.
_STRIDE = cython.declare(cython.int, 2048)
# k8s.io/apimachinery/pkg/util/validation/validation.go: DNS1123LabelMaxLength (also the limit of
# the name part of a qualified name) and DNS1123SubdomainMaxLength.
_MAX_PART = cython.declare(cython.Py_ssize_t, 63)
_MAX_NAME = cython.declare(cython.Py_ssize_t, 253)
# k8s.io/apimachinery/pkg/api/validation/objectmeta.go: TotalAnnotationSizeLimitB.
_MAX_ANNOTATIONS = cython.declare(cython.Py_ssize_t, 256 * 1024)


@cython.ccall
@cython.returns(cython.bint)
def same(left: object, right: object) -> object:
    """Tell whether two values are the same JSON: true is not 1, but 1.0 is.

    RecursionError for what is nested too deeply.
    """
    equal: cython.bint = _same(left, right, 0)
    return equal


@cython.cfunc
@cython.returns(cython.bint)
def _same(left: object, right: object, depth: cython.int):  # type: ignore[no-untyped-def]
    if left is right:
        return True
    kind: object = type(left)
    if kind is not type(right):
        numbers: cython.bint = (kind is int or kind is float) and (
            type(right) is int or type(right) is float
        )
        return numbers and left == right
    if depth > _MAX_DEPTH:
        raise RecursionError
    if kind is dict:
        return _same_members(left, right, depth)
    if kind is list:
        return _same_items(left, right, depth)
    return left == right


@cython.cfunc
@cython.returns(cython.bint)
def _same_members(left: dict, right: dict, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    if len(left) != len(right):
        return False
    until_turn: cython.int = _STRIDE
    for key, item in left.items():
        until_turn -= 1
        if not until_turn:
            until_turn = _STRIDE
            turn()
        if key not in right or not _same(item, right[key], depth + 1):
            return False
    return True


@cython.cfunc
@cython.returns(cython.bint)
def _same_items(left: list, right: list, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    count: cython.Py_ssize_t = len(left)
    if count != len(right):
        return False
    index: cython.Py_ssize_t
    for index in range(count):
        if index % _STRIDE == 0:
            turn()
        if not _same(left[index], right[index], depth + 1):
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
    # False at the start of a label, where only a letter or a digit may stand.
    may_end_label: cython.bint = False
    index: cython.Py_ssize_t
    for index in range(end):
        letter: cython.Py_UCS4 = ord(text[index])
        if _is_small(letter):
            may_end_label = True
        elif letter == ord("-"):
            if not may_end_label:
                return False
        elif letter == ord(".") and dots:
            if not may_end_label or text[index - 1] == "-":
                return False
            may_end_label = False
        else:
            return False
    return may_end_label and text[end - 1] != "-"


@cython.cfunc
@cython.returns(cython.bint)
def _is_dns_name(value: object, limit: cython.Py_ssize_t, dots: cython.bint):  # type: ignore[no-untyped-def]
    """Tell whether a value is a text of at most `limit` characters and of DNS labels."""
    if not isinstance(value, str):
        return False
    size: cython.Py_ssize_t = len(value)
    return size <= limit and _is_labels(value, size, dots)


@cython.ccall
@cython.returns(cython.bint)
def is_label(value: object) -> object:
    """Tell whether a value is an RFC 1123 label of up to 63 characters."""
    valid: cython.bint = _is_dns_name(value, _MAX_PART, False)
    return valid


@cython.ccall
@cython.returns(cython.bint)
def is_subdomain(value: object) -> object:
    """Tell whether a value is an RFC 1123 subdomain of up to 253 characters."""
    valid: cython.bint = _is_dns_name(value, _MAX_NAME, True)
    return valid


@cython.cfunc
@cython.returns(cython.bint)
def _is_part(text: str, start: cython.Py_ssize_t):  # type: ignore[no-untyped-def]
    """Tell whether a text from `start` on is the name part of a qualified name."""
    end: cython.Py_ssize_t = len(text)
    if not 0 < end - start <= _MAX_PART:
        return False
    index: cython.Py_ssize_t
    for index in range(start, end):
        if not _is_between(ord(text[index])):
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

    Rules: k8s.io/apimachinery/pkg/api/validation/objectmeta.go. Annotation keys with
    capitals in their prefix are valid upstream, too, but not recognised here: the answer is False.
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

    UnicodeEncodeError for a lone surrogate.
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
    index: cython.Py_ssize_t
    for index in range(count):
        if not _is_between(ord(key[index])):
            return False
    return True
