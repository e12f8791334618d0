"""Logical clusters: their names, paths, and the hashes that kcp derives from them.

Every constant and encoding here is wire format: clients compute the same values.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any

ROOT = "root"
SYSTEM_ADMIN = "system:admin"
WILDCARD = "*"
PATH_ANNOTATION = "kcp.io/path"
CLUSTER_ANNOTATION = "kcp.io/cluster"

_SEGMENT = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PATH = re.compile(rf"{_SEGMENT}(:{_SEGMENT})*")
_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def valid_path(value: str) -> bool:
    """Tell whether a value is a logical cluster path: segments of DNS labels, joined by colons."""
    return _PATH.fullmatch(value) is not None


def is_name(value: str) -> bool:
    """Tell whether a path is a name: one segment, or a system cluster."""
    return ":" not in value or value.startswith("system:")


def split(path: str) -> tuple[str, str]:
    """Return parent and last segment of a path; a name has the parent ""."""
    if is_name(path):
        return "", path
    parent, _, name = path.rpartition(":")
    return parent, name


def join(parent: str, name: str) -> str:
    """Return the path of a child."""
    return f"{parent}:{name}" if parent else name


def _digits(number: int, base: int) -> str:
    out = ""
    while number:
        number, digit = divmod(number, base)
        out = _BASE62[digit] + out
    return out


def base36(data: bytes) -> str:
    """Encode bytes in base 36, one leading 0 for each leading zero byte."""
    stripped = data.lstrip(b"\0")
    zeros = len(data) - len(stripped)
    return "0" * zeros + _digits(int.from_bytes(stripped, "big"), 36)


def base62(data: bytes) -> str:
    """Encode bytes in base 62 as Go's big.Int.Text does."""
    return _digits(int.from_bytes(data, "big"), 62) or "0"


def sha224(text: str) -> bytes:
    """Return the SHA-224 of a text."""
    return hashlib.sha224(text.encode()).digest()


def new_name() -> str:
    """Return the name of a new logical cluster: 16 random characters, as in kcp."""
    digest = hashlib.sha224(os.urandom(32)).digest()
    return base36(digest)[:16]


def home_name(user: str) -> str:
    """Return the name of a user's home logical cluster."""
    return base36(sha224(user)[:8])


def shard_hash(shard: str) -> str:
    """Return the short form of a shard's name in annotations: 8 characters of its hash."""
    return base36(sha224(shard))[:8]


def export_hash(cluster: str, export: str) -> str:
    """Return the label value by which bindings of an export are found."""
    return base62(sha224(f"{cluster}:{export}"))


def claim_hash(claim: dict[str, Any]) -> str:
    """Return the label value of a permission claim: its group, resource and identity."""
    # kcp hashes the JSON that Go writes of the claim: this order of fields, no empty ones, no
    # spaces. Another order would be another hash, and bindings would not be found.
    hashed: dict[str, Any] = {}
    if claim.get("group"):
        hashed["group"] = claim["group"]
    hashed["resource"] = claim["resource"]
    if claim.get("identityHash"):
        hashed["identityHash"] = claim["identityHash"]
    as_json = json.dumps(hashed, separators=(",", ":"))
    return base62(sha224(as_json))


def default_binding_name(cluster: str, path: str, export: str) -> str:
    """Return the name of a default APIBinding in a cluster for the export at a path."""
    suffix = base62(sha224(f"{cluster}|{path}|{export}")).lower()[:5]
    # A name ends at 253 characters, six of which are the dash and the suffix.
    return f"{export[:247]}-{suffix}"


def identity_hash(key: str) -> str:
    """Return the identity that an identity secret's key stands for."""
    return hashlib.sha256(key.encode()).hexdigest()
