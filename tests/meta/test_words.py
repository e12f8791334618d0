"""The words of the API: names, versions, quantities, durations, JSON paths."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.meta import jsonpath
from kcpfast.meta.duration import parse_duration
from kcpfast.meta.names import (
    config_key,
    dns_1035_label,
    dns_label,
    dns_subdomain,
    label_value,
    path_segment,
    qualified_name,
)
from kcpfast.meta.quantity import QuantityError, canonical
from kcpfast.meta.versions import version_order
from kcpfast.resources.ages import age, human, parse_time

Rule = Callable[[str], list[str]]
NAMES: list[tuple[Rule, list[str], list[str]]] = [
    # rule, what is right, what is wrong
    (dns_label, ["a", "a-1", "1"], ["", "A", "-a", "a-", "a.b", "a" * 64]),
    (dns_1035_label, ["a", "a-1"], ["", "1", "A", "a-", "a" * 64]),
    (dns_subdomain, ["a.b", "1.2", "a"], ["", "a..b", ".a", "a_b", "a" * 254]),
    (qualified_name, ["a", "A_b.c", "x.io/a"], ["", "/a", "x.io/", "a/b/c", "X.io/a", "a" * 64]),
    (label_value, ["", "a", "A-b_c.d"], ["-a", "a b", "a" * 64]),
    (path_segment, ["a", "system:node", "a b"], [".", "..", "a/b", "a%b"]),
    (config_key, ["a.b", "_A-1"], ["", "a/b", ".", "..", "..a", "a" * 254]),
]


@pytest.mark.parametrize(("rule", "right", "wrong"), NAMES)
def test_names(rule: Rule, right: list[str], wrong: list[str]) -> None:
    assert [name for name in right if rule(name)] == []
    assert [name for name in wrong if not rule(name)] == []


def test_versions_are_ordered_by_stability_and_age() -> None:
    wanted = ["v10", "v2", "v1", "v11beta2", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    assert sorted(set(wanted), key=version_order) == wanted


QUANTITIES = [
    ("1", "1"), ("1.5", "1500m"), ("1500m", "1500m"), ("1000", "1k"), ("1024", "1024"),
    ("1Ki", "1Ki"), ("1024Ki", "1Mi"), ("1.5Gi", "1536Mi"), ("0.1", "100m"), ("1e3", "1e3"),
    ("-5", "-5"), ("0", "0"), ("0Ki", "0"), ("1n", "1n"), ("0.1n", "1n"), ("100000m", "100"),
    ("1E", "1E"), ("123456789", "123456789"), ("1e999", "1e999"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), QUANTITIES)
def test_quantities_have_one_form(text: str, wanted: str) -> None:
    assert canonical(text) == wanted


NO_QUANTITIES = ["", "a", "1 ", "1KiB", "1.2.3", "Ki", "1e", "--1", "٣", "1e٣", "9" * 2_000_000]


@pytest.mark.parametrize("text", NO_QUANTITIES)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        canonical(text)


AGES = [
    (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"),
    (3 * 3600 - 1, "179m"), (3 * 3600 + 60, "3h1m"), (8 * 3600, "8h"), (47 * 3600, "47h"),
    (48 * 3600, "2d"), (49 * 3600, "2d1h"), (8 * 86400, "8d"), (729 * 86400, "729d"),
    (730 * 86400, "2y"), (1056 * 86400, "2y326d"), (9 * 365 * 86400, "9y"), (-5, "<invalid>"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), AGES)
def test_ages_are_told_as_to_people(seconds: int, text: str) -> None:
    assert human(seconds) == text


def test_age_of_a_time() -> None:
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3630))
    assert age(hour_ago) == "60m"
    assert (age(None), age("yesterday")) == ("<unknown>", "<invalid>")
    assert parse_time("١٩70-01-01T01:00:00Z") is None
    assert parse_time("1970-01-01T01:00:00.5+01:00") == 0.0


DURATIONS = [("1h2m3.5s", 3723.5), ("10s", 10.0), ("500ms", 0.5), ("-1m", -60.0), ("0", 0.0)]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations_are_read_as_by_go(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s 1s", "1e3s", "٣s", "9" * 1000 + "s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


OBJECT: Any = {
    "a": {"b.c": 1, "d": [{"n": "x", "v": 1}, {"n": "y", "v": 2}]},
    "t": True,
}
PATHS: list[tuple[str, list[Any]]] = [
    (".a.d[0].v", [1]),
    (".a.d[-1].n", ["y"]),
    (".a.d[*].v", [1, 2]),
    (r".a.b\.c", [1]),
    (r".a['b\.c']", [1]),
    (".a['b.c']", []),
    (".a.d[-1:].n", ["y"]),
    (".a.d[0:1].n", ["x"]),
    (".a.d[::2].n", ["x"]),
    (".a.d[0,1].n", ["x", "y"]),
    (".a.d[?(@.v>1)].n", ["y"]),
    (".a.d[?(@.v<=2)].n", ["x", "y"]),
    (".a.d[?(@.w)].n", []),
    (".a.d[?(@.v>1.5)].n", []),
    (".a.d[2].n", []),
    (".a.d[-3].n", []),
    (".t[0]", []),
    ("..n", ["x", "y"]),
    (".a.*.n", []),
    ("$.t", [True]),
    (".", []),
    ('.a.d[?(@.n=="y")].v', [2]),
    ('.a.d[?(@.n!="y")].v', [1]),
    ("{.t}", [True]),
    (".missing.at.all", []),
]


@pytest.mark.parametrize(("path", "found"), PATHS)
def test_json_paths(path: str, found: list[Any]) -> None:
    assert jsonpath.find(jsonpath.compile_path(path), OBJECT) == found


@pytest.mark.parametrize("path", ["a", ".a[", '.a["b"]', ".a[?(@.b>1)", ".a[(@.length-1)]", ".a b"])
def test_what_is_no_json_path(path: str) -> None:
    with pytest.raises(jsonpath.JsonPathError):
        jsonpath.compile_path(path)
