"""The flags of `kcpfast start`: one row each, with kcp's names.

Parsed by hand: an argument parser costs the start more than everything else here does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kcpfast.server import memory

STORED, BOOLEAN = "value", "boolean"


class Flag(NamedTuple):
    """A flag: what it takes, what it is by default, and what it does ("" = nothing yet)."""

    name: str
    default: str
    help: str
    kind: str = STORED


FLAGS = (
    Flag("root-directory", ".kcpfast", "directory of the data; base of default paths"),
    Flag("bind-address", "0.0.0.0", "address to listen on"),
    Flag("secure-port", "6443", "port to listen on; 0 takes any free one"),
    Flag("external-hostname", "", "host name that URLs are made with"),
    Flag("shard-base-url", "", "base of all URLs that are handed out"),
    Flag("kubeconfig-path", "admin.kubeconfig", "where the administrator's kubeconfig is written"),
    Flag("client-ca-file", "client-ca.crt", "CA that client certificates are verified by"),
    Flag("tls-cert-file", "apiserver.crt", "certificate of the server"),
    Flag("tls-private-key-file", "apiserver.key", "key of the server's certificate"),
    Flag("token-auth-file", "", 'CSV file of tokens: token,user,uid,"group,group"'),
    Flag("service-account-key-file", "sa.key", "key that service account tokens are signed with"),
    Flag("authentication-admin-token-path", ".admin-token-store", "where admin tokens are kept"),
    Flag("logical-cluster-total-object-limit", "0", "objects that a workspace may hold; 0 = any"),
    Flag("max-requests-inflight", "400", "lists served at once; 0 = any number"),
    Flag("max-mutating-requests-inflight", "200", "writes served at once; 0 = any number"),
    Flag("max-memory", "", "memory that the server may take, as 512Mi; by default a quarter"),
    Flag("feature-gates", "", "accepted: a list of Name=true or Name=false"),
    Flag("v", "0", "how much is logged: 0 warnings, 2 requests, 4 everything"),
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
_SWITCHES = ("audit-log-compress",)
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
_KNOWN: Mapping[str, Flag] = {flag.name: flag for flag in FLAGS}


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


def parse(arguments: Sequence[str]) -> Config:
    """Read a command line; UsageError names what is wrong with it."""
    values = {flag.name: flag.default for flag in FLAGS}
    later = []
    for name, value in _pairs(arguments):
        if name in _KNOWN:
            values[name] = value
        elif name in LATER:
            later.append(name)
        elif name not in MEANINGLESS:
            raise UsageError(f"unknown flag: --{name}")
    return _config(values, later)


def _pairs(arguments: Sequence[str]) -> Iterable[tuple[str, str]]:
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise UsageError(f"unexpected argument: {word}")
        name, found, value = word.lstrip("-").partition("=")
        if not found and name in _SWITCHES:
            value = "true"
        elif not found:
            if not rest:
                raise UsageError(f"flag needs an argument: --{name}")
            value = rest.pop(0)
        yield name, value


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
            found = urlsplit(text)
            port = found.port
        except ValueError as error:
            raise UsageError(f"--{name}: {text!r} is no URL: {error}") from None
        odd = found.query or found.fragment or "@" in found.netloc or port == 0
        if found.scheme != "https" or not found.hostname or odd or not text.isprintable():
            raise UsageError(f"--{name}: {text!r} is no URL like https://host:port/path")
        _host(name, found.hostname)
    return text


def _check_gates(text: str) -> None:
    """Look at a list of gates as Kubernetes does (component-base/featuregate); there are none."""
    flag = f'invalid argument "{text}" for "--feature-gates" flag'
    for each in filter(None, text.split(",")):
        gate, given, value = each.partition("=")
        gate, value = gate.strip(), value.strip()
        if not given:
            raise UsageError(f"{flag}: missing bool value for {gate}")
        if value not in _BOOLEANS:
            said = f'strconv.ParseBool: parsing "{value}": invalid syntax'
            raise UsageError(f"{flag}: invalid value of {gate}={value}, err: {said}")


def _memory(text: str) -> int:
    try:
        return memory.parse(text) if text else memory.usual()
    except ValueError as error:
        raise UsageError(f"--max-memory: {error}") from None


def _config(values: Mapping[str, str], later: list[str]) -> Config:
    for name in _PATHS:
        if not values[name] or "\0" in values[name]:
            raise UsageError(f"--{name}: {values[name]!r} is no path")
    _check_gates(values["feature-gates"])
    root = Path(os.path.abspath(values["root-directory"]))

    def path(name: str) -> Path:
        return root / values[name]

    def given(name: str) -> Path:
        """A file named on the command line is relative to where the user stands."""
        named = values[name] != _KNOWN[name].default
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
    )


def usage() -> str:
    """Return the help text."""
    lines = ["Usage: kcpfast start [--flag value ...]", ""]
    for flag in FLAGS:
        default = f" (default {flag.default})" if flag.default else ""
        lines.append(f"  --{flag.name:34} {flag.help}{default}")
    lines += ["", "Accepted, not at work yet: " + ", ".join("--" + name for name in LATER)]
    return "\n".join(lines)
