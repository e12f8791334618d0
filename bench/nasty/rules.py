"""Expressions that others wrote: policies, match conditions, rules of definitions."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    ADMISSION,
    Nasty,
    Shot,
    config,
    core,
    custom,
    drop,
    named,
    path,
    post,
    ruled,
)

_TEN = "[1,2,3,4,5,6,7,8,9,10]"


def loops(depth: int, inner: str = "true") -> str:
    """Return so many loops over ten numbers, one in the other."""
    for number in range(depth):
        inner = f"{_TEN}.all(v{number}, {inner})"
    return inner


# An expression may ask twice, a policy 28 times, and no more.
_ASKS = "authorizer.group('').resource('pods').name('p{}-{}').check('get').allowed() || true"
_MANY = [f"k{n}" for n in range(150_000)]


def _policy(name: str, param: Any = None, **spec: Any) -> list[Shot]:
    """Return a policy for ConfigMaps with a label of its own name, and its binding."""
    whole = {"matchConstraints": _matched(name), "validations": [{"expression": "true"}]} | spec
    binding: dict[str, Any] = {"policyName": name, "validationActions": ["Deny"]}
    if param is not None:
        binding["paramRef"] = param
    base = f"{ADMISSION}/validatingadmissionpolicies"
    return [
        post(base, named(name, spec=whole)),
        post(f"{ADMISSION}/validatingadmissionpolicybindings", named(name, spec=binding)),
    ]


def _matched(label: str) -> dict[str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
    }
    return {"objectSelector": {"matchLabels": {"policy": label}}, "resourceRules": [rule]}


def _judged(name: str) -> list[Shot]:
    found = config(
        "judged", meta={"labels": {"policy": name}}, data={f"k{n}": "v" for n in range(9000)}
    )
    return [post(core("configmaps"), found, "?dryRun=All")]


def _webhook(name: str, expression: str) -> list[Shot]:
    hook = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "objectSelector": {"matchLabels": {"policy": name}},
        "matchConditions": [{"name": "a", "expression": f"!({expression})"}],
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps"],
            }
        ],
    }
    where = f"{ADMISSION}/validatingwebhookconfigurations"
    return [post(where, named(name, webhooks=[hook]))]


def _of(plural: str, **spec: Any) -> list[Shot]:
    found = custom("a", spec=spec) | {"kind": plural.title()}
    return [post(path(kind=plural), found)]


LISTED = [
    Nasty(
        "20 validations of 6 loops",
        lambda: _judged("loops"),
        lambda: _policy("loops", validations=[{"expression": loops(6)}] * 20),
    ),
    Nasty(
        "variables of 6 loops",
        lambda: _judged("variables"),
        lambda: _policy(
            "variables",
            variables=[{"name": f"v{n}", "expression": loops(6)} for n in range(20)],
            validations=[{"expression": " && ".join(f"variables.v{n}" for n in range(20))}],
        ),
    ),
    Nasty(
        "match conditions of 6 loops",
        lambda: _judged("conditions"),
        lambda: _policy(
            "conditions",
            matchConditions=[{"name": f"c{n}", "expression": loops(6)} for n in range(20)],
        ),
    ),
    Nasty(
        "messageExpressions of 6 loops",
        lambda: _judged("messages"),
        lambda: _policy(
            "messages",
            validations=[{"expression": "false", "messageExpression": f"{loops(6)} ? 'a' : 'b'"}]
            * 20,
        ),
    ),
    Nasty(
        "40 policies that ask the authorizer 20 times",
        lambda: _judged("asks"),
        lambda: [
            shot
            for n in range(40)
            for shot in _policy(
                f"asks{n}",
                validations=[{"expression": _ASKS.format(n, m)} for m in range(20)],
                matchConstraints=_matched("asks"),
            )
        ],
    ),
    Nasty(
        "a policy with 2,000 parameters",
        lambda: _judged("params"),
        lambda: [
            *(post(core("secrets"), named(f"p{n}", stringData={"k": "v"})) for n in range(2_000)),
            *_policy(
                "params",
                {"selector": {}, "parameterNotFoundAction": "Deny"},
                paramKind={"apiVersion": "v1", "kind": "Secret"},
            ),
        ],
        after=lambda: [drop(core("secrets"))],
    ),
    Nasty(
        "a policy with 4 parameters of 2.5 MB",
        lambda: _judged("large"),
        lambda: [
            *(
                post(core("secrets"), named(f"l{n}", data=dict.fromkeys(_MANY, "")))
                for n in range(4)
            ),
            *_policy(
                "large",
                {"selector": {}, "parameterNotFoundAction": "Deny"},
                paramKind={"apiVersion": "v1", "kind": "Secret"},
            ),
        ],
        after=lambda: [drop(core("secrets"))],
    ),
    Nasty(
        "a policy over 9,000 keys, twice",
        lambda: _judged("keys"),
        lambda: _policy(
            "keys",
            validations=[{"expression": "object.data.all(a, object.data.all(b, a != b || true))"}],
        ),
    ),
    Nasty(
        "a policy of 1,000 validations",
        lambda: _judged("many"),
        lambda: _policy(
            "many",
            validations=[{"expression": f"object.data.all(k, k != '{n}')"} for n in range(300)],
        ),
    ),
    Nasty(
        "match conditions of a webhook", lambda: _judged("hook"), lambda: _webhook("hook", loops(7))
    ),
    Nasty(
        "a list that doubles 34 times, looked up",
        lambda: _judged("doubled"),
        lambda: _policy(
            "doubled",
            variables=[
                {"name": "v0", "expression": "[1, 2]"},
                *(
                    {"name": f"v{n}", "expression": f"[variables.v{n - 1}, variables.v{n - 1}]"}
                    for n in range(1, 35)
                ),
            ],
            validations=[{"expression": "[variables.v34].indexOf(variables.v34) == 0"}],
        ),
    ),
    Nasty(
        "10 policies of 6 loops",
        lambda: _judged("ten"),
        lambda: [
            shot
            for n in range(10)
            for shot in _policy(
                f"ten{n}",
                validations=[{"expression": loops(6)}],
                matchConstraints=_matched("ten"),
            )
        ],
    ),
    Nasty(
        "a rule over 60 numbers, thrice",
        lambda: _of("cubes", l=list(range(60))),
        lambda: ruled(
            "cubes",
            [{"rule": "self.l.all(a, self.l.all(b, self.l.all(c, a+b+c >= 0)))"}],
            l={"type": "array", "maxItems": 60, "items": {"type": "integer"}},
        ),
    ),
    Nasty(
        "a rule for each of 400,000 items",
        lambda: _of("singles", l=[1] * 400_000),
        lambda: ruled(
            "singles",
            [{"rule": "true"}],
            l={
                "type": "array",
                "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 5"}]},
            },
        ),
    ),
    Nasty(
        "rules broken by 100,000 items",
        lambda: _of("broken", l=[1] * 100_000),
        lambda: ruled(
            "broken",
            [{"rule": "true"}],
            l={
                "type": "array",
                "maxItems": 100_000,
                "items": {
                    "type": "integer",
                    "x-kubernetes-validations": [
                        {"rule": "self > 5", "messageExpression": "'too small'"}
                    ],
                },
            },
        ),
    ),
    Nasty(
        "an expression of 10,000 terms",
        lambda: _policy("terms", validations=[{"expression": " && ".join(["true"] * 10_000)}]),
    ),
    Nasty(
        "an expression 100 deep",
        lambda: _policy("parens", validations=[{"expression": "(" * 100 + "true" + ")" * 100}]),
    ),
    Nasty(
        "a policy of 3,000 expressions",
        lambda: _policy(
            "wide",
            validations=[{"expression": f"object.metadata.name != 'a{n}'"} for n in range(3_000)],
        ),
    ),
]
