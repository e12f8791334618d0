"""Runs a compiled schema over a decoded object: prune, default and validate in one pass.

A schema is a tree of `Node`s, built once by the schema room and shared by everything that uses
the same definition. The pass changes the object in place. Nothing is paid for paths while all is
well: where something is found below, each level on the way up puts its own segment in front.

What is found is a list `[path, code, value, detail]`; the schema room turns codes into the texts
of Kubernetes. Codes are the CODES below. No more is found than somebody would read: a wrong body
may hold a million mistakes, and each would be worded and sent. The pass lets go of the interpreter
lock now and then: it may run beside the event loop, over megabytes.
"""

import cython

from kcpfast._core._turn import turn
from kcpfast._core.numbers import deeper, go_number, settle

__all__ = ["deeper", "go_number", "settle"]

TYPE, REQUIRED, PATTERN, ENUM = 1, 2, 3, 4
MAX_LENGTH, MIN_LENGTH, MAXIMUM, MINIMUM, MULTIPLE = 5, 6, 7, 8, 9
MAX_ITEMS, MIN_ITEMS, UNIQUE, MAX_PROPERTIES, MIN_PROPERTIES = 10, 11, 12, 13, 14
FORMAT, ALL_OF, ANY_OF, ONE_OF, NOT, DUPLICATE = 15, 16, 17, 18, 19, 20
TOO_DEEP, RANGE, SAID, DECODING = 21, 22, 23, 24

ANY, OBJECT, ARRAY, STRING, INTEGER, NUMBER, BOOLEAN, INT_OR_STRING = 0, 1, 2, 3, 4, 5, 6, 7

MAX_SCHEMA_DEPTH = 400
MAX_SCHEMA_ERRORS = 1000
# A short list of empty objects grows by a long default each: so many bytes of defaults are filled
# into one object. etcd, and so Kubernetes, takes no object of half of it.
MAX_DEFAULTS = 4 * 1024 * 1024
MAX_UNKNOWN = 100  # as sigs.k8s.io/json: so many strict errors are kept
# values between two moments without the lock
_STRIDE = cython.declare(cython.int, 2048)
_AN_INTEGER = ("integer", "")
_OF_DECODERS = (TYPE, FORMAT, RANGE, TOO_DEEP)


class Overgrown(ValueError):
    """The defaults of a schema would make an object larger than anybody may store."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__(f"the defaults of the object are too large: limit is {MAX_DEFAULTS}")


@cython.cclass
class SchemaNode:
    """One place of a schema; attributes are set by the compiler, then never changed.

    `properties` maps names to Nodes, `defaults` names to (what makes the default value, its size
    as JSON in bytes).
    `decode` makes of a value what Go's decoder would: ValueError if it refuses, a value of another
    type comes back as it is. `zero` makes what a null in a typed map or list stands for.
    `checks` are called as check(value, errors) and append what they find; `list_keys` are those by
    which items of a list are told apart.
    """

    type = cython.declare(cython.int, visibility="public")
    nullable = cython.declare(cython.bint, visibility="public")
    keep_unknown = cython.declare(cython.bint, visibility="public")
    embedded = cython.declare(cython.bint, visibility="public")
    checks = cython.declare(tuple, visibility="public")
    typed = cython.declare(cython.bint, visibility="public")
    keep_empty = cython.declare(cython.bint, visibility="public")
    properties = cython.declare(dict, visibility="public")
    defaults = cython.declare(dict, visibility="public")
    required = cython.declare(tuple, visibility="public")
    additional = cython.declare(object, visibility="public")
    items = cython.declare(object, visibility="public")
    list_keys = cython.declare(tuple, visibility="public")
    decode = cython.declare(object, visibility="public")
    zero = cython.declare(object, visibility="public")

    def __init__(self) -> None:
        """Make a place that accepts anything."""
        self.type = ANY
        self.nullable = False
        self.keep_unknown = False
        self.embedded = False
        self.checks = ()
        self.typed = False
        self.keep_empty = False
        self.properties = {}
        self.defaults = {}
        self.required = ()
        self.additional = None
        self.items = None
        self.list_keys = ()
        self.decode = None
        self.zero = None


@cython.cclass
class Size:
    """A check of how long a string is, or how much a list or an object holds: the most frequent.

    `kind` is STRING, ARRAY or OBJECT, values of other types are not looked at; `sign` is 1 if no
    more than `limit` may be, -1 if no less. It is called as every other check.
    """

    kind = cython.declare(cython.int)
    sign = cython.declare(cython.Py_ssize_t)
    limit = cython.declare(cython.Py_ssize_t)
    code = cython.declare(object)

    def __init__(self, kind: int, sign: int, limit: int, code: int) -> None:
        """Say what is too much, or too little."""
        self.kind = kind
        self.sign = sign
        self.limit = limit
        self.code = code

    def __call__(self, value: object, errors: list) -> None:  # type: ignore[type-arg]
        """Append [path, code, value, limit] if the value is not as it should be."""
        _check_size(self, value, errors)


@cython.cfunc
@cython.returns(cython.void)
def _check_size(check: Size, value: object, errors: list):  # type: ignore[no-untyped-def, type-arg]
    kind: cython.int = check.kind
    if kind == STRING:
        if not isinstance(value, str):
            return
    elif kind == ARRAY:
        if not isinstance(value, list):
            return
    elif not isinstance(value, dict):
        return
    if (len(value) - check.limit) * check.sign > 0:  # type: ignore[arg-type]
        errors.append(["", check.code, value, check.limit])


@cython.cclass
class NumberRange:
    """A check of how large a number is; `sign` and `limit` as in Size, `detail` is told."""

    sign = cython.declare(cython.int)
    strict = cython.declare(cython.bint)
    limit = cython.declare(object)
    code = cython.declare(object)
    detail = cython.declare(object)

    def __init__(self, sign: int, limit: float, strict: bool, code: int) -> None:
        """Say what is too large, or too small; with `strict` the limit itself is."""
        self.sign = sign
        self.limit = limit
        self.strict = strict
        self.code = code
        self.detail = (limit, strict)

    def __call__(self, value: object, errors: list) -> None:  # type: ignore[type-arg]
        """Append [path, code, value, (limit, strict)] if the value is not as it should be."""
        _check_range(self, value, errors)


@cython.cfunc
@cython.returns(cython.void)
def _check_range(check: NumberRange, value: object, errors: list):  # type: ignore[no-untyped-def, type-arg]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    good: cython.bint
    if check.sign > 0:
        good = value < check.limit or (not check.strict and value == check.limit)
    else:
        good = value > check.limit or (not check.strict and value == check.limit)
    if not good:
        errors.append(["", check.code, value, check.detail])


@cython.cclass
class Match:
    """A check of strings against a pattern: by `short(text)` up to `most` characters, else `long`.

    Both return something false for what does not match.
    """

    short = cython.declare(object)
    most = cython.declare(cython.Py_ssize_t)
    long = cython.declare(object)
    code = cython.declare(object)
    detail = cython.declare(object)

    def __init__(self, short: object, most: int, long: object, code: int, detail: str) -> None:
        """Take the two ways."""
        self.short = short
        self.most = most
        self.long = long
        self.code = code
        self.detail = detail

    def __call__(self, value: object, errors: list) -> None:  # type: ignore[type-arg]
        """Append [path, code, value, detail] if the value does not match."""
        _check_match(self, value, errors)


@cython.cfunc
@cython.returns(cython.void)
def _check_match(check: Match, value: object, errors: list):  # type: ignore[no-untyped-def, type-arg]
    if not isinstance(value, str):
        return
    matches: object = check.short if len(value) <= check.most else check.long
    good: object = matches(value)  # type: ignore[operator]
    if not good:
        errors.append(["", check.code, value, check.detail])


@cython.cfunc
@cython.returns(cython.void)
def _check_all(checks: tuple, value: object, errors: list):  # type: ignore[no-untyped-def, type-arg]
    for check in checks:
        if isinstance(check, Size):
            _check_size(check, value, errors)
        elif isinstance(check, NumberRange):
            _check_range(check, value, errors)
        elif isinstance(check, Match):
            _check_match(check, value, errors)
        else:
            check(value, errors)


@cython.cclass
class Report:
    """What one pass found: `unknown` paths that were pruned, `errors` as described above.

    With `decodes` only what a typed decoder would refuse is an error. `most` errors are kept, and
    nothing is validated once there are so many; `steps` counts the values that were visited,
    `filled` the bytes of the defaults that were filled in.
    """

    unknown = cython.declare(list, visibility="public")
    decodes = cython.declare(cython.bint, visibility="public")
    most = cython.declare(cython.Py_ssize_t, visibility="public")
    steps = cython.declare(cython.int, visibility="public")
    filled = cython.declare(cython.Py_ssize_t, visibility="public")
    errors = cython.declare(list, visibility="public")
    prune = cython.declare(cython.bint, visibility="public")
    default = cython.declare(cython.bint, visibility="public")
    validate = cython.declare(cython.bint, visibility="public")

    def __init__(self, prune: bool, default: bool, validate: bool, decodes: bool = False) -> None:
        """Choose the passes; `decodes`: values are held to what Go's decoder takes."""
        self.decodes = decodes
        self.most = MAX_SCHEMA_ERRORS
        self.steps = 0
        self.filled = 0
        self.unknown = []
        self.errors = []
        self.prune = prune
        self.default = default
        self.validate = validate


@cython.ccall
def run(node: SchemaNode, value: object, report: Report) -> object:
    """Run the passes that `report` chose over `value` and return it (changed in place).

    Overgrown if its defaults take too much.
    """
    _visit(node, value, report, 0)
    return value


@cython.cfunc
@cython.returns(cython.void)
def _step(report: Report):  # type: ignore[no-untyped-def]
    """Count a value, and let go of the interpreter lock now and then."""
    report.steps += 1
    if report.steps % _STRIDE == 0:
        turn()


@cython.cfunc
@cython.returns(cython.bint)
def _has_type(kind: cython.int, value: object) -> object:
    if kind == OBJECT:
        return isinstance(value, dict)
    if kind == ARRAY:
        return isinstance(value, list)
    if kind == STRING:
        return isinstance(value, str)
    if kind == BOOLEAN:
        return isinstance(value, bool)
    if kind == INTEGER:
        if isinstance(value, bool):
            return False
        if isinstance(value, int):
            return True
        return isinstance(value, float) and value.is_integer()
    if kind == NUMBER:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == INT_OR_STRING:
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    return True


@cython.cfunc
@cython.returns(cython.void)
def _visit(node: SchemaNode, value: object, report: Report, depth: cython.int):  # type: ignore[no-untyped-def]
    _step(report)
    if depth > MAX_SCHEMA_DEPTH:
        report.errors.append(["", TOO_DEEP, None, MAX_SCHEMA_DEPTH])
        return
    if value is None and (node.nullable or node.type == ANY):
        return
    if not _has_type(node.type, value) or _is_no_int(node, value):
        if report.validate:
            report.errors.append(["", TYPE, value, node.type])
            if node.type == INTEGER and isinstance(value, float):
                report.errors.append(["", RANGE, value, _AN_INTEGER])
                _check(node, value, report)
            _stop_if_enough(report)
        return
    if isinstance(value, dict):
        _visit_object(node, value, report, depth)
    elif isinstance(value, list) and node.items is not None:
        _visit_items(node.items, value, report, depth)
    if report.validate and node.checks:
        _check(node, value, report)
        _stop_if_enough(report)


@cython.cfunc
@cython.returns(cython.bint)
def _is_no_int(node: SchemaNode, value: object) -> object:
    """Tell whether a number with a fraction or an exponent stands where Go has an int."""
    return node.typed and node.type == INTEGER and isinstance(value, float)


@cython.cfunc
def _decoded(node: SchemaNode, name: str, value: object, report: Report):  # type: ignore[no-untyped-def]
    """Return what Go's decoder makes of a value; note an error if it refuses."""
    try:
        return node.decode(value)
    except ValueError as error:
        report.errors.append([name, DECODING, value, str(error)])
        _stop_if_enough(report)
        return value


@cython.cfunc
@cython.returns(cython.void)
def _check(node: SchemaNode, value: object, report: Report):  # type: ignore[no-untyped-def]
    """Run the checks of a place; what a decoder does not care about is dropped for one."""
    before: cython.Py_ssize_t = len(report.errors)
    _check_all(node.checks, value, report.errors)
    if report.decodes and len(report.errors) > before:
        report.errors[before:] = [
            error for error in report.errors[before:] if error[1] in _OF_DECODERS
        ]


@cython.cfunc
@cython.returns(cython.void)
def _stop_if_enough(report: Report):  # type: ignore[no-untyped-def]
    if len(report.errors) >= report.most:
        report.validate = False
        del report.errors[report.most :]


@cython.cfunc
@cython.returns(cython.void)
def _visit_object(node: SchemaNode, value: dict, report: Report, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    properties: dict = node.properties  # type: ignore[type-arg]
    child: SchemaNode
    declared: object
    dropped: list | None = None  # type: ignore[type-arg]
    if report.default and node.defaults:
        for name, (make, size) in node.defaults.items():
            if name in value:
                child = properties[name]
                if value[name] is not None or child.nullable:
                    continue
            report.filled += size
            if report.filled > MAX_DEFAULTS:
                raise Overgrown
            value[name] = make()
    for name, item in value.items():
        declared = properties.get(name)
        if declared is None:
            declared = node.additional
            if declared is None:
                if not node.keep_unknown and report.prune:
                    if dropped is None:
                        dropped = []
                    dropped.append(name)
                continue
        child = declared  # type: ignore[assignment]
        if child.decode is not None and report.decodes:
            decoded = _decoded(child, name, item, report)
            if decoded is not item:
                item = value[name] = decoded
        if item is None and child is node.additional and _has_zero(child, report):
            item = value[name] = child.zero()
        if item is None and (child.typed or (report.default and not child.nullable)):
            if dropped is None:
                dropped = []
            dropped.append(name)
            continue
        _descend(child, name, item, report, depth)
        if child is not node.additional and _is_blank(child, item):
            if dropped is None:
                dropped = []
            dropped.append(name)
    if dropped is not None:
        for name in dropped:
            strange: cython.bint = name not in properties and node.additional is None
            if strange and len(report.unknown) < MAX_UNKNOWN:
                report.unknown.append(name)
            del value[name]
    if report.validate and not report.decodes:
        for name in node.required:
            if name not in value:
                report.errors.append([name, REQUIRED, None, None])
        _stop_if_enough(report)


@cython.cfunc
@cython.returns(cython.bint)
def _has_zero(child: SchemaNode, report: Report) -> object:
    """Tell whether a null in a map or a list becomes a value: of its Go type, or the default.

    Other nulls that may not be are dropped from maps: k8s.io/apiextensions-apiserver,
    pkg/apiserver/schema/defaulting, prunenulls.go and algorithm.go.
    """
    return child.zero is not None and (child.typed or report.default)


@cython.cfunc
@cython.returns(cython.bint)
def _is_blank(child: SchemaNode, item: object) -> object:
    """Tell whether Go would leave a value out: it is empty and neither false nor a zero."""
    if not child.typed or child.keep_empty or item:
        return False
    return item is not False and item != 0


@cython.cfunc
@cython.returns(cython.void)
def _descend(child: SchemaNode, name: str, item: object, report: Report, depth: cython.int):  # type: ignore[no-untyped-def]
    errors: cython.Py_ssize_t = len(report.errors)
    unknown: cython.Py_ssize_t = len(report.unknown)
    _visit(child, item, report, depth + 1)
    index: cython.Py_ssize_t
    for index in range(errors, len(report.errors)):
        error: list = report.errors[index]  # type: ignore[type-arg]
        error[0] = _join(name, error[0])
    for index in range(unknown, len(report.unknown)):
        report.unknown[index] = _join(name, report.unknown[index])


@cython.cfunc
def _join(segment: str, rest: str) -> str:
    if not rest:
        return segment
    if rest[0] == "[":
        return segment + rest
    return segment + "." + rest


@cython.cfunc
@cython.returns(cython.void)
def _visit_items(child: SchemaNode, value: list, report: Report, depth: cython.int):  # type: ignore[no-untyped-def, type-arg]
    errors: cython.Py_ssize_t
    unknown: cython.Py_ssize_t
    index: cython.Py_ssize_t
    position: cython.Py_ssize_t
    for position in range(len(value)):
        errors = len(report.errors)
        unknown = len(report.unknown)
        item = value[position]
        if item is None and _has_zero(child, report):
            item = value[position] = child.zero()
        if child.decode is not None and report.decodes:
            item = value[position] = _decoded(child, "", item, report)
        _visit(child, item, report, depth + 1)
        for index in range(errors, len(report.errors)):
            error: list = report.errors[index]  # type: ignore[type-arg]
            error[0] = _join("[" + str(position) + "]", error[0])
        for index in range(unknown, len(report.unknown)):
            report.unknown[index] = _join("[" + str(position) + "]", report.unknown[index])
