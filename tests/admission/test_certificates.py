"""Signing requests: who asks, who approves, who signs."""

from base64 import b64encode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fix_inside import Inside, Json

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def pem(organization: str = "devs") -> str:
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, "alice"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder(x509.Name(names)).sign(key, hashes.SHA256())
    return b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


PEM = pem()
BROKEN = b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\nx").decode()


def request(**spec: Any) -> Json:
    usual = {"request": PEM, "signerName": "example.com/s", "usages": ["client auth"]}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "c"},
        "spec": usual | spec,
    }


async def test_who_asks_is_written_down(inside: Inside) -> None:
    made = await inside.create(REQUESTS, request(username="somebody", groups=["system:masters"]))
    assert made["spec"]["username"] == "kcp-admin"
    assert "system:masters" not in made["spec"]["groups"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"request": "eA=="}, "spec.request"),
        ({"request": BROKEN}, "spec.request"),
        ({"signerName": ""}, "spec.signerName"),
        ({"signerName": "example.com"}, "spec.signerName"),
        ({"signerName": "example/s"}, "spec.signerName"),
        ({"signerName": "example.com/a/b"}, "spec.signerName"),
        ({"signerName": "example.com/A"}, "spec.signerName"),
        ({"usages": []}, "spec.usages"),
        ({"usages": ["to boast"]}, "spec.usages[0]"),
        ({"usages": ["any", "any"]}, "spec.usages[1]"),
        ({"expirationSeconds": 599}, "spec.expirationSeconds"),
    ],
)
async def test_what_is_no_request(inside: Inside, spec: Json, field: str) -> None:
    got = await inside.send("POST", REQUESTS, request(**spec))
    assert got.status == 422
    assert [cause["field"] for cause in got.body["details"]["causes"]] == [field]


@pytest.mark.parametrize(
    "group", ["system:masters", "system:kcp:admin", "system:kcp:initializer:root:x"]
)
async def test_nobody_asks_for_privileges(inside: Inside, group: str) -> None:
    name = "kubernetes.io/kube-apiserver-client"
    wrong = request(request=pem(group), signerName=name)
    got = await inside.send("POST", REQUESTS, wrong)
    assert (got.status, got.body["reason"]) == (403, "Forbidden")
    wrong["spec"]["signerName"] = "example.com/s"
    await inside.create(REQUESTS, wrong)


@pytest.fixture
async def clerk(inside: Inside) -> str:
    """A user who may write to requests; what signers allow is granted by each test."""
    rules = [
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": [f"certificatesigningrequests/{part}" for part in ("approval", "status")],
            "verbs": ["update", "patch"],
        },
        {"nonResourceURLs": ["/"], "verbs": ["access"]},
    ]
    await grant(inside, "clerk", rules)
    return "clerk"


async def grant(inside: Inside, name: str, rules: list[Json]) -> None:
    api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    role = api | {"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    await inside.create(f"{RBAC}/clusterroles", role, token="master")
    group = "rbac.authorization.k8s.io"
    binding = api | {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "clerk"}],
    }
    await inside.create(f"{RBAC}/clusterrolebindings", binding, token="master")


def signers(verb: str, *names: str) -> Json:
    return {
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["signers"],
        "resourceNames": list(names),
        "verbs": [verb],
    }


def decided(kind: str = "Approved", status: str = "True") -> Json:
    return {"status": {"conditions": [{"type": kind, "status": status, "reason": "R"}]}}


@pytest.mark.parametrize(
    ("part", "verb", "body"),
    [("approval", "approve", decided()), ("status", "sign", decided("Failed"))],
)
@pytest.mark.parametrize("name", ["example.com/s", "example.com/*"])
async def test_signers_say_who_may(
    inside: Inside, clerk: str, part: str, verb: str, body: Json, name: str
) -> None:
    await inside.create(REQUESTS, request())
    path, media = f"{REQUESTS}/c/{part}", "application/merge-patch+json"
    await grant(inside, "other", [signers(verb, "example.org/s")])
    got = await inside.send("PATCH", path, body, user=clerk, media=media)
    assert (got.status, got.body["message"]) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "c" is forbidden: user not permitted to '
        f'{verb} requests with signerName "example.com/s"',
    )
    await grant(inside, "right", [signers(verb, name)])
    got = await inside.send("PATCH", path, body, user=clerk, media=media)
    assert got.status == 200
    condition = got.body["status"]["conditions"][0]
    assert condition["lastUpdateTime"]
    assert condition["lastTransitionTime"]


@pytest.mark.parametrize(
    ("part", "body"),
    [
        ("approval", {"status": {"conditions": []}}),
        ("approval", decided("Denied")),
        ("approval", decided("Approved", "False")),
        ("status", decided("Denied")),
        ("status", {"status": {"certificate": b64encode(b"none").decode()}}),
    ],
)
async def test_decisions_are_final(inside: Inside, part: str, body: Json) -> None:
    await inside.create(REQUESTS, request())
    await inside.patch(f"{REQUESTS}/c/approval", decided(), token="master")
    media = "application/merge-patch+json"
    got = await inside.send("PATCH", f"{REQUESTS}/c/{part}", body, token="master", media=media)
    assert got.status == 422, got.body
