"""Who the requests come from: tokens, certificates, passwords, impersonation.

Rules: k8s.io/client-go/transport and k8s.io/client-go/rest.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

from kcpfast.cli.client.http1 import segment
from kcpfast.cli.client.material import pem, read
from kcpfast.cli.failure import Failure

if TYPE_CHECKING:
    from kcpfast.cli.client.target import ServerTarget

Headers = list[tuple[str, str]]


class RequestCredentials(NamedTuple):
    """What a request carries: headers, and a client certificate with its key (PEM) or b""."""

    headers: Headers
    certificate: bytes
    key: bytes


def identify(target: ServerTarget) -> RequestCredentials:
    """Return the credentials of a target; Failure if they cannot be had."""
    user, call = target.user, target.call
    if user.content.get("auth-provider"):
        raise Failure(
            f'user "{target.user_name}" has an auth-provider, which is not supported',
            "Client-go dropped auth providers in 1.26: use an exec plugin or a token.",
        )
    certificate = pem(user, "client-certificate", call.text("client-certificate"))
    key = pem(user, "client-key", call.text("client-key"))
    token = call.text("token")
    plugin = user.content.get("exec")
    if plugin and not token:
        from kcpfast.cli.client.execplugin import run_plugin  # noqa: PLC0415 - few users have one

        status = run_plugin(target, plugin)
        token = str(status.get("token") or "")
        certificate = str(status.get("clientCertificateData") or "").encode() or certificate
        key = str(status.get("clientKeyData") or "").encode() or key
    headers = authorization(target, token) + impersonation(target)
    return RequestCredentials(headers, certificate, key)


def authorization(target: ServerTarget, token: str) -> Headers:
    """Return the Authorization header: the given token, a token file's, a token, a password."""
    user, call = target.user, target.call
    if not token and user.path("tokenFile"):
        token = read(user.path("tokenFile"), "token file").decode().strip()
    token = token or user.text("token")
    name = call.text("username") or user.text("username")
    if token and not call.text("username"):
        return [("Authorization", f"Bearer {token}")]
    if name:
        password = call.text("password") or user.text("password")
        return [("Authorization", "Basic " + b64encode(f"{name}:{password}".encode()).decode())]
    return []


def impersonation(target: ServerTarget) -> Headers:
    """Return the Impersonate headers of the flags, else of the user."""
    user, call = target.user, target.call
    name = call.text("as") or user.text("as")
    groups = call.all("as-group") or user.content.get("as-groups") or []
    uid = call.text("as-uid") or user.text("as-uid")
    extra: dict[str, Any] = user.content.get("as-user-extra") or {}
    if not name:
        if groups or uid or extra:
            raise Failure("requesting uid, groups or user-extra without impersonating a user")
        return []
    headers = [("Impersonate-User", name)]
    headers += [("Impersonate-Uid", uid)] if uid else []
    headers += [("Impersonate-Group", str(group)) for group in groups]
    for key, values in extra.items():
        # In the name of a header a colon has to be escaped as well.
        label = segment(key).replace(":", "%3A")
        headers += [(f"Impersonate-Extra-{label}", str(value)) for value in values]
    return headers
