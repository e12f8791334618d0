"""Secrets of type kubernetes.io/service-account-token: filled when written, gone with the account.

Kubernetes has a controller do both; here the key is at hand, so the Secret is complete in the
answer to the request that makes it. See
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from kcpfast.admission.chain import Deleter, DeletionRefused, Plugin, Review
from kcpfast.auth.tokens import ACCOUNTS, SECRETS, ServiceAccountTokens
from kcpfast.controllers.removal import pages, weight
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.meta.errors import Cause, go_value, invalid
from kcpfast.registry.deletion import deleted
from kcpfast.registry.objects import Change, Objects, Target, object_prefix
from kcpfast.registry.strategies.core import TOKEN_TYPE
from kcpfast.registry.values import decode
from kcpfast.resources.resource import Object
from kcpfast.store.contract import EXISTS, Check, Item
from kcpfast.store.keys import place

ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


class TokenSecrets:
    """Admission and end of token Secrets."""

    def __init__(self, objects: Objects, accounts: ServiceAccountTokens, ca: str) -> None:
        """Sign with `accounts`; `ca` (PEM) is what holders verify the server by."""
        self._objects = objects
        self._accounts = accounts
        self._ca = b64encode(ca.encode()).decode()

    def plugins(self) -> list[Plugin]:
        """Return the plugin that fills Secrets."""
        return [Plugin("ServiceAccountTokens", self._fill, places=(("", "secrets"),), mutates=True)]

    async def _fill(self, review: Review) -> None:
        secret = review.obj
        annotations: dict[str, Any] = secret["metadata"].get("annotations") or {}
        name = annotations.get(ACCOUNT)
        if secret.get("type") != TOKEN_TYPE or not name:
            return
        account = review.target._replace(resource=ACCOUNTS, name=name)
        found = self._objects.find(account)
        uid = found["metadata"]["uid"] if found is not None else ""
        if not uid or annotations.get(ACCOUNT_UID, uid) != uid:
            raise _no_account(secret, name)
        review.more.append(Check(account.key(), EXISTS))
        annotations[ACCOUNT_UID] = uid
        data: dict[str, Any] = secret.get("data") or {}
        data["ca.crt"] = self._ca
        data["namespace"] = b64encode(account.namespace.encode()).decode()
        if not data.get("token"):
            await self._accounts.ready()
            token = self._accounts.issue_legacy(account, uid, secret["metadata"])
            data["token"] = b64encode(token.encode()).decode()
        secret["data"] = data

    async def account_gone(self, deleter: Deleter, cluster: str, name: str) -> Outcome:
        """Delete the token Secrets of an account; `name` is its namespace and uid.

        Refused if admission lets some of them not go: they are good for nothing all the same.
        """
        refused: list[DeletionRefused] = []
        namespace, _, uid = name.partition("\0")
        for items in pages(self._objects, object_prefix(SECRETS, cluster, namespace)):
            run = self._objects.aside.run
            for key in await run(weight(items), cluster, _tokens_of, uid, items):
                try:
                    await self._delete(Target(SECRETS, *place(key)[1:]), deleter)
                except DeletionRefused as error:
                    refused.append(error)
        if refused:
            raise refused.pop(0)
        return DONE

    async def _delete(self, target: Target, deleter: Deleter) -> None:
        async def change(old: Object) -> Change:
            if "deletionTimestamp" in old["metadata"]:
                return Change(old)
            record = self._objects.record(target)
            must_ask = record is not None and deleter.must_ask(target)
            more = await deleter.ask(target, *record) if must_ask and record is not None else []
            return Change(deleted(SECRETS, old), more)

        await self._objects.adjust(target, change)


def _tokens_of(uid: str, secrets: Sequence[Item]) -> list[bytes]:
    """Return the keys of the token Secrets of an account among some."""
    return [
        item.key
        for item in secrets
        if TOKEN_TYPE.encode() in item.value and _uid(decode(SECRETS, *item[1:])) == uid
    ]


def _uid(secret: Object) -> str:
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(ACCOUNT_UID, "") if secret.get("type") == TOKEN_TYPE else ""


def _no_account(secret: Object, name: str) -> Exception:
    field = f"metadata.annotations[{ACCOUNT}]"
    cause = Cause("FieldValueNotFound", f"Not found: {go_value(name)}", field)
    return invalid("Secret", "", secret["metadata"].get("name", ""), [cause])
