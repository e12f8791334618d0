"""Token Secrets: complete at once, good for their account, and gone with it."""

from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.admission.registering import BASE, binding, register, rule, validating
from tests.fix_inside import CA, Inside, Json

SECRETS = "/api/v1/namespaces/default/secrets"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def secret(account: str = "bot", **more: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tok", "annotations": {NAME: account} | more},
        "type": "kubernetes.io/service-account-token",
    }


@pytest.fixture
async def account(inside: Inside) -> Json:
    obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
    return await inside.create(ACCOUNTS, obj)


def decoded(made: Json, key: str) -> str:
    return b64decode(made["data"][key]).decode()


async def test_a_secret_is_complete_in_its_answer(inside: Inside, account: Json) -> None:
    made = await inside.create(SECRETS, secret())
    assert made["metadata"]["annotations"][UID] == account["metadata"]["uid"]
    assert decoded(made, "ca.crt") == CA
    assert decoded(made, "namespace") == "default"
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": decoded(made, "token")},
    }
    got = await inside.create("/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert got["status"]["user"]["username"] == "system:serviceaccount:default:bot"


@pytest.mark.parametrize("wrong", [secret("nobody"), secret("bot", **{UID: "another"})])
async def test_a_secret_needs_its_account(inside: Inside, account: Json, wrong: Json) -> None:
    got = await inside.send("POST", SECRETS, wrong)
    assert got.status == 422
    causes = got.body["details"]["causes"]
    assert [(each["reason"], each["field"]) for each in causes] == [
        ("FieldValueNotFound", f"metadata.annotations[{NAME}]")
    ]


async def test_what_is_taken_out_comes_back(inside: Inside, account: Json) -> None:
    made = await inside.create(SECRETS, secret())
    wrong = {"ca.crt": b64encode(b"mine").decode(), "token": None, "extra": "eA=="}
    got = await inside.patch(f"{SECRETS}/tok", {"data": wrong})
    assert decoded(got, "ca.crt") == CA
    assert decoded(got, "token").count(".") == 2
    assert got["data"].keys() == made["data"].keys() | {"extra"}


async def test_it_goes_with_its_account_and_nothing_else_does(
    inside: Inside, account: Json
) -> None:
    await inside.create(SECRETS, secret())
    for name, other in (("mine", secret("default")), ("plain", secret() | {"type": "Opaque"})):
        other["metadata"]["name"] = name
        await inside.create(SECRETS, other)
    await inside.delete(f"{ACCOUNTS}/bot")
    left = await inside.get(SECRETS)
    assert left is not None
    assert [each["metadata"]["name"] for each in left["items"]] == ["mine", "plain"]


async def test_it_stays_where_a_policy_says_so(inside: Inside, account: Json) -> None:
    await inside.create(SECRETS, secret())
    rules = {"resourceRules": [rule("secrets", operations=["DELETE"])]}
    await register(inside, validating("false", matchConstraints=rules), binding("Validating"))
    await inside.delete(f"{ACCOUNTS}/bot")
    assert await inside.get(f"{SECRETS}/tok") is not None
    await inside.delete(f"{BASE}/validatingadmissionpolicies/p")
    await inside.settle(hurry=True)
    assert await inside.get(f"{SECRETS}/tok") is None
