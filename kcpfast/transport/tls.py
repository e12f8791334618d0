"""The TLS settings of the server side."""

from __future__ import annotations

import ssl
from pathlib import Path


def server_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """Return a context that serves `certificate` and, given `client_ca`, verifies clients by it.

    A client need not show a certificate; one that does not verify ends the handshake. Raises
    OSError (ssl.SSLError) for files that cannot be read or do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
