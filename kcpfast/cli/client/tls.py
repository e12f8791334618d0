"""How the server is verified, and how the client shows its certificate."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from kcpfast.cli.client.credentials import RequestCredentials
from kcpfast.cli.client.material import pem
from kcpfast.cli.failure import Failure

if TYPE_CHECKING:
    from socket import socket

    from kcpfast.cli.client.target import ServerTarget


def secured(
    sock: socket, host: str, target: ServerTarget, identity: RequestCredentials
) -> ssl.SSLSocket:
    """Return a socket after the TLS handshake; ssl.SSLError if it fails, Failure before it."""
    name = target.call.text("tls-server-name") or target.cluster.text("tls-server-name") or host
    context = client_context(target, identity)
    # As bytes the name needs no IDNA codec, whose import takes longer than the handshake.
    server_name = name.encode() if name.isascii() else name
    return context.wrap_socket(sock, server_hostname=server_name)


def client_context(target: ServerTarget, identity: RequestCredentials) -> ssl.SSLContext:
    """Return the TLS settings for a target; Failure if its certificates cannot be used."""
    call, cluster = target.call, target.cluster
    authority = pem(cluster, "certificate-authority", call.text("certificate-authority"))
    insecure = call.switch("insecure-skip-tls-verify") or cluster.flag("insecure-skip-tls-verify")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority:
        try:
            context.load_verify_locations(cadata=authority.decode())
        except (ssl.SSLError, ValueError) as error:
            raise Failure(f"the certificate-authority is not usable: {error}") from None
    else:
        context.load_default_certs()
    if identity.certificate:
        _load(context, identity)
    return context


def _load(context: ssl.SSLContext, identity: RequestCredentials) -> None:
    import tempfile  # noqa: PLC0415 - 10 ms, and most users have a token

    # OpenSSL's wrapper reads certificates from files only; this one is private and short-lived.
    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.certificate + b"\n" + identity.key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (ssl.SSLError, ValueError) as error:
            raise Failure(f"the client certificate is not usable: {error}") from None
