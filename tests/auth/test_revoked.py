"""What is revoked stays revoked: tokens die with the very objects that they are bound to."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from kcpfast.auth.tokens import ISSUER, LEGACY_ISSUER
from tests.fix_inside import Inside, Json

SPACE = "/api/v1/namespaces/default"
SECRETS, ACCOUNTS = f"{SPACE}/secrets", f"{SPACE}/serviceaccounts"
FINALIZER = {"metadata": {"finalizers": ["example.com/wait"]}}
Step = Callable[["Bearer"], Awaitable[Any]]


class Bearer:
    """An account `bot`, a Secret `tok`, and the tokens one can have for them."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside

    async def account(self) -> Json:
        obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}}
        return await self.inside.create(ACCOUNTS, obj)

    async def secret(self, kind: str = "Opaque", token: str = "") -> Json:
        meta = {"name": "tok", "annotations": {"kubernetes.io/service-account.name": "bot"}}
        obj: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind}
        if token:
            obj["data"] = {"token": b64encode(token.encode()).decode()}
        return await self.inside.create(SECRETS, obj)

    async def legacy(self) -> str:
        made = await self.secret("kubernetes.io/service-account-token")
        return b64decode(made["data"]["token"]).decode()

    async def bound(self, **reference: str) -> str:
        spec = {"boundObjectRef": reference} if reference else {}
        asked = await self.inside.create(f"{ACCOUNTS}/bot/token", {"spec": spec})
        found: str = asked["status"]["token"]
        return found

    async def status(self, token: str) -> int:
        """Return 401 for a token that is nobody's, 403 for one of somebody who may not."""
        return (await self.inside.send("GET", f"{ACCOUNTS}/bot", token=token)).status

    async def remove(self, path: str) -> None:
        await self.inside.delete(f"{SPACE}/{path}")


@pytest.fixture
async def bearer(inside: Inside) -> Bearer:
    made = Bearer(inside)
    await made.account()
    return made


async def secret_anew(bearer: Bearer) -> None:
    await bearer.remove("secrets/tok")
    await bearer.secret("kubernetes.io/service-account-token")


async def secret_restored(bearer: Bearer) -> None:
    found = await bearer.inside.get(f"{SECRETS}/tok")
    token = b64decode((found or {}).get("data", {}).get("token", "")).decode()
    await bearer.remove("secrets/tok")
    await bearer.secret("kubernetes.io/service-account-token", token)


async def account_anew(bearer: Bearer) -> None:
    await bearer.remove("serviceaccounts/bot")
    await bearer.account()
    if await bearer.inside.get(f"{SECRETS}/tok") is None:
        await bearer.secret("kubernetes.io/service-account-token")


async def account_ending(bearer: Bearer) -> None:
    await bearer.inside.patch(f"{ACCOUNTS}/bot", FINALIZER)
    await bearer.remove("serviceaccounts/bot")


async def secret_ending(bearer: Bearer) -> None:
    await bearer.inside.patch(f"{SECRETS}/tok", FINALIZER)
    await bearer.remove("secrets/tok")


async def token_rotated(bearer: Bearer) -> None:
    await bearer.inside.patch(f"{SECRETS}/tok", {"data": {"token": None}})


async def token_marked(bearer: Bearer) -> None:
    labels = {"kubernetes.io/legacy-token-invalid-since": "2026-01-01"}
    await bearer.inside.patch(f"{SECRETS}/tok", {"metadata": {"labels": labels}})


ENDS: list[tuple[Step, tuple[str, ...]]] = [
    (secret_anew, ("legacy", "bound")),
    (secret_restored, ("legacy", "bound")),
    (secret_ending, ("legacy", "bound")),
    (account_anew, ("legacy", "bound", "plain")),
    (account_ending, ("legacy", "bound", "plain")),
    (token_rotated, ("legacy",)),
    (token_marked, ("legacy",)),
]


@pytest.mark.parametrize(("ends", "dead"), ENDS)
@pytest.mark.parametrize("how", ["legacy", "bound", "plain"])
async def test_a_token_dies(bearer: Bearer, ends: Step, dead: tuple[str, ...], how: str) -> None:
    legacy = await bearer.legacy()
    reference = {"kind": "Secret", "apiVersion": "v1", "name": "tok"} if how == "bound" else {}
    token = legacy if how == "legacy" else await bearer.bound(**reference)
    assert await bearer.status(token) == 403
    await ends(bearer)
    assert await bearer.status(token) == (401 if how in dead else 403)


@pytest.mark.parametrize("claim", ["pod", "node"])
async def test_what_no_workspace_has_binds_nobody(
    bearer: Bearer, inside: Inside, claim: str
) -> None:
    """A token of another server with the same key, bound to what can not be looked up here."""
    token = await bearer.bound()
    claims = jwt.decode(token, options={"verify_signature": False})
    claims["kubernetes.io"][claim] = {"name": "x", "uid": "y"}
    accounts = inside.running.server._api.authenticator.accounts
    forged = jwt.encode(claims, accounts._key, "RS256")
    assert await bearer.status(forged) == 401


@pytest.mark.parametrize(
    "change",
    [
        {"kubernetes.io": None},
        {"kubernetes.io": []},
        {"kubernetes.io": {"serviceaccount": "bot"}},
        {"aud": {"a": 1}},
        {"exp": None},
        {"iss": LEGACY_ISSUER},
        {"nbf": time.time() + 1000},
        {"iss": "https://elsewhere"},
    ],
)
async def test_a_token_of_another_shape_is_nobodys(
    bearer: Bearer, inside: Inside, change: Json
) -> None:
    accounts = inside.running.server._api.authenticator.accounts
    claims = jwt.decode(await bearer.bound(), options={"verify_signature": False})
    assert claims["iss"] == ISSUER
    forged = jwt.encode(claims | change, accounts._key, "RS256")
    assert await bearer.status(forged) == 401
