"""Functions of admission policies: the authorizer, and paths of JSON patches.

Rules: k8s.io/apiserver/pkg/cel/library/authz.go and jsonpatch.go. The authorizer is an object of
the caller: each function calls the method of the same name in snake case. A method whose result
is an Authorizer, PathCheck, GroupCheck or ResourceCheck in the table returns another such object;
a Decision has allowed(), reason(), errored() and error().
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base import CelError
from ..signatures import Row

# library/cost.go: a third of the limit of one call, so that an expression can make two checks.
_CHECK_COST = 350_000


def _host(method: str) -> Callable[..., Any]:
    """Return the function that calls a method of its first argument."""

    def call(target: Any, *args: Any) -> Any:
        return getattr(target, method)(*args)

    return call


def _host_named(method: str) -> Callable[[Any, str], Any]:
    """Return the function that calls a method with a name, which must not be empty."""

    def call(target: Any, name: str) -> Any:
        if not name.strip():
            raise CelError(f"{method} must not be empty")
        return getattr(target, method)(name)

    return call


def _escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


_AUTHZ = "kubernetes.authorization."
_AUTHORIZER, _DECISION = _AUTHZ + "Authorizer", _AUTHZ + "Decision"
_GROUP, _PATH, _RESOURCE = _AUTHZ + "GroupCheck", _AUTHZ + "PathCheck", _AUTHZ + "ResourceCheck"

# fmt: off
ROWS: tuple[Row, ...] = (
    ("allowed", f"{_DECISION}.() -> bool", _host("allowed")),
    ("check", f"{_PATH}.(string) -> {_DECISION}", _host("check"), _CHECK_COST),
    ("check", f"{_RESOURCE}.(string) -> {_DECISION}", _host("check"), _CHECK_COST),
    ("error", f"{_DECISION}.() -> string", _host("error")),
    ("errored", f"{_DECISION}.() -> bool", _host("errored")),
    ("fieldSelector", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("field_selector")),
    ("group", f"{_AUTHORIZER}.(string) -> {_GROUP}", _host("group")),
    ("jsonpatch.escapeKey", "(string) -> string", _escape_key, "scan"),
    ("labelSelector", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("label_selector")),
    ("name", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("name")),
    ("namespace", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("namespace")),
    ("path", f"{_AUTHORIZER}.(string) -> {_PATH}", _host_named("path")),
    ("reason", f"{_DECISION}.() -> string", _host("reason")),
    ("resource", f"{_GROUP}.(string) -> {_RESOURCE}", _host_named("resource")),
    ("serviceAccount", f"{_AUTHORIZER}.(string, string) -> {_AUTHORIZER}",
     _host("service_account")),
    ("subresource", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("subresource")),
)
# fmt: on
