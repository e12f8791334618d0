"""Turns credentials into a user: client certificates, bearer tokens, or nobody in particular."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import inf
from urllib.parse import unquote

from kcpfast.auth.tokens import ServiceAccountTokens
from kcpfast.meta.errors import bad_request, unauthorized
from kcpfast.meta.user import (
    ANONYMOUS_USER,
    AUTHENTICATED,
    SERVICE_ACCOUNTS,
    UNAUTHENTICATED,
    User,
    split_service_account,
)
from kcpfast.transport.messages import Request

_EXTRA = b"impersonate-extra-"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Authenticator:
    """Knows static tokens by their digest and service account tokens by their signature."""

    def __init__(self, tokens: Mapping[str, User], accounts: ServiceAccountTokens) -> None:
        """Take the static tokens."""
        self._tokens = {_digest(token): user for token, user in tokens.items()}
        self.accounts = accounts

    def user(self, request: Request) -> User:
        """Return who makes a request; Unauthorized if a credential is given and is wrong."""
        peer = request.peer
        if peer.common_name:
            return User(peer.common_name, groups=(*peer.organizations, AUTHENTICATED))
        token = bearer(request)
        if not token:
            return ANONYMOUS_USER
        static_user = self._tokens.get(_digest(token))
        if static_user is not None:
            return static_user
        verified = self.accounts.verify(token, [self.accounts.issuer])
        if verified is None:
            raise unauthorized()
        return verified[0]

    def seconds_left(self, request: Request) -> float:
        """Return how long the credential of a request is good that has been accepted."""
        if request.peer.common_name:
            return inf
        token = bearer(request)
        if not token or _digest(token) in self._tokens:
            return inf
        return self.accounts.seconds_left(token)

    def review(self, token: str, audiences: list[str]) -> tuple[User, list[str]] | None:
        """Return whose a token is and for which audiences, None if it is nobody's (TokenReview)."""
        static_user = self._tokens.get(_digest(token))
        if static_user is not None:
            return static_user, [self.accounts.issuer]
        return self.accounts.verify(token, audiences or [self.accounts.issuer])


def bearer(request: Request) -> str:
    """Return the bearer token of a request (RFC 6750), "" if there is none."""
    scheme, _, token = request.header(b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def impersonated(request: Request) -> User | None:
    """Return the user that a request wants to be taken for, None if it does not ask.

    BadRequest if it names groups or extras but no user. See
    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
    """
    headers = request.headers
    extra: dict[str, tuple[str, ...]] = {}
    for header in headers:
        if header.startswith(_EXTRA):  # two headers may spell one key
            key = unquote(header[len(_EXTRA) :].decode("latin-1"))
            extra[key] = (*extra.get(key, ()), *request.header_values(header))
    name = request.header(b"impersonate-user")
    groups = request.header_values(b"impersonate-group")
    uid = request.header(b"impersonate-uid")
    if not name:
        if groups or extra or uid:
            raise bad_request("requested impersonation without impersonating a user")
        return None
    account = split_service_account(name)
    if account is not None and not groups:
        groups = [SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account[0]}"]
    if name == ANONYMOUS_USER.name:
        groups += [group for group in ANONYMOUS_USER.groups if group not in groups]
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups.append(AUTHENTICATED)
    return User(name, uid, tuple(groups), tuple(extra.items()))
