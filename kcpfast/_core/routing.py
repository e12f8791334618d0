"""Splits a request path into what it names: cluster, group, version, resource, object.

Paths: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris, below kcp's
`/clusters/<cluster>` and the virtual workspaces' `/services/<view>/.../clusters/<cluster>`.
"""

from urllib.parse import unquote

import cython


@cython.cclass
class Route:
    """What a path names.

    `service` holds the segments between `/services/` and `/clusters/`, () without a view;
    `cluster` is None without `/clusters/`. For a path that names no resource, `plural` is "" and
    `rest` is all there is to go by; `rest` always starts with a slash. Of `plural:identity`, as kcp
    names what is bound from an export, `plural` is the first half and `identity` the other: nobody
    behind knows the resource by another name.
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
        """Name nothing yet."""
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
    found: Route = Route()
    if "%" in path:
        if "%2f" in path or "%2F" in path:
            raise ValueError("a path segment may not hold a slash")
        path = unquote(path, errors="strict")
    if "\0" in path:  # it parts the keys of the store
        raise ValueError("a path holds no NUL")
    parts: list = path.split("/")  # type: ignore[type-arg]
    at: cython.Py_ssize_t = 1
    end: cython.Py_ssize_t = len(parts)
    if end > 1 and parts[1] == "services":
        at = 2
        while at < end and parts[at] != "clusters":
            at += 1
        found.service = tuple(parts[2:at])
    if at < end and parts[at] == "clusters":
        found.cluster = parts[at + 1] if at + 1 < end else ""
        at += 2
    found.rest = "/" + "/".join(parts[at:])
    if end > at and parts[end - 1] == "":
        end -= 1
    if at >= end:
        return found
    first: str = parts[at]
    if first == "api":
        if end - at < 2:
            return found
        found.version = parts[at + 1]
        at += 2
    elif first == "apis":
        if end - at < 3:
            return found
        found.group = parts[at + 1]
        found.version = parts[at + 2]
        at += 3
    else:
        return found
    _resource(found, parts, at, end)
    if ":" in found.plural:
        found.plural, _, found.identity = found.plural.partition(":")
        if not found.plural or not found.identity:
            raise ValueError("a resource is named by its plural, or by plural:identity")
    return found


@cython.cfunc
@cython.returns(cython.void)
def _resource(found: Route, parts: list, at: cython.Py_ssize_t, end: cython.Py_ssize_t):  # type: ignore[no-untyped-def, type-arg]
    if end - at > 1 and parts[at] == "watch":  # deprecated, still spoken
        found.watch = True
        at += 1
    if at >= end:
        return
    left: cython.Py_ssize_t = end - at
    if parts[at] == "namespaces" and found.group == "" and left > 1:
        if left == 2:
            found.plural = "namespaces"
            found.name = found.namespace = parts[at + 1]
            return
        if left == 3 and parts[at + 2] in ("status", "finalize"):
            found.plural = "namespaces"
            found.name = found.namespace = parts[at + 1]
            found.subresource = parts[at + 2]
            return
    if parts[at] == "namespaces" and left > 2:
        found.namespace = parts[at + 1]
        at += 2
        left -= 2
    found.plural = parts[at]
    if left > 1:
        found.name = parts[at + 1]
    if left > 2:
        found.subresource = "/".join(parts[at + 2 : end])


@cython.ccall
def renamed(pattern: Route, name: str) -> Route:
    """Return the route of a path that differs in nothing but the object's name."""
    found: Route = Route.__new__(Route)
    behind: str = "/" + pattern.subresource if pattern.subresource else ""
    before: cython.Py_ssize_t = len(pattern.rest) - len(pattern.name) - len(behind)
    found.service = pattern.service
    found.cluster = pattern.cluster
    found.rest = pattern.rest[:before] + name + behind
    found.group = pattern.group
    found.version = pattern.version
    found.namespace = pattern.namespace
    found.plural = pattern.plural
    found.identity = pattern.identity
    found.name = name
    found.subresource = pattern.subresource
    found.watch = pattern.watch
    return found
