"""Fills Secrets of type kubernetes.io/service-account-token as they are written.

Kubernetes has a controller do this; here the key is at hand, so the Secret is complete in the
answer to the request that creates it. See
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from kcpfast.admission.chain import Plugin, Review
from kcpfast.auth.tokens import ACCOUNTS, ServiceAccountTokens
from kcpfast.meta.errors import Cause, go_value, invalid
from kcpfast.registry.metadata import annotations_of
from kcpfast.registry.objects import Objects
from kcpfast.registry.strategies.core import TOKEN_TYPE
from kcpfast.resources.resource import Object
from kcpfast.store.contract import EXISTS, Check

ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def plugins(objects: Objects, accounts: ServiceAccountTokens, ca: str) -> list[Plugin]:
    """Return the plugin that fills token Secrets.

    It signs with `accounts`; `ca` (PEM) is what holders of a token verify the server by.
    """
    encoded_ca = _base64(ca)

    async def fill(review: Review) -> None:
        secret = review.obj
        annotations: dict[str, Any] = annotations_of(secret)
        name = annotations.get(ACCOUNT)
        if secret.get("type") != TOKEN_TYPE or not name:
            return
        target = review.target._replace(resource=ACCOUNTS, name=name)
        account = objects.find(target)
        uid = account["metadata"]["uid"] if account is not None else ""
        if not uid or annotations.get(ACCOUNT_UID, uid) != uid:
            raise _no_account(secret, name)
        review.more.append(Check(target.key(), EXISTS))
        annotations[ACCOUNT_UID] = uid
        data: dict[str, Any] = secret.get("data") or {}
        data["ca.crt"] = encoded_ca
        data["namespace"] = _base64(target.namespace)
        if not data.get("token"):
            await accounts.ready()
            token = accounts.issue_legacy(target, uid, secret["metadata"])
            data["token"] = _base64(token)
        secret["data"] = data

    return [Plugin("ServiceAccountTokens", fill, places=(("", "secrets"),), mutates=True)]


def account_uid(secret: Object) -> str:
    """Return the UID of the account that a token Secret is for, "" for any other Secret."""
    annotations = annotations_of(secret)
    return annotations.get(ACCOUNT_UID, "") if secret.get("type") == TOKEN_TYPE else ""


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _no_account(secret: Object, name: str) -> Exception:
    field = f"metadata.annotations[{ACCOUNT}]"
    cause = Cause("FieldValueNotFound", f"Not found: {go_value(name)}", field)
    return invalid("Secret", "", secret["metadata"].get("name", ""), [cause])
