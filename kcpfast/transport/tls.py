"""The TLS settings of the server side, and whom a client's certificate names."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, cast

from kcpfast.transport.messages import Peer
from kcpfast.transport.secure import Tls


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return a context that serves `certificate` and, given `client_ca`, verifies clients by it.

    A client need not show a certificate; one that does not verify ends the handshake. A CA that is
    not there yet may be loaded later: until then no certificate verifies. Raises OSError
    (ssl.SSLError) for files that cannot be read or do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        if client_ca.exists():
            context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def peer(transport: Tls) -> Peer:
    """Return who is at the other end of a connection, as its certificate says."""
    name = transport.get_extra_info("peername")
    address = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert() if isinstance(tls, ssl.SSLObject) else None
    if not certificate:
        return Peer(address, "", ())
    subject: list[tuple[str, str]] = [
        pair for entry in cast("Any", certificate.get("subject", ())) for pair in entry
    ]
    common = [value for key, value in subject if key == "commonName"]
    groups = tuple(value for key, value in subject if key == "organizationName")
    return Peer(address, common[0] if common else "", groups)
