"""Splits a request path into cluster, group, version, resource and object.

Paths: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris, below kcp's
`/clusters/<cluster>` and the virtual workspaces' `/services/<view>/.../clusters/<cluster>`.
"""

from urllib.parse import unquote

import cython


@cython.cclass
class Route:
    """The parts of a path.

    `service` holds the segments between `/services/` and `/clusters/`, () without a view;
    `cluster` is None without `/clusters/`. `plural` is "" for a path that
    names no resource; `rest`, which always starts with a slash, says what it is then. kcp names a
    resource of an export `plural:identity`: the halves stand in `plural` and `identity`, so that
    all code behind sees the plain name.
    """

    service = cython.declare(tuple, visibility="public")
    cluster = cython.declare(object, visibility="public")
    rest = cython.declare(str, visibility="public")
    group = cython.declare(str, visibility="public")
    version = cython.declare(str, visibility="public")
    namespace = cython.declare(str, visibility="public")
    plural = cython.declare(str, visibility="public")
    identity = cython.declare(str, visibility="public")
    name = cython.declare(str, visibility="public")
    subresource = cython.declare(str, visibility="public")
    watch = cython.declare(cython.bint, visibility="public")

    def __init__(self) -> None:
        """Begin with the route of `/`."""
        self.service = ()
        self.cluster = None
        self.rest = "/"
        self.group = ""
        self.version = ""
        self.namespace = ""
        self.plural = ""
        self.identity = ""
        self.name = ""
        self.subresource = ""
        self.watch = False


@cython.ccall
def route(path: str) -> Route:
    """Split a path.

    ValueError if a percent escape hides a slash or a NUL or is broken, or half a name is missing.
    """
    parsed: Route = Route()
    if "%" in path:
        if "%2f" in path or "%2F" in path:
            raise ValueError("a path segment may not hold a slash")
        path = unquote(path, errors="strict")
    if "\0" in path:  # it separates the parts of the store's keys
        raise ValueError("a path holds no NUL")
    parts: list = path.split("/")  # type: ignore[type-arg]
    index: cython.Py_ssize_t = 1
    end: cython.Py_ssize_t = len(parts)
    if end > 1 and parts[1] == "services":
        index = 2
        while index < end and parts[index] != "clusters":
            index += 1
        parsed.service = tuple(parts[2:index])
    if index < end and parts[index] == "clusters":
        parsed.cluster = parts[index + 1] if index + 1 < end else ""
        index += 2
    parsed.rest = "/" + "/".join(parts[index:])
    # A slash at the end names nothing more.
    if end > index and parts[end - 1] == "":
        end -= 1
    if index >= end:
        return parsed
    first: str = parts[index]
    if first == "api":
        if end - index < 2:
            return parsed
        parsed.version = parts[index + 1]
        index += 2
    elif first == "apis":
        if end - index < 3:
            return parsed
        parsed.group = parts[index + 1]
        parsed.version = parts[index + 2]
        index += 3
    else:
        return parsed
    _resource(parsed, parts, index, end)
    if ":" in parsed.plural:
        parsed.plural, _, parsed.identity = parsed.plural.partition(":")
        if not parsed.plural or not parsed.identity:
            raise ValueError("a resource is named by its plural, or by plural:identity")
    return parsed


@cython.cfunc
@cython.returns(cython.void)
def _resource(parsed: Route, parts: list, index: cython.Py_ssize_t, end: cython.Py_ssize_t):  # type: ignore[no-untyped-def, type-arg]
    if end - index > 1 and parts[index] == "watch":  # deprecated, still spoken
        parsed.watch = True
        index += 1
    if index >= end:
        return
    left: cython.Py_ssize_t = end - index
    # A namespace is an object of its own at `namespaces/<name>`, with the subresources `status` and
    # `finalize`; any third part else is the resource of a list in that namespace.
    if parts[index] == "namespaces" and parsed.group == "" and left > 1:
        if left == 2:
            parsed.plural = "namespaces"
            parsed.name = parsed.namespace = parts[index + 1]
            return
        if left == 3 and parts[index + 2] in ("status", "finalize"):
            parsed.plural = "namespaces"
            parsed.name = parsed.namespace = parts[index + 1]
            parsed.subresource = parts[index + 2]
            return
    if parts[index] == "namespaces" and left > 2:
        parsed.namespace = parts[index + 1]
        index += 2
        left -= 2
    parsed.plural = parts[index]
    if left > 1:
        parsed.name = parts[index + 1]
    if left > 2:
        parsed.subresource = "/".join(parts[index + 2 : end])


@cython.ccall
def renamed(pattern: Route, name: str) -> Route:
    """Return the route of a path that differs from another one's only in the object's name.

    The caller must know that: nothing of the pattern is parsed again.
    """
    copy: Route = Route.__new__(Route)
    behind: str = "/" + pattern.subresource if pattern.subresource else ""
    before: cython.Py_ssize_t = len(pattern.rest) - len(pattern.name) - len(behind)
    copy.service = pattern.service
    copy.cluster = pattern.cluster
    copy.rest = pattern.rest[:before] + name + behind
    copy.group = pattern.group
    copy.version = pattern.version
    copy.namespace = pattern.namespace
    copy.plural = pattern.plural
    copy.identity = pattern.identity
    copy.name = name
    copy.subresource = pattern.subresource
    copy.watch = pattern.watch
    return copy
