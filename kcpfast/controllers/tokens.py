"""Deletes the token Secrets of service accounts that are gone.

`kcp/admit/token_secrets.py` fills them. See
https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
"""

from __future__ import annotations

from collections.abc import Sequence

from kcpfast.admission.chain import DeletionRefused, Deletions
from kcpfast.auth.tokens import SECRETS
from kcpfast.controllers.removal import pages, weight
from kcpfast.controllers.runtime import DONE, Outcome
from kcpfast.kcp.admit.token_secrets import account_uid
from kcpfast.registry.deletion import deleted
from kcpfast.registry.objects import Change, Objects, Target, object_prefix
from kcpfast.registry.strategies.core import TOKEN_TYPE
from kcpfast.registry.values import decode
from kcpfast.resources.resource import Object
from kcpfast.store.contract import Item
from kcpfast.store.keys import place


class TokenController:
    """Reconciles service accounts that are gone."""

    def __init__(self, objects: Objects, deletions: Deletions) -> None:
        """Work on the registry."""
        self._objects = objects
        self._deleter = deletions.by("tokens-controller")

    async def account_gone(self, cluster: str, name: str) -> Outcome:
        """Delete the token Secrets of an account; `name` is its namespace and UID.

        Raises DeletionRefused if admission keeps some of them. Such tokens are not valid any more:
        the account that they name does not exist.
        """
        refused: list[DeletionRefused] = []
        namespace, _, uid = name.partition("\0")
        run_aside = self._objects.aside.run
        for items in pages(self._objects, object_prefix(SECRETS, cluster, namespace)):
            for key in await run_aside(weight(items), cluster, _tokens_of, uid, items):
                try:
                    await self._delete(Target(SECRETS, *place(key)[1:]))
                except DeletionRefused as error:
                    refused.append(error)
        if refused:
            raise refused.pop(0)
        return DONE

    async def _delete(self, target: Target) -> None:
        async def delete(old: Object) -> Change:
            if "deletionTimestamp" in old["metadata"]:
                return Change(old)
            record = self._objects.record(target)
            if record is None or not self._deleter.must_ask(target):
                return Change(deleted(SECRETS, old))
            more = await self._deleter.ask(target, *record)
            return Change(deleted(SECRETS, old), more)

        await self._objects.adjust(target, delete)


def _tokens_of(uid: str, secrets: Sequence[Item]) -> list[bytes]:
    """Return the keys of those among some Secrets that hold tokens of an account."""
    keys = []
    for item in secrets:
        if TOKEN_TYPE.encode() not in item.value:
            continue  # spares decoding it
        secret = decode(SECRETS, item.revision, item.value)
        if account_uid(secret) == uid:
            keys.append(item.key)
    return keys
