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
    ({"binaryData": {"a": "%"}}, "ConfigMap.binaryData.a"),
]


@pytest.mark.parametrize(("sent", "said"), REFUSED)
def test_what_go_could_not_decode_is_refused(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as caught:
        conform(CONFIG_MAP, sent)
    assert caught.value.code == 400
    assert said in caught.value.message
