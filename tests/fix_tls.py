"""An authority, a server's certificate and clients' certificates, made for the test run."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme

from kcpfast.transport.tls import server_context


class Tls(NamedTuple):
    """The two sides of TLS, as the server has them and as a client has them."""

    authority: trustme.CA
    server: ssl.SSLContext

    def client(self, name: str = "", organization: str = "") -> ssl.SSLContext:
        """Return the context of a client, with a certificate if it has a name."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if name:
            shown = self.authority.issue_cert(common_name=name, organization_name=organization)
            shown.configure_cert(context)
        return context


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder: Path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    shown = authority.issue_cert("localhost", "127.0.0.1")
    key, chain, ca = folder / "key", folder / "chain", folder / "ca"
    shown.private_key_pem.write_to_path(key)
    for number, part in enumerate(shown.cert_chain_pems):
        part.write_to_path(chain, append=number > 0)
    authority.cert_pem.write_to_path(ca)
    return Tls(authority, server_context(chain, key, ca))
