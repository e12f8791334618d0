"""URLs, read as Go's url.ParseRequestURI or url.Parse does.

Rules: k8s.io/apiserver/pkg/cel/library/urls.go; RFC 3986.
"""

from __future__ import annotations

import re
from typing import Any

from ..base import CelError
from ..signatures import Row
from ..values import Opaque

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|%")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_USER = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:%@]")
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
# What a host may hold besides letters, digits and bytes above 127.
_HOST = frozenset("-_.~!$&'()*+,;=:[]<>\"%")
# A path of these characters stays; any other is written anew, and then escapes more of them.
_AS_IT_IS = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:@\[\]%/]*")
_PATH_SAFE = "/$&+,:;=@-_.~"


class UrlValue(Opaque):
    """The parts of a URL."""

    cel_type = "kubernetes.URL"

    def __init__(
        self, scheme: str, host: str, path: str, query: str, user: str | None = None
    ) -> None:
        """Hold the parts; path, query and user information (None = no `@`) as they were written."""
        self.scheme = scheme
        self.host = host
        self.path = path
        self.query = query
        self.user = user

    def __eq__(self, other: object) -> bool:
        """Compare all parts."""
        return isinstance(other, UrlValue) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Hash host and path."""
        return hash((self.host, self.path))


def parse(text: str, *, relative: bool = False) -> UrlValue:
    """Return the parts of an absolute URL or path; CelError in Go's words otherwise.

    Also of a `relative` one, as url.Parse does, that has no fragment.
    """
    if any(char < " " or char == "\x7f" for char in text):
        raise _wrong(text, "net/url: invalid control character in URL")
    if not text and not relative:
        raise _wrong(text, "empty url")
    hit = _SCHEME.fullmatch(text)
    scheme, rest = (hit.group(1).lower(), hit.group(2)) if hit else ("", text)
    if not hit and text[:1] == ":":
        raise _wrong(text, "missing protocol scheme")
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if not scheme and not relative:
            raise _wrong(text, "invalid URI for request")
        if not scheme and ":" in rest.partition("/")[0]:
            raise _wrong(text, "first path segment in URL cannot contain colon")
        return UrlValue(scheme, "", "", query)
    host, user = "", None
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        host, user = _host(text, authority), _user(text, authority)
        rest = slash + path
    bad = _BAD_ESCAPE.search(rest)
    if bad is not None:
        escape = rest[bad.start() : bad.start() + 3]
        raise _wrong(text, f'invalid URL escape "{escape}"')
    return UrlValue(scheme, host, rest, query, user)


def _user(text: str, authority: str) -> str | None:
    user, separator, _ = authority.rpartition("@")
    if _NOT_IN_USER.search(user):
        raise _wrong(text, "net/url: invalid userinfo")
    return user if separator else None


def _wrong(text: str, reason: str) -> CelError:
    from json import dumps  # noqa: PLC0415 - only for the message

    return CelError(f"parse {dumps(text, ensure_ascii=False)}: {reason}")


def _host(text: str, authority: str) -> str:
    host = authority.rpartition("@")[2]
    for char in host:
        if ord(char) < 128 and not char.isalnum() and char not in _HOST:
            raise _wrong(text, f'invalid character "{char}" in host name')
    for hit in _ESCAPE.finditer(host):
        # Only bytes above 127 may be escaped in a host.
        if len(hit.group()) < 3 or int(hit.group()[1:], 16) < 128:
            raise _wrong(text, f'invalid URL escape "{host[hit.start() : hit.start() + 3]}"')
    if host.startswith("[") and "]" not in host:
        raise _wrong(text, "missing ']' in host")
    if not _HOST_PORT.fullmatch(host):
        raise _wrong(text, f'invalid port ":{host.rpartition(":")[2]}" after host')
    return host


def _url(text: str) -> UrlValue:
    try:
        parsed = parse(text)
        # Kubernetes checks the whole, and then reads it again to leave out the fragment.
        return parse(text.partition("#")[0]) if "#" in text else parsed
    except CelError as error:
        what = "URL parse error during conversion from string"
        raise CelError(f"{what}: {error.message}") from None


def _is_url(text: str) -> bool:
    try:
        parse(text)
    except CelError:
        return False
    return True


def _hostname(url: Any) -> str:
    hit = _HOST_PORT.fullmatch(url.host)
    return hit.group(1).strip("[]") if hit else ""


def port(url: Any) -> str:
    """Return the digits of a URL's port, "" if it names none."""
    hit = _HOST_PORT.fullmatch(url.host)
    return (hit.group(2) or "") if hit else ""


def _escaped_path(url: Any) -> str:
    from urllib.parse import quote, unquote_to_bytes  # noqa: PLC0415 - few expressions hold URLs

    if _AS_IT_IS.fullmatch(url.path):
        return str(url.path)
    return quote(unquote_to_bytes(url.path), safe=_PATH_SAFE)


def _query(url: Any) -> dict[str, list[str]]:
    from urllib.parse import unquote_plus  # noqa: PLC0415 - few expressions hold URLs

    values: dict[str, list[str]] = {}
    for pair in url.query.partition("#")[0].split("&"):
        if not pair or ";" in pair or _BAD_ESCAPE.search(pair):
            continue
        key, _, value = pair.partition("=")
        values.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return values


# fmt: off
_T = "kubernetes.URL"
ROWS: tuple[Row, ...] = (
    ("getEscapedPath", f"{_T}.() -> string", _escaped_path),
    ("getHost", f"{_T}.() -> string", lambda url: url.host),
    ("getHostname", f"{_T}.() -> string", _hostname),
    ("getPort", f"{_T}.() -> string", port),
    ("getQuery", f"{_T}.() -> map(string, list(string))", _query),
    ("getScheme", f"{_T}.() -> string", lambda url: url.scheme),
    ("isURL", "(string) -> bool", _is_url),
    ("url", f"(string) -> {_T}", _url, "scan"),
)
# fmt: on
