"""Who makes a request: by certificate, by token, and whom they may want to be taken for."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from kcpfast.auth.authenticate import Authenticator, bearer, impersonated
from kcpfast.auth.tokens import ServiceAccountTokens, read_token_file
from kcpfast.meta.errors import ApiError
from kcpfast.meta.user import ANONYMOUS_USER, AUTHENTICATED, User
from kcpfast.transport.messages import Peer, Request
from kcpfast.work.aside import LONG
from tests.fix_inside import Inside

HEADERS = [
    ("", ""),
    ("Bearer abc", "abc"),
    ("bearer  abc ", "abc"),
    ("Basic abc", ""),
    ("Bearer", ""),
]


@pytest.mark.parametrize(("header", "token"), HEADERS)
def test_bearer_token_is_read(header: str, token: str) -> None:
    assert bearer(Request("GET", "/", "", {b"authorization": header.encode()})) == token


def test_certificate_counts_before_a_token(inside: Inside, account_key: Path) -> None:
    accounts = ServiceAccountTokens(account_key, inside.objects)
    known = Authenticator({"t": User("by-token")}, accounts)
    token = {b"authorization": b"Bearer t"}
    shown = Peer("", "by-certificate", ("g",))
    by_both = known.user(Request("GET", "/", "", token, peer=shown))
    assert by_both == User("by-certificate", groups=("g", AUTHENTICATED))
    assert known.user(Request("GET", "/", "", token)).name == "by-token"
    assert known.user(Request("GET", "/")) == ANONYMOUS_USER
    with pytest.raises(ApiError, match="Unauthorized"):
        known.user(Request("GET", "/", "", {b"authorization": b"Bearer other"}))


async def test_the_loop_goes_on_until_the_key_is_there(
    inside: Inside, account_key: Path, tmp_path: Path
) -> None:
    later = tmp_path / "sa.key"
    accounts = ServiceAccountTokens(later, inside.objects)
    waiting = asyncio.create_task(accounts.ready())
    await inside.objects.aside.run(LONG, "a", int)  # so the loop is free
    assert not waiting.done()
    shutil.copy(account_key, later)
    await waiting
    assert accounts.jwks()["keys"][0]["alg"] == "RS256"


IMPERSONATED: list[tuple[dict[bytes, bytes], User | None]] = [
    ({}, None),
    ({b"impersonate-user": b"u"}, User("u", "", (AUTHENTICATED,))),
    ({b"impersonate-user": b"u", b"impersonate-group": b"a\nb"},
     User("u", "", ("a", "b", AUTHENTICATED))),
    ({b"impersonate-user": b"u", b"impersonate-uid": b"7"}, User("u", "7", (AUTHENTICATED,))),
    ({b"impersonate-user": b"u", b"impersonate-extra-a%2fb": b"1\n2"},
     User("u", "", (AUTHENTICATED,), (("a/b", ("1", "2")),))),
    ({b"impersonate-user": b"system:serviceaccount:ns:sa"},
     User("system:serviceaccount:ns:sa", "", (
         "system:serviceaccounts", "system:serviceaccounts:ns", AUTHENTICATED))),
    ({b"impersonate-user": ANONYMOUS_USER.name.encode()}, ANONYMOUS_USER),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "user"), IMPERSONATED)
def test_impersonation_is_read(headers: dict[bytes, bytes], user: User | None) -> None:
    assert impersonated(Request("GET", "/", "", headers)) == user


@pytest.mark.parametrize("name", [b"impersonate-group", b"impersonate-uid", b"impersonate-extra-a"])
def test_impersonation_needs_a_user(name: bytes) -> None:
    with pytest.raises(ApiError, match="without impersonating a user"):
        impersonated(Request("GET", "/", "", {name: b"x"}))


def test_token_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text('# token,user,uid,groups\nt1,u1,1,"a,b"\nt2, u2, 2\n\n')
    assert read_token_file(path) == {
        "t1": User("u1", "1", ("a", "b", AUTHENTICATED)),
        "t2": User("u2", "2", (AUTHENTICATED,)),
    }
    path.write_text("only-a-token\n")
    with pytest.raises(ValueError, match=":1:"):
        read_token_file(path)
