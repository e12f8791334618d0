"""Roles, bindings, reviews, exports, webhooks, quotas: lists of what somebody may."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    ADMISSION,
    Nasty,
    Shot,
    config,
    core,
    drop,
    named,
    post,
    text,
)

_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def _rule(**more: Any) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]} | more


def _roles() -> list[Shot]:
    """Bind to the one who asks a role of 3,000 rules."""
    rules = [_rule(resourceNames=[f"n{n}"]) for n in range(3_000)]
    more = [
        _rule(verbs=["create", "update", "patch"], apiGroups=["*"], resources=["roles"]),
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
    ]
    return _held("held", rules + more)


def _held(name: str, rules: list[Any]) -> list[Shot]:
    """Bind a role to the holder."""
    subject = {"kind": "User", "name": "holder", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    return [
        post(f"{_RBAC}/clusterroles", named(name, rules=rules)),
        post(
            f"{_RBAC}/clusterrolebindings",
            {
                "metadata": {"name": name, "labels": {"held": name}},
                "roleRef": role,
                "subjects": [subject],
            },
        ),
    ]


_HOLDER = {"Authorization": "Bearer holder"}
_ROLES = f"{_RBAC}/namespaces/default/roles"


def _grant(name: str, *rules: Any) -> list[Shot]:
    return [Shot("POST", _ROLES, text(named(name, rules=rules)), headers=_HOLDER)]


def _product(number: int) -> dict[str, Any]:
    names = [f"n{n}" for n in range(number)]
    return {"apiGroups": names, "resources": names, "verbs": names, "resourceNames": names}


def _aggregated() -> list[Shot]:
    label = {"matchLabels": {"a": "b"}}
    parts = [
        post(
            f"{_RBAC}/clusterroles",
            {
                "metadata": {"name": f"part{n}", "labels": {"a": "b"}},
                "rules": [_rule(resourceNames=[f"x{k}"]) for k in range(200)],
            },
        )
        for n in range(60)
    ]
    whole = named("whole", rules=[], aggregationRule={"clusterRoleSelectors": [label] * 50})
    return [post(f"{_RBAC}/clusterroles", whole), *parts]


def _review(kind: str, plural: str, **spec: Any) -> Shot:
    found = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    return Shot("POST", f"/apis/authorization.k8s.io/v1/{plural}", text(found))


def _subjects(number: int) -> list[Shot]:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "held"}
    listed = [
        {"kind": "User", "name": f"u{n}", "apiGroup": "rbac.authorization.k8s.io"}
        for n in range(number)
    ]
    return [post(f"{_RBAC}/clusterrolebindings", named("many", roleRef=role, subjects=listed))]


def _exported(number: int) -> list[Shot]:
    listed = [
        {
            "name": f"r{n}",
            "group": "g.example.com",
            "schema": f"v1.r{n}.g.example.com",
            "storage": {"crd": {}},
        }
        for n in range(number)
    ]
    export = {
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIExport",
        "metadata": {"name": "g.example.com"},
        "spec": {"resources": listed},
    }
    return [post("/apis/apis.kcp.io/v1alpha2/apiexports", export)]


def _claimed(number: int) -> list[Shot]:
    claims = [
        {"group": "g.example.com", "resource": f"r{n}", "verbs": ["get"], "identityHash": "a" * 64}
        for n in range(number)
    ]
    export = {
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIExport",
        "metadata": {"name": "c.example.com"},
        "spec": {"permissionClaims": claims},
    }
    return [post("/apis/apis.kcp.io/v1alpha2/apiexports", export)]


def _hooks(name: str, number: int, rules: int = 1) -> list[Shot]:
    hook = {
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "objectSelector": {"matchLabels": {"policy": "no"}},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
            }
        ]
        * rules,
    }
    if rules > 1:
        del hook["objectSelector"]
    hooks = [hook | {"name": f"h{n}.example.com"} for n in range(number)]
    return [post(f"{ADMISSION}/validatingwebhookconfigurations", named(name, webhooks=hooks))]


LISTED = [
    Nasty(
        "a role of 3,000 rules by its holder",
        lambda: _grant("again", *[_rule(resourceNames=[f"n{n}"]) for n in range(3_000)]),
        _roles,
    ),
    Nasty(
        "a role of 30,000 rights not held",
        lambda: _grant("more", *[_rule(resourceNames=[f"other{n}"]) for n in range(20_000)]),
    ),
    Nasty("one rule of 10 to the 9th rights", lambda: _grant("product", _product(180))),
    Nasty("one rule of 10 to the 12th rights", lambda: _grant("products", _product(1_000))),
    Nasty(
        "a role aggregated by 60,000 selectors",
        lambda: [
            post(
                f"{_RBAC}/clusterroles",
                {
                    "metadata": {"name": "choosy"},
                    "aggregationRule": {
                        "clusterRoleSelectors": [
                            {"matchLabels": {"a": f"b{n}"}} for n in range(60_000)
                        ]
                    },
                },
            )
        ],
        after=lambda: [drop(f"{_RBAC}/clusterroles/choosy")],
        seconds=2,
    ),
    Nasty("60 aggregated roles of 200 rules", _aggregated),
    Nasty(
        "what may I, of 3,000 rules",
        lambda: [
            Shot(
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                text({"spec": {"namespace": "default"}}),
                headers=_HOLDER,
            )
        ],
    ),
    Nasty(
        "may somebody of 100,000 groups",
        lambda: [
            _review(
                "SubjectAccessReview",
                "subjectaccessreviews",
                user="u",
                groups=[f"g{n}" for n in range(100_000)],
                resourceAttributes={"verb": "get", "resource": "pods"},
            )
        ],
    ),
    Nasty(
        "may somebody of 50,000 extras",
        lambda: [
            _review(
                "SubjectAccessReview",
                "subjectaccessreviews",
                user="u",
                extra={f"e{n}": ["v"] for n in range(90_000)},
                resourceAttributes={"verb": "get", "resource": "pods"},
            )
        ],
    ),
    Nasty("a binding of 25,000 subjects", lambda: _subjects(25_000)),
    Nasty("an export of 15,000 resources", lambda: _exported(15_000)),
    Nasty("an export of 15,000 claims", lambda: _claimed(15_000)),
    Nasty(
        "5,000 webhooks",
        lambda: _hooks("five", 5_000),
        after=lambda: [drop(f"{ADMISSION}/validatingwebhookconfigurations/five")],
    ),
    Nasty(
        "what is written after 5,000 webhooks",
        lambda: [post(core("configmaps"), config(f"after{n}")) for n in range(10)],
        lambda: _hooks("many", 5_000),
        after=lambda: [drop(f"{ADMISSION}/validatingwebhookconfigurations/many")],
    ),
    Nasty(
        "what is written after a webhook of 15,000 rules",
        lambda: [post(core("configmaps"), config(f"rules{n}")) for n in range(10)],
        lambda: _hooks("rules", 1, 15_000),
        after=lambda: [drop(f"{ADMISSION}/validatingwebhookconfigurations/rules")],
    ),
    Nasty(
        "questions about a role of 1 MB",
        lambda: [Shot("GET", core("configmaps", f"n{n}"), headers=_HOLDER) for n in range(20)],
        lambda: _held("heavy", [_rule(resourceNames=[f"m{n}"]) for n in range(5_000)]),
        after=lambda: [drop(f"{_RBAC}/clusterrolebindings/heavy")],
    ),
    Nasty(
        "a role of 30,000 rules",
        lambda: _held("none", [_rule(resourceNames=[f"m{n}"]) for n in range(30_000)]),
    ),
    Nasty(
        "questions about 20 roles of 1 MB",
        lambda: [Shot("GET", core("configmaps", f"n{n}"), headers=_HOLDER) for n in range(4)],
        lambda: [
            shot
            for role in range(20)
            for shot in _held(
                f"heavy{role}", [_rule(resourceNames=[f"{'m' * 200}{n}"]) for n in range(5_000)]
            )
        ],
        after=lambda: [drop(f"{_RBAC}/clusterrolebindings/heavy{n}") for n in range(20)],
    ),
    Nasty(
        "questions about 5,000 bindings",
        lambda: [Shot("GET", core("configmaps", f"n{n}"), headers=_HOLDER) for n in range(4)],
        lambda: [shot for n in range(5_000) for shot in _held(f"b{n}", [_rule()])[1:]],
        after=lambda: [drop(f"{_RBAC}/clusterrolebindings?labelSelector=held")],
    ),
    Nasty(
        "a quota of 50,000 resources",
        lambda: [
            post(
                core("resourcequotas"),
                named("q", spec={"hard": {f"count/r{n}.example.com": "1" for n in range(50_000)}}),
            )
        ],
    ),
    Nasty(
        "a quota of 100,000 scopes",
        lambda: [
            post(
                core("resourcequotas"),
                named("s", spec={"hard": {"pods": "1"}, "scopes": ["Terminating"] * 100_000}),
            )
        ],
    ),
    Nasty(
        "a token for 100,000 audiences",
        lambda: [
            post(
                core("serviceaccounts", "default/token"),
                {"spec": {"audiences": [f"a{n}" for n in range(100_000)]}},
            )
        ],
    ),
]
