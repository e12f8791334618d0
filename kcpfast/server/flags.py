"""The flags of `kcpfast start`, with kcp's names, and what a server is to be from their values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kcpfast.server import memory
from kcpfast.telemetry import log


class ServerFlag(NamedTuple):
    """A flag: what it is by default, what it does, and under which heading the help shows it."""

    name: str
    default: str
    help: str
    topic: str


_DATA, _ADDRESSES, _CERTIFICATES = "Data", "Addresses", "Certificates and keys"
_USERS, _LIMITS, _OTHERS = "Users", "Limits", "Features and logs"
SERVER_FLAGS = (
    ServerFlag("root-directory", ".kcpfast", "Directory of the data; base of default paths", _DATA),
    ServerFlag(
        "kubeconfig-path",
        "admin.kubeconfig",
        "Where the administrator's kubeconfig is written",
        _DATA,
    ),
    ServerFlag("bind-address", "0.0.0.0", "Address to listen on", _ADDRESSES),
    ServerFlag("secure-port", "6443", "Port to listen on; 0 takes any free one", _ADDRESSES),
    ServerFlag("external-hostname", "", "Host name that URLs are made with", _ADDRESSES),
    ServerFlag("shard-base-url", "", "Base of all URLs that are handed out", _ADDRESSES),
    ServerFlag(
        "client-ca-file",
        "client-ca.crt",
        "CA that client certificates are verified by",
        _CERTIFICATES,
    ),
    ServerFlag("tls-cert-file", "apiserver.crt", "Certificate of the server", _CERTIFICATES),
    ServerFlag(
        "tls-private-key-file", "apiserver.key", "Key of the server's certificate", _CERTIFICATES
    ),
    ServerFlag(
        "service-account-key-file",
        "sa.key",
        "Key that service account tokens are signed with",
        _CERTIFICATES,
    ),
    ServerFlag("token-auth-file", "", 'CSV file of tokens: token,user,uid,"group,group"', _USERS),
    ServerFlag(
        "authentication-admin-token-path",
        ".admin-token-store",
        "Where admin tokens are kept",
        _USERS,
    ),
    ServerFlag(
        "logical-cluster-total-object-limit",
        "0",
        "Objects that a workspace may hold; 0 = any",
        _LIMITS,
    ),
    ServerFlag("max-requests-inflight", "400", "Lists served at once; 0 = any number", _LIMITS),
    ServerFlag(
        "max-mutating-requests-inflight", "200", "Writes served at once; 0 = any number", _LIMITS
    ),
    ServerFlag(
        "max-memory",
        "",
        "Memory that the server may take, as 512Mi; by default a quarter",
        _LIMITS,
    ),
    ServerFlag("feature-gates", "", "Accepted: a list of Name=true or Name=false", _OTHERS),
    ServerFlag("v", "0", "How much is logged: 0 warnings, 2 requests, 4 everything", _OTHERS),
    ServerFlag("logging-format", "text", "Form of log lines: text or json", _OTHERS),
    ServerFlag(
        "tracing-config-file", "", "File with a TracingConfiguration; requests are traced", _OTHERS
    ),
)

# Accepted so that kcp's own command lines work; what they ask for is not done yet.
LATER = (
    "audit-log-batch-buffer-size",
    "audit-log-compress",
    "audit-log-format",
    "audit-log-maxage",
    "audit-log-maxbackup",
    "audit-log-maxsize",
    "audit-log-mode",
    "audit-log-path",
    "audit-policy-file",
    "audit-webhook-batch-max-size",
    "audit-webhook-config-file",
    "audit-webhook-mode",
    "authorization-always-allow-paths",
    "authorization-order",
    "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl",
    "authorization-webhook-config-file",
    "authorization-webhook-version",
)
# Accepted and of no meaning here: there is no etcd, and nothing is scanned to be counted.
MEANINGLESS = (
    "embedded-etcd-client-port",
    "embedded-etcd-peer-port",
    "embedded-etcd-wal-size-bytes",
    "logical-cluster-object-count-scan-interval",
)
# These need no value: alone they ask for true.
SWITCHES = ("audit-log-compress",)
_PATHS = (
    "root-directory",
    "kubeconfig-path",
    "client-ca-file",
    "tls-cert-file",
    "tls-private-key-file",
    "service-account-key-file",
    "authentication-admin-token-path",
)
# What Go's strconv.ParseBool reads.
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_DEFAULTS: Mapping[str, str] = {flag.name: flag.default for flag in SERVER_FLAGS}


class UsageError(ValueError):
    """The command line cannot be understood; the text is what the user is told."""


class Config(NamedTuple):
    """What a server is started with; paths are absolute."""

    root: Path
    bind_address: str
    port: int
    external_hostname: str
    base_url: str
    kubeconfig: Path
    client_ca: Path
    certificate: Path
    key: Path
    token_file: Path | None
    account_key: Path
    token_store: Path
    max_objects: int
    max_memory: int
    max_requests: int
    max_mutating: int
    verbosity: int
    later: Sequence[str] = ()
    log_format: str = log.TEXT
    tracing: Path | None = None

    def url(self, port: int) -> str:
        """Return the base URL of the server once its port is known."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = self.external_hostname or advertised(self.bind_address)
        return f"https://{host}:{port}"


def advertised(address: str) -> str:
    """Return the host under which a server bound to an address can be reached."""
    host = "127.0.0.1" if address in ("", "0.0.0.0", "::") else address
    return f"[{host}]" if ":" in host else host


def _number(values: Mapping[str, str], name: str, low: int, high: int) -> int:
    text = values[name]
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else low - 1
    if not low <= number <= high:
        raise UsageError(f"--{name}: {values[name]} is not a number from {low} to {high}")
    return number


def _host(name: str, host: str) -> str:
    """Return a host, which is a name of DNS or an address; UsageError if it is neither."""
    if host:
        from kcpfast.meta.names import dns_subdomain  # noqa: PLC0415 - only with the flag

        wrong = dns_subdomain(host.lower())
        if wrong and not _is_address(host):
            raise UsageError(f"--{name}: {host!r} is neither an address nor a host: {wrong[0]}")
    return host


def _is_address(text: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - only with the flag

    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def _base_url(name: str, text: str) -> str:
    """Return the base of all URLs: https, a host, perhaps a port and a path; else UsageError."""
    if text:
        from urllib.parse import urlsplit  # noqa: PLC0415 - only with the flag

        try:
            parsed = urlsplit(text)
            port = parsed.port
        except ValueError as error:
            raise UsageError(f"--{name}: {text!r} is no URL: {error}") from None
        odd = parsed.query or parsed.fragment or "@" in parsed.netloc or port == 0
        if parsed.scheme != "https" or not parsed.hostname or odd or not text.isprintable():
            raise UsageError(f"--{name}: {text!r} is no URL like https://host:port/path")
        _host(name, parsed.hostname)
    return text


def _check_gates(text: str) -> None:
    """Look at a list of gates as Kubernetes does (component-base/featuregate); there are none."""
    flag = f'invalid argument "{text}" for "--feature-gates" flag'
    for setting in filter(None, text.split(",")):
        gate, given, value = setting.partition("=")
        gate, value = gate.strip(), value.strip()
        if not given:
            raise UsageError(f"{flag}: missing bool value for {gate}")
        if value not in _BOOLEANS:
            said = f'strconv.ParseBool: parsing "{value}": invalid syntax'
            raise UsageError(f"{flag}: invalid value of {gate}={value}, err: {said}")


def _log_format(text: str) -> str:
    """Return the form of log lines; UsageError has the words of component-base/logs/api/v1."""
    if text not in log.FORMATS:
        raise UsageError(
            f'--logging-format: Invalid value: "{text}": Unsupported log format; '
            f"give one of {', '.join(log.FORMATS)}"
        )
    return text


def _memory(text: str) -> int:
    try:
        return memory.parse(text) if text else memory.usual()
    except ValueError as error:
        raise UsageError(f"--max-memory: {error}") from None


def config(values: Mapping[str, str], later: Sequence[str]) -> Config:
    """Return what a server is to be; UsageError names the flag that is wrong.

    `values` has one of each of `FLAGS`, `later` are the names of those that were given of `LATER`.
    """
    for name in _PATHS:
        if not values[name] or "\0" in values[name]:
            raise UsageError(f"--{name}: {values[name]!r} is no path")
    _check_gates(values["feature-gates"])
    root = Path(os.path.abspath(values["root-directory"]))

    def path(name: str) -> Path:
        return root / values[name]

    def given(name: str) -> Path:
        """A file named on the command line is relative to where the user stands."""
        named = values[name] != _DEFAULTS[name]
        return Path(os.path.abspath(values[name])) if named else path(name)

    return Config(
        root=root,
        bind_address=values["bind-address"],
        port=_number(values, "secure-port", 0, 65535),
        external_hostname=_host("external-hostname", values["external-hostname"]),
        base_url=_base_url("shard-base-url", values["shard-base-url"]),
        kubeconfig=path("kubeconfig-path"),
        client_ca=given("client-ca-file"),
        certificate=given("tls-cert-file"),
        key=given("tls-private-key-file"),
        token_file=given("token-auth-file") if values["token-auth-file"] else None,
        account_key=given("service-account-key-file"),
        token_store=path("authentication-admin-token-path"),
        max_objects=_number(values, "logical-cluster-total-object-limit", 0, 1 << 62),
        max_memory=_memory(values["max-memory"]),
        max_requests=_number(values, "max-requests-inflight", 0, 1 << 20),
        max_mutating=_number(values, "max-mutating-requests-inflight", 0, 1 << 20),
        verbosity=_number(values, "v", 0, 10),
        later=later,
        log_format=_log_format(values["logging-format"]),
        tracing=given("tracing-config-file") if values["tracing-config-file"] else None,
    )
