"""Who are you, and may you: found in memory, and from the disk."""

from __future__ import annotations

from typing import Any

from bench.inside import ADMIN, CONFIG_MAPS, Inside, request
from kcpfast.auth.authenticate import Authenticator
from kcpfast.auth.tokens import ServiceAccountTokens
from kcpfast.meta.user import Attributes

GET = request("GET", f"{CONFIG_MAPS}/o-0001")
WANTED = Attributes("get", "", "v1", "configmaps", "", "default", "o-0001")


def test_token(benchmark: Any) -> None:
    """A static token turned into a user."""
    none = ServiceAccountTokens.__new__(ServiceAccountTokens)
    who = Authenticator({"admin": ADMIN}, none)
    assert benchmark(who.user, GET) == ADMIN


def test_decide(benchmark: Any, inside: Inside) -> None:
    """A decision that is remembered."""
    authorizer, cluster = inside.authorizer(), inside.cluster("root:bench")
    assert benchmark(authorizer.decide, ADMIN, cluster, WANTED).allowed


def test_decide_anew(benchmark: Any, inside: Inside) -> None:
    """A decision from roles and bindings on disk."""
    inside.parts.store.remembers = False
    authorizer, cluster = inside.authorizer(), inside.cluster("root:bench")
    assert benchmark(authorizer.decide, ADMIN, cluster, WANTED).allowed
    inside.parts.store.remembers = True
