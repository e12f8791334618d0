"""What a sample is: a valid object, and where it goes."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]
CORE, RBAC = "/api/v1", "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
APIS, TENANCY = "/apis/apis.kcp.io", "/apis/tenancy.kcp.io/v1alpha1"
AUTHENTICATION, AUTHORIZATION = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
CSR = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIR01HNENBUUF3RERFS01BZ0dBMVVFQXd3QllU"
    "QlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQTBJQQpCUGNQTXdjdW9XZTQ4bkxXK25rYzlMSURVaDkzQjRI"
    "aFcvTVpsM3NWWk55d2tBZDJtakZNd3UyMVY1dHpZRDhvCnRFM0ptZ2hUNzhNYmtqRDF0eUw0L0ZPZ0FEQUtCZ2dx"
    "aGtqT1BRUURBZ05JQURCRkFpRUF5bHNlanhPSlRuSFAKVnBZZWE0WWRBQis1QWpwSU9TRnFJU054MmhuaE4xUUNJ"
    "SDkxcyt1bkRUSUpTVlBhendaUU5mUUtNNWR2TzBKaApKODBEdWxyczVhLzAKLS0tLS1FTkQgQ0VSVElGSUNBVEUg"
    "UkVRVUVTVC0tLS0tCg=="
)
RULE = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
HOOKED = {"apiGroups": ["x"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
CLAIM = {"group": "", "resource": "configmaps", "verbs": ["get", "list"]}
SIZE = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}}
RULED = SIZE | {"x-kubernetes-validations": [{"rule": "self.size < 9", "message": "no"}]}
EXPRESSION = "object.metadata.name != 'x'"


class Sample(NamedTuple):
    """A kind: the path of its collection, and an object without a name; `{n}` is its name."""

    base: str
    plural: str
    kind: str
    body: Json
    namespaced: bool = False
    name: str = "{n}"
    subresources: tuple[str, ...] = ()
    stored: bool = True


def crd_version(schema: Json) -> Json:
    return {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
        },
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
    }


def names(plural: str) -> Json:
    kind = plural.removesuffix("s").capitalize()
    return {
        "plural": plural,
        "singular": plural.removesuffix("s"),
        "kind": kind,
        "listKind": f"{kind}List",
    }


SCHEMA = {"type": "object", "properties": {"spec": RULED, "status": SIZE}}
HOOK = {
    "name": "h.example.com",
    "clientConfig": {"url": "https://127.0.0.1:1/x"},
    "rules": [HOOKED],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
    "failurePolicy": "Ignore",
    "timeoutSeconds": 1,
}
CONSTRAINTS = {"resourceRules": [HOOKED]}
ATTRIBUTES = {"verb": "get", "resource": "configmaps", "namespace": "default"}
