"""CRDs are refused as a kube-apiserver's validation refuses them (crd_checks.json)."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from kcpfast.registry.strategies.crd import STRATEGIES

CASES = json.loads((Path(__file__).parent / "crd_checks.json").read_text())
CRDS = STRATEGIES["apiextensions.k8s.io", "customresourcedefinitions"]


def definition(case: dict[str, Any]) -> dict[str, Any]:
    names = {"plural": "rules", "singular": "ruled", "kind": "Ruled", "listKind": "RuledList"}
    spec: dict[str, Any] = {"group": "shop.example.org", "scope": "Namespaced", "names": names}
    whole: dict[str, Any] = {"metadata": {"name": "rules.shop.example.org"}, "spec": spec}
    whole = copy.deepcopy(case.get("crd") or whole)
    whole["spec"].setdefault("versions", case.get("versions"))
    return whole


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_refuses_what_kubernetes_refuses_in_its_words(case: dict[str, Any]) -> None:
    crd = definition(case)
    assert CRDS.prepare_create is not None
    assert CRDS.validate is not None
    CRDS.prepare_create(crd)
    causes = sorted(cause.text() for cause in CRDS.validate(crd))
    assert bool(causes) is case["refused"], causes
    if "causes" in case:
        assert causes == case["causes"]


ESTABLISHED = {"conditions": [{"status": "True"}, {"type": "Established", "status": "True"}]}
CHANGES: tuple[tuple[tuple[str, ...], str, dict[str, Any], set[str]], ...] = (
    # where, new value, status of the old object, refused fields
    (("names", "kind"), "Other", ESTABLISHED, {"spec.names.kind"}),
    (("names", "kind"), "Other", {}, set()),
    (("scope",), "Cluster", ESTABLISHED, {"spec.scope"}),
    (("scope",), "Cluster", {}, set()),
    (("group",), "b.c", {}, {"spec.group"}),
    (("names", "plural"), "others", {}, {"spec.names.plural"}),
    (("names", "singular"), "other", ESTABLISHED, set()),
)


@pytest.mark.parametrize(("where", "value", "status", "refused"), CHANGES)
def test_names_of_an_established_kind_stay(
    where: tuple[str, ...], value: str, status: dict[str, Any], refused: set[str]
) -> None:
    schema = {"openAPIV3Schema": {"type": "object"}}
    old = definition({"versions": [{"name": "v1", "storage": True, "schema": schema}]})
    assert CRDS.prepare_create is not None
    assert CRDS.prepare_update is not None
    assert CRDS.validate_update is not None
    CRDS.prepare_create(old)
    old["status"] |= status
    new = copy.deepcopy(old)
    place = new["spec"]
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    CRDS.prepare_update(new, old)
    assert {cause.field for cause in CRDS.validate_update(new, old)} == refused
