"""Whether a port can be listened on: asked before a new directory is begun, which would be left."""

from __future__ import annotations

import socket

from kcpfast.server.lock import StartError


def check_free(address: str, port: int) -> None:
    """Raise StartError if an address, or a port of it, cannot be listened on now."""
    try:
        addresses = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, socket_address in addresses:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(socket_address)
    except OSError as error:
        raise cannot_listen(address, port, error) from None


def cannot_listen(address: str, port: int, error: OSError) -> StartError:
    """Return what is said of an address that cannot be listened on."""
    return StartError(f"cannot listen on {address}:{port}: {error.strerror or error}")
