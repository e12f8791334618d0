"""What files of a root directory hold: the administrators' tokens, the kubeconfig."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from pathlib import Path
from typing import Any

from kcpfast import atomic
from kcpfast.meta.objectmeta import new_uid
from kcpfast.meta.user import ADMIN_GROUP, AUTHENTICATED, MASTERS, User
from kcpfast.server.lock import StartError

ADMIN, SHARD_ADMIN = "kcp-admin", "shard-admin"
_GROUPS = {ADMIN: ADMIN_GROUP, SHARD_ADMIN: MASTERS}


def admin_tokens(store: Path) -> dict[str, User]:
    """Return the administrators' tokens; made once, the same at every start.

    StartError if the store cannot be read or written.
    """
    try:
        kept = _checked(json.loads(store.read_text())) if store.exists() else {}
        missing = [name for name in _GROUPS if name not in kept]
        for name in missing:
            kept[name] = {"token": secrets.token_urlsafe(32), "uid": new_uid()}
        if missing:
            atomic.write(store, json.dumps(kept, indent=1).encode())
    except (OSError, ValueError) as error:
        raise StartError(f"cannot use {store}: {error}") from None
    return {
        kept[name]["token"]: User(name, kept[name]["uid"], (group, AUTHENTICATED))
        for name, group in _GROUPS.items()
    }


def _checked(kept: Any) -> dict[str, Any]:
    """Return what a token store holds; ValueError unless each user has a token and a uid."""
    if not isinstance(kept, dict):
        raise ValueError("it is no JSON object")
    for name, entry in kept.items():
        words = [entry.get("token"), entry.get("uid")] if isinstance(entry, dict) else [None]
        if not all(word and isinstance(word, str) for word in words):
            raise ValueError(f"{name} has no token and uid")
    return kept


_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: root
clusters:
- name: root
  cluster:
    certificate-authority-data: {ca}
    server: {url}/clusters/root
- name: base
  cluster:
    certificate-authority-data: {ca}
    server: {url}
- name: system:admin
  cluster:
    certificate-authority-data: {ca}
    server: {url}/clusters/system:admin
contexts:
- name: root
  context:
    cluster: root
    user: kcp-admin
- name: base
  context:
    cluster: base
    user: kcp-admin
- name: system:admin
  context:
    cluster: system:admin
    user: shard-admin
- name: shard-base
  context:
    cluster: base
    user: shard-admin
preferences: {{}}
users:
- name: kcp-admin
  user:
    token: {admin}
- name: shard-admin
  user:
    token: {shard_admin}
"""


def kubeconfig(url: str, ca: bytes, tokens: dict[str, User]) -> str:
    """Return the administrator's kubeconfig, with kcp's contexts and users."""
    named = {user.name: token for token, user in tokens.items()}
    return _KUBECONFIG.format(
        url=url,
        ca=b64encode(ca).decode(),
        admin=named[ADMIN],
        shard_admin=named[SHARD_ADMIN],
    )
