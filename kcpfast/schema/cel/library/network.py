"""IP addresses and networks.

Rules: k8s.io/apiserver/pkg/cel/library/ip.go and cidr.go: no zones, no IPv4 in IPv6, no leading
zeros; error texts are those of Go's net/netip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import CelError
from ..signatures import Row
from ..values import Opaque

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    Address = IPv4Address | IPv6Address


class Ip(Opaque):
    """An address."""

    cel_type = "net.IP"

    def __init__(self, address: Address) -> None:
        """Hold a checked address."""
        self.address = address
        self.cel_size = address.max_prefixlen // 8

    def __eq__(self, other: object) -> bool:
        """Compare the addresses."""
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        """Hash the address."""
        return hash(self.address)


class Cidr(Opaque):
    """A network, with the address that it was written with."""

    cel_type = "net.CIDR"

    def __init__(self, address: Address, bits: int) -> None:
        """Hold an address and the length of the prefix."""
        self.address = address
        self.bits = bits
        self.cel_size = (bits + 7) // 8

    def __eq__(self, other: object) -> bool:
        """Compare address and prefix."""
        return isinstance(other, Cidr) and (self.address, self.bits) == (other.address, other.bits)

    def __hash__(self) -> int:
        """Hash address and prefix."""
        return hash((self.address, self.bits))

    def masked(self) -> Cidr:
        """Return the network with the bits after the prefix cleared."""
        rest = self.address.max_prefixlen - self.bits
        return Cidr(type(self.address)((int(self.address) >> rest) << rest), self.bits)

    def contains(self, address: Address) -> bool:
        """Tell whether an address lies in the network."""
        if address.version != self.address.version:
            return False
        rest = self.address.max_prefixlen - self.bits
        return int(address) >> rest == int(self.address) >> rest


def _ip(text: str) -> Ip:
    address = _address(text)
    if "%" in text:
        raise CelError(f'IP address "{text}" with zone value is not allowed')
    if getattr(address, "ipv4_mapped", None) is not None:
        raise CelError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def _address(text: str) -> Address:
    from ipaddress import ip_address  # noqa: PLC0415 - few expressions hold addresses

    try:
        return ip_address(text)
    except ValueError:
        message = f'ParseAddr("{text}"): {_complaint(text)}'
        what = f'IP Address "{text}" parse error during conversion from string'
        raise CelError(f"{what}: {message}") from None


def _complaint(text: str) -> str:
    if ":" in text:
        return "each colon-separated field must have at least one digit"
    parts = text.split(".")
    if len(parts) == 1:
        return "unable to parse IP"
    if not all(part.isascii() and part.isdigit() for part in parts):
        return "unexpected character"
    if any(int(part[:4]) > 255 for part in parts):
        return "IPv4 field has value >255"
    if any(len(part) > 1 and part[0] == "0" for part in parts):
        return "IPv4 field has octet with leading zero"
    return "IPv4 address too short" if len(parts) < 4 else "IPv4 address too long"


_CIDR = "network address parse error during conversion from string"


def _cidr(text: str) -> Cidr:
    host, slash, bits = text.rpartition("/")
    message = f'{_CIDR}: {_CIDR}: netip.ParsePrefix("{text}")'
    if not slash:
        raise CelError(f"{message}: no '/'")
    try:
        address = _address(host)
    except CelError as error:
        raise CelError(
            f"{message}: ParseAddr{error.message.rpartition(': ParseAddr')[2]}"
        ) from None
    if "%" in host:
        raise CelError(f"{message}: IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise CelError(f'{message}: bad bits after slash: "{bits}"')
    if len(bits) > 3 or int(bits) > address.max_prefixlen:
        raise CelError(f"{message}: prefix length out of range")
    if getattr(address, "ipv4_mapped", None) is not None:
        raise CelError(f'{_CIDR}: IPv4-mapped IPv6 address "{text}" is not allowed')
    return Cidr(address, int(bits))


def _is_ip(text: str) -> bool:
    try:
        _ip(text)
    except CelError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _cidr(text)
    except CelError:
        return False
    return True


def _is_canonical(text: str) -> bool:
    return str(_ip(text).address) == text


def _contains_ip(cidr: Any, other: Any) -> bool:
    address = _ip(other) if isinstance(other, str) else other
    return bool(cidr.contains(address.address))


def _contains_cidr(cidr: Any, other: Any) -> bool:
    inner = _cidr(other) if isinstance(other, str) else other
    return bool(cidr.contains(inner.address)) and inner.bits >= cidr.bits


def _is_global_unicast(ip: Any) -> bool:
    address = ip.address
    limited = address.version == 4 and int(address) == 2**32 - 1
    special = address.is_unspecified or address.is_loopback or address.is_multicast
    return not (limited or special or address.is_link_local)


def _is_link_local_multicast(ip: Any) -> bool:
    number = int(ip.address)
    if ip.address.version == 4:
        return number >> 8 == 0xE00000
    return number >> 112 & 0xFF0F == 0xFF02


# fmt: off
ROWS: tuple[Row, ...] = (
    ("cidr", "(string) -> net.CIDR", _cidr, "scan"),
    ("containsCIDR", "net.CIDR.(net.CIDR) -> bool", _contains_cidr, "contains_cidr"),
    ("containsCIDR", "net.CIDR.(string) -> bool", _contains_cidr, "contains_cidr"),
    ("containsIP", "net.CIDR.(net.IP) -> bool", _contains_ip, "contains_ip"),
    ("containsIP", "net.CIDR.(string) -> bool", _contains_ip, "contains_ip"),
    ("family", "net.IP.() -> int", lambda ip: ip.address.version),
    ("ip", "(string) -> net.IP", _ip, "scan"),
    ("ip", "net.CIDR.() -> net.IP", lambda cidr: Ip(cidr.address)),
    ("ip.isCanonical", "(string) -> bool", _is_canonical, "scan_twice"),
    ("isCIDR", "(string) -> bool", _is_cidr, "scan"),
    ("isGlobalUnicast", "net.IP.() -> bool", _is_global_unicast),
    ("isIP", "(string) -> bool", _is_ip, "scan"),
    ("isLinkLocalMulticast", "net.IP.() -> bool", _is_link_local_multicast),
    ("isLinkLocalUnicast", "net.IP.() -> bool", lambda ip: ip.address.is_link_local),
    ("isLoopback", "net.IP.() -> bool", lambda ip: ip.address.is_loopback),
    ("isUnspecified", "net.IP.() -> bool", lambda ip: ip.address.is_unspecified),
    ("masked", "net.CIDR.() -> net.CIDR", Cidr.masked),
    ("prefixLength", "net.CIDR.() -> int", lambda cidr: cidr.bits),
    ("string", "(net.CIDR) -> string", lambda cidr: f"{cidr.address}/{cidr.bits}"),
    ("string", "(net.IP) -> string", lambda ip: str(ip.address)),
)
# fmt: on
