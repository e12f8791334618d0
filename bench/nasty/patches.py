"""Patches and applies: many operations, bombs, long lists that merge by key."""

from __future__ import annotations

from typing import Any

from bench.nasty.shot import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Nasty,
    Shot,
    config,
    core,
    custom,
    path,
    post,
    text,
)


def _free(name: str, value: Any) -> list[Shot]:
    return [post(path(), custom(name, spec={"free": value}))]


def _operations(name: str, *listed: Any) -> list[Shot]:
    return [Shot("PATCH", path(name), text(listed), JSON_PATCH)]


def _op(kind: str, where: str, **more: Any) -> dict[str, Any]:
    return {"op": kind, "path": where} | more


def _applied(name: str, manager: str, **spec: Any) -> Shot:
    query = f"?fieldManager={manager}"
    return Shot("PATCH", path(name) + query, text(custom(name, spec=spec)), APPLY)


def _named(number: int, value: str = "a") -> list[dict[str, Any]]:
    return [{"name": f"n{n}", "value": value} for n in range(number)]


def _account(number: int) -> dict[str, Any]:
    secrets = [{"name": f"s{n}"} for n in range(number)]
    return {"metadata": {"name": "merged"}, "secrets": secrets}


def _strategic(*members: Any) -> list[Shot]:
    return [
        Shot("PATCH", core("serviceaccounts", "merged"), text(each), STRATEGIC) for each in members
    ]


def _order(number: int) -> dict[str, Any]:
    order = [{"name": f"s{n}"} for n in reversed(range(number))]
    return {"$setElementOrder/secrets": order, "secrets": []}


def _large_test(name: str) -> list[Shot]:
    value = [[n, {"a": str(n)}] for n in range(90_000)]
    return _operations(name, _op("test", "/spec/free/l", value=value))


LISTED = [
    Nasty(
        "10,000 inserts in front of 100,000",
        lambda: _operations("list", *[_op("add", "/spec/free/l/0", value=1)] * 10_000),
        lambda: _free("list", {"l": [1] * 100_000}),
    ),
    Nasty(
        "10,000 moves in a list of 100,000",
        lambda: _operations(
            "list", *[_op("move", "/spec/free/l/0", **{"from": "/spec/free/l/99999"})] * 10_000
        ),
    ),
    Nasty(
        "a copy bomb",
        lambda: _operations(
            "bomb",
            *[_op("copy", f"/spec/free/c{n + 1}", **{"from": "/spec/free"}) for n in range(60)],
        ),
        lambda: _free("bomb", {"c0": "x" * 100}),
    ),
    Nasty(
        "copies of 200,000 items",
        lambda: _operations(
            "list",
            *[_op("copy", f"/spec/free/c{n}", **{"from": "/spec/free/l"}) for n in range(20)],
        ),
    ),
    Nasty(
        "a test of 90,000 items",
        lambda: _large_test("tested"),
        lambda: _free("tested", {"l": [[n, {"a": str(n)}] for n in range(90_000)]}),
    ),
    Nasty(
        "2,000 tests of 50,000 items",
        lambda: _operations("tested", *[_op("test", "/spec/free", value={"l": 1})] * 9_000),
    ),
    Nasty("60,000 operations", lambda: _operations("list", *[_op("test", "/a")] * 60_000)),
    Nasty(
        "pointers of 100,000 steps",
        lambda: _operations("list", *[_op("add", "/spec" * 10_000, value=1)] * 50),
    ),
    Nasty(
        "a JSON patch that makes 200,000 unknown fields",
        lambda: _operations(
            "list",
            _op("add", "/spec/set", value=[]),
            *[_op("add", "/spec/plain", value=[{f"x{n}": 1 for n in range(150_000)}])],
        ),
    ),
    Nasty(
        "a merge patch of 190,000 members",
        lambda: [
            Shot(
                "PATCH",
                path("list"),
                text({"spec": {"free": {f"k{n}": n for n in range(170_000)}}}),
                MERGE,
            )
        ],
    ),
    Nasty(
        "a merge patch that removes 190,000",
        lambda: [
            Shot(
                "PATCH",
                path("list"),
                text({"spec": {"free": {f"k{n}": None for n in range(170_000)}}}),
                MERGE,
            )
        ],
    ),
    Nasty(
        "a merge patch with 190,000 unknown fields",
        lambda: [
            Shot("PATCH", path("list"), text({"spec": {f"k{n}": n for n in range(170_000)}}), MERGE)
        ],
    ),
    Nasty(
        "a strategic patch of 100,000 items",
        lambda: _strategic(_account(100_000)),
        lambda: [post(core("serviceaccounts"), _account(100_000))],
    ),
    Nasty("$setElementOrder of 100,000", lambda: _strategic(_order(100_000))),
    Nasty(
        "80,000 $patch: delete",
        lambda: _strategic(
            {"secrets": [{"name": f"s{n}", "$patch": "delete"} for n in range(60_000)]}
        ),
    ),
    Nasty(
        "$retainKeys of 150,000",
        lambda: _strategic({"metadata": {"$retainKeys": [f"k{n}" for n in range(150_000)]}}),
    ),
    Nasty(
        "apply of a map list of 70,000",
        lambda: [
            _applied("apply", "one", named=_named(70_000)),
            _applied("apply", "one", named=_named(70_000, "b")),
            _applied("apply", "one", named=_named(10)),
        ],
    ),
    Nasty(
        "apply by two managers in conflict",
        lambda: [
            _applied("conflict", "one", named=_named(70_000)),
            _applied("conflict", "two", named=_named(70_000, "c")),
        ],
    ),
    Nasty(
        "apply of a set of 300,000",
        lambda: [
            _applied("apply-set", "one", set=[f"s{n}" for n in range(250_000)]),
            _applied("apply-set", "one", set=[f"t{n}" for n in range(250_000)]),
        ],
    ),
    Nasty("apply of 500,000 equal items", lambda: [_applied("equal", "one", set=["a"] * 600_000)]),
    Nasty(
        "apply of 190,000 unknown fields",
        lambda: [_applied("unknown", "one", **{f"u{n}": 1 for n in range(190_000)})],
    ),
    Nasty(
        "apply of 170,000 keys of data",
        lambda: [
            Shot(
                "PATCH",
                core("configmaps", "applied") + "?fieldManager=one",
                text(config("applied", data={f"k{n}": "v" for n in range(120_000)})),
                APPLY,
            )
        ],
    ),
    Nasty(
        "apply in 2.5 MB of YAML",
        lambda: [
            Shot(
                "PATCH",
                core("configmaps", "yaml") + "?fieldManager=one",
                b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yaml}\ndata:\n"
                + b"".join(b"  key%d: 'a text'\n" % n for n in range(120_000)),
                APPLY,
            )
        ],
    ),
    Nasty(
        "apply nested 300 deep",
        lambda: [
            Shot(
                "PATCH",
                path("deep") + "?fieldManager=one",
                text(custom("deep", spec={"free": {"x": "@"}})).replace(
                    b'"@"', b"[" + (b'{"a":' * 300 + b"1" + b"}" * 300 + b",") * 1_500 + b"1]"
                ),
                APPLY,
            )
        ],
    ),
    Nasty(
        "200 managers of 500 fields",
        lambda: [
            Shot(
                "PATCH",
                core("configmaps", "managed") + f"?fieldManager=m{n}&force=true",
                text(config("managed", data={f"k{k}": "v" for k in range(500)})),
                APPLY,
            )
            for n in range(100)
        ],
    ),
]
