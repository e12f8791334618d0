"""Bearer tokens: static ones, and the JSON Web Tokens of service accounts.

Service account tokens follow the Kubernetes TokenRequest API (claims `kubernetes.io`: namespace,
serviceaccount, secret) with kcp's addition `clusterName`, the logical cluster of the account.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kcpfast.meta.objectmeta import new_uid
from kcpfast.meta.user import AUTHENTICATED, SERVICE_ACCOUNTS, User, service_account
from kcpfast.registry.objects import Objects, Target
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object, Resource
from kcpfast.work.aside import LONG

ISSUER = "https://kcp.default.svc"
LEGACY_ISSUER = "kubernetes/serviceaccount"
CLUSTER_EXTRA = "authentication.kcp.io/cluster-name"
SCOPES_EXTRA = "authentication.kcp.io/scopes"
CREDENTIAL_EXTRA = "authentication.kubernetes.io/credential-id"
ACCOUNTS = BY_PLACE["", "v1", "serviceaccounts"]
SECRETS = BY_PLACE["", "v1", "secrets"]
# What a token may be bound to, by the name of its claim; of Pods and Nodes no workspace has any.
_BINDABLE: Mapping[str, Resource | None] = {"secret": SECRETS, "pod": None, "node": None}
_LEGACY = "kubernetes.io/serviceaccount/"
_INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_REMEMBERED = 4096
# Characters: no header is longer, and what a TokenReview holds is not worth decoding then.
_LONGEST = 64 * 1024
_KEY_SECONDS, _LOOK_SECONDS = 5.0, 0.01
# What is needed for tokens of service accounts, and loaded then: 13 MB.
_PACKAGES = ("cryptography.hazmat.primitives.serialization", "jwt")
# What the library raises for what is no token, beside errors of its own.
_MALFORMED = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


def signed(token: str) -> bool:
    """Tell whether a token looks like one of a service account: three parts (RFC 7515)."""
    return token.count(".") == 2


def read_token_file(path: Path) -> dict[str, User]:
    """Read a CSV of token, user, uid and, optionally quoted, groups.

    Raises OSError, or ValueError for a line that has no token, user and uid.
    See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
    """
    import csv  # noqa: PLC0415 - only with the flag

    users = {}
    with path.open(newline="") as lines:
        for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
            if not row or row[0].startswith("#"):
                continue
            if len(row) < 3 or not row[0]:
                raise ValueError(f"{path}:{number}: needs at least token, user name and user uid")
            groups = [group.strip() for group in row[3].split(",")] if len(row) > 3 else []
            groups = [group for group in groups if group]
            users[row[0]] = User(row[1], row[2], (*groups, AUTHENTICATED))
    return users


class Bound(NamedTuple):
    """An object that a token lives and dies with.

    `holds`: it also must hold the token. No uid is known of the Secrets of old legacy tokens.
    """

    kind: str
    name: str
    uid: str | None
    holds: bool = False


class ServiceAccount(NamedTuple):
    """Whom a service account token speaks for."""

    cluster: str
    namespace: str
    name: str
    uid: str
    bound: tuple[Bound, ...]
    token_id: str
    expires: float
    audiences: tuple[str, ...]


class ServiceAccountTokens:
    """Issues and verifies service account tokens with one RSA key."""

    def __init__(self, key_file: Path, objects: Objects, issuer: str = ISSUER) -> None:
        """Read the key when it is first needed."""
        self._key_file = key_file
        self._objects = objects
        self.issuer = issuer
        self._verified: dict[bytes, ServiceAccount] = {}
        self._is_ready = False

    async def ready(self) -> None:
        """Have what signing and verifying need: to be awaited before anything else is asked.

        On a first start the key is made while the server serves already.
        """
        if self._is_ready:
            return
        aside = self._objects.aside
        await aside.load(*_PACKAGES)
        give_up = time.monotonic() + _KEY_SECONDS
        # Another process makes it: there is nobody here who could tell.
        while not self._key_file.exists() and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        await aside.run(LONG, ServiceAccountTokens, getattr, self, "_key")
        self._is_ready = True

    @cached_property
    def _key(self) -> Any:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - 13 MB

        return serialization.load_pem_private_key(self._key_file.read_bytes(), None)

    def jwks(self) -> dict[str, Any]:
        """Return the JSON Web Key Set with the public key (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        fields = {"n": _number(numbers.n), "e": _number(numbers.e)}
        key = {"use": "sig", "kty": "RSA", "kid": self._key_id, "alg": "RS256", **fields}
        return {"keys": [key]}

    @cached_property
    def _key_id(self) -> str:
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - 13 MB

        der = self._key.public_key().public_bytes(
            form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo
        )
        return urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()

    def issue(
        self,
        target: Target,
        uid: str,
        audiences: Sequence[str],
        seconds: int,
        secret: Mapping[str, str] | None,
    ) -> tuple[str, int]:
        """Return a token for a service account, bound to a secret if given, and its expiry."""
        import jwt  # noqa: PLC0415 - only for who asks for tokens

        now = int(time.time())
        bound: dict[str, Any] = {
            "clusterName": target.cluster,
            "namespace": target.namespace,
            "serviceaccount": {"name": target.name, "uid": uid},
        }
        if secret is not None:
            bound["secret"] = dict(secret)
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": self.issuer,
            "jti": new_uid(),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": service_account(target.namespace, target.name),
        }
        token = jwt.encode(claims, self._key, "RS256", headers={"kid": self._key_id})
        return token, now + seconds

    def issue_legacy(self, target: Target, uid: str, secret: Mapping[str, Any]) -> str:
        """Return a token for a Secret (its metadata) of type kubernetes.io/service-account-token.

        No two are alike: upstream's are, for a Secret of the same name, so that one that was
        revoked is good again once the Secret is made anew.
        """
        import jwt  # noqa: PLC0415 - only for who asks for tokens

        claims = {
            "iss": LEGACY_ISSUER,
            "jti": new_uid(),
            _LEGACY + "namespace": target.namespace,
            _LEGACY + "secret.name": secret.get("name") or "",
            _LEGACY + "secret.uid": secret["uid"],
            _LEGACY + "service-account.name": target.name,
            _LEGACY + "service-account.uid": uid,
            _LEGACY + "clusterName": target.cluster,
            "sub": service_account(target.namespace, target.name),
        }
        return jwt.encode(claims, self._key, "RS256", headers={"kid": self._key_id})

    def verify(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]] | None:
        """Return the user of a token and the audiences it is good for, None if it is not valid.

        The account, and what else the token is bound to, must exist with the uid in the token and
        must not be on their way out; of a legacy token, its Secret must still hold it. See
        k8s.io/kubernetes/pkg/serviceaccount, which gives what is being deleted one more minute.
        """
        if len(token) > _LONGEST:
            return None
        digest = hashlib.sha256(token.encode()).digest()
        account = self._verified.get(digest)
        if account is None:
            account = self._checked(token)
            if account is None:
                return None
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[digest] = account
        good = [audience for audience in audiences if audience in account.audiences]
        if account.expires < time.time() or not good or not self._living(account, token):
            return None
        return _user(account), good

    def seconds_left(self, token: str) -> float:
        """Return after how long a token expires; 0 for one that is nobody's."""
        digest = hashlib.sha256(token.encode()).digest()
        account = self._verified.get(digest) or self._checked(token)
        return max(account.expires - time.time(), 0.0) if account is not None else 0.0

    def _checked(self, token: str) -> ServiceAccount | None:
        if not signed(token):
            return None
        import jwt  # noqa: PLC0415 - only for who has tokens

        options: Any = {"verify_aud": False, "require": ["iss"]}
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                issuer=[self.issuer, LEGACY_ISSUER],
                options=options,
            )
            return self._account(claims)
        except (jwt.PyJWTError, AttributeError, *_MALFORMED):
            return None

    def _account(self, claims: Mapping[str, Any]) -> ServiceAccount:
        if claims["iss"] == LEGACY_ISSUER:
            return ServiceAccount(
                claims[_LEGACY + "clusterName"],
                claims[_LEGACY + "namespace"],
                claims[_LEGACY + "service-account.name"],
                claims[_LEGACY + "service-account.uid"],
                (_secret_of(claims),),
                "",
                float("inf"),
                (self.issuer,),
            )
        bound = claims["kubernetes.io"]
        audience = claims["aud"]
        return ServiceAccount(
            bound["clusterName"],
            bound["namespace"],
            bound["serviceaccount"]["name"],
            bound["serviceaccount"]["uid"],
            tuple(
                Bound(kind, bound[kind]["name"], bound[kind]["uid"])
                for kind in _BINDABLE
                if bound.get(kind)
            ),
            claims.get("jti", ""),
            float(claims["exp"]),
            tuple(audience) if isinstance(audience, list) else (audience,),
        )

    def _living(self, account: ServiceAccount, token: str) -> bool:
        place = (account.cluster, account.namespace)
        if self._object(Target(ACCOUNTS, *place, account.name), account.uid) is None:
            return False
        for bound in account.bound:
            resource = _BINDABLE[bound.kind]
            if resource is None:
                return False
            living = self._object(Target(resource, *place, bound.name), bound.uid)
            if living is None or (bound.holds and not _holds(living, token)):
                return False
        return True

    def _object(self, target: Target, uid: str | None) -> Object | None:
        """Return an object that is the very one meant, and not being deleted."""
        live = self._objects.find(target)
        if live is None or "deletionTimestamp" in live["metadata"]:
            return None
        return live if uid in (None, live["metadata"]["uid"]) else None


def _secret_of(claims: Mapping[str, Any]) -> Bound:
    """Return what a legacy token is bound to."""
    uid = claims.get(_LEGACY + "secret.uid")
    return Bound("secret", claims[_LEGACY + "secret.name"], uid, holds=True)


def _holds(secret: Object, token: str) -> bool:
    """Tell whether a Secret holds a legacy token, and nobody has called it invalid."""
    if _INVALID_SINCE in (secret["metadata"].get("labels") or {}):
        return False
    return bool((secret.get("data") or {}).get("token") == b64encode(token.encode()).decode())


def _user(account: ServiceAccount) -> User:
    extra = [
        (CLUSTER_EXTRA, (account.cluster,)),
        (SCOPES_EXTRA, (f"cluster:{account.cluster}",)),
    ]
    if account.token_id:
        extra.append((CREDENTIAL_EXTRA, (f"JTI={account.token_id}",)))
    groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{account.namespace}", AUTHENTICATED)
    return User(service_account(account.namespace, account.name), account.uid, groups, tuple(extra))


class _Bound(msgspec.Struct):
    cluster: str = msgspec.field(name="clusterName", default="")


class _Named(msgspec.Struct):
    """The claims that name a logical cluster, and no others."""

    bound: _Bound | None = msgspec.field(name="kubernetes.io", default=None)
    legacy: str = msgspec.field(name=_LEGACY + "clusterName", default="")


_decode_named = msgspec.json.Decoder(_Named).decode


def unverified_cluster(token: str) -> str:
    """Return the logical cluster that a service account token names, "" if none.

    Nothing is verified: it only tells where an unprefixed request belongs.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        payload = _decode_named(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return ""
    return (payload.bound.cluster if payload.bound else "") or payload.legacy


def _number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return urlsafe_b64encode(data).rstrip(b"=").decode()
