"""What things are called in the documents.

Generated clients are named after these, so they follow those of a kube-apiserver: definitions by
the reversed group, operations by verb, group, version and kind.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z0-9]+")


def custom_name(group: str, version: str, kind: str) -> str:
    """Return the name of a custom kind's definition: com.example.shop.v1.Cart."""
    reversed_group = ".".join(reversed(group.split("."))) or "core"
    return f"{reversed_group}.{version}.{kind}"


def group_word(group: str) -> str:
    """Return a group as part of an operation's name: Core, RbacAuthorization, ShopExampleCom."""
    words = _WORD.findall(group.removesuffix(".k8s.io"))
    return "".join(word[:1].upper() + word[1:] for word in words) or "Core"


def version_word(version: str) -> str:
    """Return a version as part of an operation's name: V1alpha1."""
    return version[:1].upper() + version[1:]


def tag(group: str, version: str = "") -> str:
    """Return the tag of a group's operations: core_v1, rbacAuthorization."""
    word = group_word(group)
    own = word[:1].lower() + word[1:]
    return f"{own}_{version}" if version else own


def group_path(group: str, version: str = "") -> str:
    """Return a group or group-version as the index names it: apis/apps/v1, api/v1."""
    parts = ("apis", group, version) if group else ("api", version)
    return "/".join(part for part in parts if part)
