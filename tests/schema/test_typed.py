"""Built-in kinds have the manners of Go structs: what is empty goes, what is in a map stays."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.meta.errors import ApiError
from kcpfast.registry.typed import conform
from kcpfast.resources.builtin import BY_PLACE

CONFIG_MAP = BY_PLACE["", "v1", "configmaps"]
ROLE = BY_PLACE["rbac.authorization.k8s.io", "v1", "roles"]

CONFORMED: list[tuple[Any, dict[str, Any], dict[str, Any], list[str]]] = [
    # kind, what is sent, what is left of it, what nobody knows
    (CONFIG_MAP, {}, {"metadata": {}}, []),
    (CONFIG_MAP, {"data": None}, {"metadata": {}}, []),
    (CONFIG_MAP, {"data": {}}, {"metadata": {}}, []),
    (CONFIG_MAP, {"data": {"a": "", "b": None}}, {"metadata": {}, "data": {"a": "", "b": ""}}, []),
    (CONFIG_MAP, {"immutable": False}, {"metadata": {}, "immutable": False}, []),
    (CONFIG_MAP, {"metadata": {"labels": {"a": ""}, "finalizers": [], "generation": 0}},
     {"metadata": {"labels": {"a": ""}, "generation": 0}}, []),
    (CONFIG_MAP, {"metadata": {"x": 1, "labels": {"y": "z"}}, "w": {"v": 1}},
     {"metadata": {"labels": {"y": "z"}}}, ["metadata.x", "w"]),
    (ROLE, {"rules": [{"verbs": ["get"], "resources": [], "extra": 1}]},
     {"metadata": {}, "rules": [{"verbs": ["get"]}]}, ["rules[0].extra"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "sent", "left", "unknown"), CONFORMED)
def test_object_is_conformed(
    kind: Any, sent: dict[str, Any], left: dict[str, Any], unknown: list[str]
) -> None:
    assert conform(kind, sent) == unknown
    assert sent == left


REFUSED = [
    ({"data": []}, "cannot unmarshal array into Go struct field ConfigMap.data of type object"),
    ({"data": {"a": 1}}, "cannot unmarshal number into Go struct field ConfigMap.data.a of type"),
    ({"immutable": "yes"}, "cannot unmarshal string into Go struct field ConfigMap.immutable"),
    ({"metadata": {"generation": 1.5}}, "of type integer"),
    ({"binaryData": {"a": "%"}}, "as a ConfigMap: illegal base64 data at input byte 0"),
]


@pytest.mark.parametrize(("sent", "said"), REFUSED)
def test_what_go_could_not_decode_is_refused(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as caught:
        conform(CONFIG_MAP, sent)
    assert caught.value.code == 400
    assert said in caught.value.message


QUOTA = BY_PLACE["", "v1", "resourcequotas"]
SECRET = BY_PLACE["", "v1", "secrets"]
EVENT = BY_PLACE["", "v1", "events"]
LEASE = BY_PLACE["coordination.k8s.io", "v1", "leases"]

_FORM = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SECONDS, _MICROS = "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000000Z07:00"
# Kind, path, what is sent, what a kube-apiserver 1.36 made of it, or said.
DECODED: list[tuple[Any, str, Any, Any]] = [
    (QUOTA, "spec.hard.a", 0.5, "500m"),
    (QUOTA, "spec.hard.a", "1000m", "1"),
    (QUOTA, "spec.hard.a", 1000000, "1M"),
    (QUOTA, "spec.hard.a", " 1", "1"),
    (QUOTA, "spec.hard.a", None, "0"),
    (QUOTA, "spec.hard.a", True, ValueError(_FORM)),
    (QUOTA, "spec.hard.a", {}, ValueError(_FORM)),
    (SECRET, "data.a", "YQ=\n=", "YQ=="),
    (SECRET, "data.a", "YWI=\r\n", "YWI="),
    (SECRET, "data.a", "YWJ=", "YWI="),
    (SECRET, "data.a", [1, 2], "AQI="),
    (SECRET, "data.a", None, ""),
    (SECRET, "data.a", "YQ", ValueError("illegal base64 data at input byte 0")),
    (SECRET, "data.a", "YWJj YWJj", ValueError("illegal base64 data at input byte 4")),
    (EVENT, "firstTimestamp", "2020-01-01T00:00:00.5+02:00", "2019-12-31T22:00:00Z"),
    (EVENT, "firstTimestamp", "2020-01-01T00:00:00.123456789Z", "2020-01-01T00:00:00Z"),
    (EVENT, "firstTimestamp", "x", ValueError(
        f'parsing time "x" as "{_SECONDS}": cannot parse "x" as "2006"')),
    (EVENT, "firstTimestamp", "2020-02-30T00:00:00Z", ValueError(
        'parsing time "2020-02-30T00:00:00Z": day out of range')),
    (EVENT, "firstTimestamp", "2020-01-01T00:00:00Zx", ValueError('extra text: "x"')),
    (LEASE, "spec.renewTime", "2020-01-01T02:00:00.123456+02:00", "2020-01-01T00:00:00.123456Z"),
    (LEASE, "spec.renewTime", "2020-01-01T00:00:00Z", ValueError(
        f'as "{_MICROS}": cannot parse "Z" as ".000000"')),
    (LEASE, "spec.renewTime", "2020-01-01T00:00:00.123456789Z", ValueError(
        f'as "{_MICROS}": cannot parse "789Z" as "Z07:00"')),
    (LEASE, "spec.leaseDurationSeconds", 15, 15),
    (LEASE, "spec.leaseDurationSeconds", 15.0, ValueError("cannot unmarshal number")),
    (LEASE, "spec.leaseDurationSeconds", 1 << 31, ValueError("of type int32")),
    (ROLE, "rules", [None, {"verbs": [None]}], [{}, {"verbs": [""]}]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "sent", "expected"), DECODED)
def test_value_is_decoded_as_its_go_type(kind: Any, path: str, sent: Any, expected: Any) -> None:
    obj: dict[str, Any] = {}
    *parents, last = path.split(".")
    place = obj
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = sent
    if isinstance(expected, ValueError):
        with pytest.raises(ApiError) as caught:
            conform(kind, obj)
        assert str(expected) in caught.value.message
        return
    conform(kind, obj)
    assert place[last] == expected
    assert type(place[last]) is type(expected)
