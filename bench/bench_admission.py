"""The admission chain of a create: every plugin that looks at it, and one policy in CEL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.inside import ADMIN, Inside, config_map
from kcpfast.admission.chain import CREATE, Review, WriteRequest
from kcpfast.registry.objects import Target
from kcpfast.resources.builtin import BY_PLACE

KIND = BY_PLACE["", "v1", "configmaps"]
GROUP = "/clusters/root:ruled/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
POLICY = {
    "metadata": {"name": "short"},
    "spec": {
        "matchConstraints": {"resourceRules": [RULE | {"resources": ["configmaps"]}]},
        "validations": [
            {"expression": "object.metadata.name.size() < 50 && size(object.data) > 0"}
        ],
    },
}
BINDING = {
    "metadata": {"name": "short"},
    "spec": {"policyName": "short", "validationActions": ["Deny"]},
}


def ruled(inside: Inside) -> None:
    """Make a workspace in which a policy looks at ConfigMaps."""
    inside.workspace("ruled")
    for plural, obj in (("", POLICY), ("bindings", BINDING)):
        kind = "ValidatingAdmissionPolicy" + ("Binding" if plural else "")
        whole = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind} | obj
        path = f"{GROUP}/validatingadmissionpolic{'ybindings' if plural else 'ies'}"
        inside.ask("POST", path, json.dumps(whole).encode())


@pytest.mark.parametrize("policies", [0, 1])
def test_chain(benchmark: Any, inside: Inside, policies: int) -> None:
    """The chain of a create, without and with a policy."""
    if policies:
        ruled(inside)
    cluster = inside.cluster("root:ruled" if policies else "root:bench")
    admission = inside.running.server._api.admission
    target = Target(KIND, cluster, "default", "web")
    obj = json.loads(config_map("web"))
    obj["metadata"]["namespace"] = "default"

    async def run() -> None:
        for _ in range(16):
            review = Review(CREATE, target, WriteRequest(ADMIN), obj, None)
            await admission.mutate(review)
            await admission.validate(review)

    benchmark.extra_info["times"] = 16
    benchmark(lambda: inside.run(run()))
