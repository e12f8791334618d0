"""Makes the certificates and keys that a root directory lacks.

A process of its own does this beside the start of the server (see `provisioning`).
What is there already is used and never replaced.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kcpfast import atomic

_YEARS = timedelta(days=3650)
# A clock that was ahead when they were made, and is set back, must not make them invalid.
_BACK = timedelta(days=730)


def _private(path: Path, key: Any) -> None:
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    atomic.write(path, data)


def _key(path: Path, make: Callable[[], Any]) -> Any:
    """Return the key that a file holds; if there is no such file, make both.

    A key without its certificate is what a start that was killed leaves behind, or somebody's own
    beside a certificate whose name was mistyped. ValueError if it cannot be read without more.
    """
    if path.exists():
        try:
            return serialization.load_pem_private_key(path.read_bytes(), None)
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"{path} holds no key that can be used: {error}") from None
    key = make()
    _private(path, key)
    return key


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: str, issuer: str, public: Any) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + _YEARS)
    )


def _authority(common: str, key: Any) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(common, common, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def make_server(certificate: Path, key_file: Path, hosts: Sequence[str]) -> None:
    """Make the server's certificate; the file also holds the CA that signed it."""
    authority_key = _curve()
    authority = _authority("kcpfast-serving-ca", authority_key)
    key = _key(key_file, _curve)
    names = [_alternative(host) for host in dict.fromkeys(hosts)]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    leaf = (
        _builder("kcpfast", "kcpfast-serving-ca", key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    atomic.write(certificate, leaf.public_bytes(pem) + authority.public_bytes(pem), 0o644)


def make_client_ca(certificate: Path, key_file: Path) -> None:
    """Make the CA that client certificates are signed by.

    Its key is RSA (PKCS #1): tools in Go name that algorithm in the certificates they sign with it.
    """
    key = _key(key_file, _rsa)
    authority = _authority("kcpfast-client-ca", key)
    atomic.write(certificate, authority.public_bytes(serialization.Encoding.PEM), 0o644)


def make_account_key(path: Path) -> None:
    """Make the key that service account tokens are signed with."""
    _private(path, _rsa())


def _curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
