"""Functions of admission policies: the authorizer, and paths of JSON patches.

Rules: k8s.io/apiserver/pkg/cel/library/authz.go and jsonpatch.go. The authorizer is the caller's
own object: each function calls the method of its name on it, in snake case. The methods return,
by their type in the table: Authorizer, PathCheck, GroupCheck and ResourceCheck further objects of
the caller's, Decision an object with allowed(), reason(), errored() and error().
"""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import Any

from ..base import CelError
from ..signatures import Row

# Allows two checks in one expression.
_CHECK_COST = 350_000


def _host(method: str) -> Callable[..., Any]:
    return lambda target, *args: methodcaller(method, *args)(target)


def _named(method: str, what: str) -> Callable[[Any, str], Any]:
    def call(target: Any, name: str) -> Any:
        if not name.strip():
            raise CelError(f"{what} must not be empty")
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
    ("path", f"{_AUTHORIZER}.(string) -> {_PATH}", _named("path", "path")),
    ("reason", f"{_DECISION}.() -> string", _host("reason")),
    ("resource", f"{_GROUP}.(string) -> {_RESOURCE}", _named("resource", "resource")),
    ("serviceAccount", f"{_AUTHORIZER}.(string, string) -> {_AUTHORIZER}",
     _host("service_account")),
    ("subresource", f"{_RESOURCE}.(string) -> {_RESOURCE}", _host("subresource")),
)
# fmt: on
