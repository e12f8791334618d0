"""Keys, certificates and tokens, from the files or the data that a kubeconfig names."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from kcpfast.cli.failure import Failure

if TYPE_CHECKING:
    from kcpfast.cli.client.kubeconfig import NamedEntry


def pem(entry: NamedEntry, member: str, override: str = "") -> bytes:
    """Return what a member names as a file or holds as data (which wins); b"" if neither is there.

    Failure if the file cannot be read or the data is not base64.
    """
    data = entry.text(f"{member}-data")
    if data and not override:
        try:
            return b64decode(data, validate=True)
        except ValueError:
            raise Failure(f"{member}-data in the kubeconfig is not base64") from None
    path = override or entry.path(member)
    return read(path, member) if path else b""


def read(path: str, what: str) -> bytes:
    """Return the content of a file; Failure names it if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"unable to read {what} {path}: {error.strerror}") from None
