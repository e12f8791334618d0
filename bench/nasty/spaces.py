"""Workspaces and their types, exports and what binds to them."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import Nasty, Shot, config, core, drop, named, post

_TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
_SPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
_EXPORTS = "/apis/apis.kcp.io/v1alpha2/apiexports"
_BINDINGS = "/apis/apis.kcp.io/v1alpha2/apibindings"
_SCHEMAS = "/apis/apis.kcp.io/v1alpha1/apiresourceschemas"
_HERE = "root:nasty"
_GROUP = "offered.example.com"


def _type(name: str, **spec: Any) -> list[Shot]:
    extend = {"with": [{"name": "universal", "path": "root"}]}
    kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    return [post(_TYPES, kind | named(name, spec={"extend": extend} | spec))]


def _of(kind: str) -> list[Shot]:
    space = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    spec = {"type": {"name": kind, "path": _HERE}}
    return [post(_SPACES, space | named(f"of-{kind}", spec=spec))]


def _both(name: str, of: str, **spec: Any) -> Nasty:
    """Return a row: a type of so many, and a workspace of it."""
    return Nasty(of, lambda: [*_type(name, **spec), *_of(name)])


def _schema(number: int) -> dict[str, Any]:
    names = {"plural": f"r{number}s", "singular": f"r{number}", "kind": f"R{number}"}
    fields = {f"f{n}": {"type": "string", "description": "text " * 20} for n in range(100)}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": fields}},
        },
    }
    spec = {
        "group": _GROUP,
        "scope": "Namespaced",
        "names": names | {"listKind": f"R{number}List"},
        "versions": [version],
    }
    kind = {"apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIResourceSchema"}
    return kind | named(f"v1.r{number}s.{_GROUP}", spec=spec)


def _offered(number: int) -> list[Shot]:
    resources = [
        {
            "name": f"r{n}s",
            "group": _GROUP,
            "schema": f"v1.r{n}s.{_GROUP}",
            "storage": {"crd": {}},
        }
        for n in range(number)
    ]
    kind = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport"}
    export = kind | named(_GROUP, spec={"resources": resources})
    return [*(post(_SCHEMAS, _schema(n)) for n in range(number)), post(_EXPORTS, export)]


def _binding(name: str, export: str, claims: list[dict[str, Any]] | None = None) -> Shot:
    spec: dict[str, Any] = {"reference": {"export": {"path": _HERE, "name": export}}}
    if claims:
        answer = {"state": "Accepted", "selector": {"matchAll": True}}
        spec["permissionClaims"] = [each | answer for each in claims]
    kind = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding"}
    return post(_BINDINGS, kind | named(name, spec=spec))


def _claims(number: int) -> list[dict[str, Any]]:
    return [
        {
            "group": "g.example.com",
            "resource": f"r{n}",
            "verbs": ["get"],
            "identityHash": "a" * 64,
        }
        for n in range(number)
    ]


def _claiming(name: str, claims: list[dict[str, Any]]) -> list[Shot]:
    kind = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIExport"}
    return [post(_EXPORTS, kind | named(name, spec={"permissionClaims": claims}))]


def _labelled(number: int) -> list[dict[str, Any]]:
    selector = {"matchLabels": {f"l{n}": "v" for n in range(number)}}
    claim = {"group": "", "resource": "configmaps", "verbs": ["get"]}
    return [claim | {"state": "Accepted", "selector": selector}]


def _selected() -> Shot:
    spec = {
        "reference": {"export": {"path": _HERE, "name": "labels.example.com"}},
        "permissionClaims": _labelled(100_000),
    }
    kind = {"apiVersion": "apis.kcp.io/v1alpha2", "kind": "APIBinding"}
    return post(_BINDINGS, kind | named("labels", spec=spec))


_KEYS = [f"k{n}" for n in range(150_000)]
_CONFIGS = [{"group": "", "resource": "configmaps", "verbs": ["get"]}]
_REFERENCES = [{"name": f"t{n}", "path": _HERE} for n in range(20_000)]
LISTED = [
    _both(
        "binder",
        "a type of 10,000 default bindings",
        defaultAPIBindings=[{"export": f"e{n}", "path": _HERE} for n in range(10_000)],
    ),
    _both("wide", "a type that extends 20,000", extend={"with": _REFERENCES}),
    _both("parents", "a type of 20,000 parents", limitAllowedParents={"types": _REFERENCES}),
    _both("children", "a type of 20,000 children", limitAllowedChildren={"types": _REFERENCES}),
    _both(
        "labels",
        "a type of 100,000 labels",
        additionalWorkspaceLabels={f"l{n}": "v" for n in range(100_000)},
    ),
    _both(
        "rights",
        "a type of 30,000 initializer permissions",
        initializer=True,
        initializerPermissions=[
            {"verbs": ["get"], "apiGroups": [""], "resources": [f"r{n}"]} for n in range(30_000)
        ],
    ),
    Nasty(
        "a binding to 300 resources",
        lambda: [_binding("offered", _GROUP)],
        lambda: _offered(300),
        seconds=2,
    ),
    Nasty("it goes again", lambda: [drop(f"{_BINDINGS}/offered")], seconds=2),
    Nasty(
        "a binding that accepts 8,000 claims",
        lambda: [_binding("claimed", "claims.example.com", _claims(8_000))],
        lambda: _claiming("claims.example.com", _claims(8_000)),
        seconds=2,
    ),
    Nasty(
        "a claim on 4 objects of 2.5 MB",
        lambda: [_binding("labelled", "configs.example.com", _CONFIGS)],
        lambda: [
            *_claiming("configs.example.com", _CONFIGS),
            *(
                post(
                    core("configmaps"), config(f"c{n}", data={f"k{m}": "" for m in range(150_000)})
                )
                for n in range(4)
            ),
        ],
        seconds=3,
        after=lambda: [
            drop(f"{_BINDINGS}/labelled"),
            *(drop(core("configmaps", f"c{n}")) for n in range(4)),
        ],
    ),
    Nasty(
        "a claim that selects by 100,000 labels",
        lambda: [_selected(), *(post(core("configmaps"), config(f"s{n}")) for n in range(20))],
        lambda: _claiming("labels.example.com", _CONFIGS),
        after=lambda: [drop(f"{_BINDINGS}/labels")],
    ),
]
