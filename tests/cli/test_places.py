"""Where workspace names lead: kcp's rules for paths, URLs and notes."""

import pytest

from kcpfast.cli.failure import Failure
from kcpfast.cli.places import (
    NOTE_HOME,
    NOTE_ROOT,
    announce,
    place_of,
    resolve,
    spelled,
    split,
    valid,
)


@pytest.mark.parametrize(
    ("current", "name", "path"),
    [
        ("root", "a", "root:a"),
        ("root", "a:b", "root:a:b"),
        ("root:a:b", "..", "root:a"),
        ("root:a:b", "..:..", "root"),
        ("root:a", "..:b", "root:b"),
        ("root:a", ".:b:.", "root:a:b"),
        ("root:a", ":root:c:..:d", "root:d"),
        ("root:a", ":root", "root"),
        ("root:a:b", ":", "root"),
        ("2xj8f9k3m5n7p1q4:a", ":", "2xj8f9k3m5n7p1q4"),
        ("system:admin", ":", "system:admin"),
    ],
)
def test_resolve_path(current: str, name: str, path: str) -> None:
    assert resolve(current, name) == path


@pytest.mark.parametrize(
    ("current", "name", "text"),
    [
        ("root", "..", "invalid workspace path: .."),
        ("root", "..:..", "cannot go up from root"),
        ("system:admin", "..", "invalid workspace path: .."),
        ("root", "Bad_Name", "invalid workspace path: Bad_Name"),
        ("root", "a::b", "invalid workspace path: a::b"),
        ("root", "*", "invalid workspace path: *"),
    ],
)
def test_resolve_refuses(current: str, name: str, text: str) -> None:
    with pytest.raises(Failure) as caught:
        resolve(current, name)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("word", "short", "name", "note"),
    [
        ("", False, "~", NOTE_HOME),
        ("", True, "~", ""),
        ("/home/me", False, "~", ""),
        ("/home/me/a", False, "~:a", ""),
        ("a/b", False, "a:b", ""),
        ("root", False, ":root", NOTE_ROOT),
        ("root", True, ":root", NOTE_ROOT),
        ("root:a", False, ":root:a", NOTE_ROOT),
        ("root:a", True, "root:a", ""),
        (":root:a", False, ":root:a", ""),
        ("rooted", False, "rooted", ""),
    ],
)
def test_spelled_word(word: str, short: bool, name: str, note: str) -> None:
    assert spelled(word, "/home/me", short=short) == (name, note)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://h/clusters/root", ("https://h", "root")),
        ("https://h:6443/x/clusters/root:a/", ("https://h:6443/x", "root:a")),
        ("https://h/clusters/root:a/apis", ("https://h", "root:a")),
        ("https://h/clusters/*", ("https://h", "*")),
        ("https://h/clusters/", None),
        ("https://h/clusters/No_Path", None),
        ("https://h/services/x", None),
    ],
)
def test_place_of_url(url: str, place: tuple[str, str] | None) -> None:
    assert place_of(url) == place


def test_place_has_a_url() -> None:
    place = place_of("https://h/x/clusters/root")
    assert place is not None
    assert place.at("root:a").url == "https://h/x/clusters/root:a"


@pytest.mark.parametrize("path", ["root", "a:b-c:0", "a" * 63])
def test_valid_path(path: str) -> None:
    assert valid(path)


@pytest.mark.parametrize("path", ["", ":", "a:", "A", "-a", "a-", "a.b", "ä", "a" * 64])
def test_invalid_path(path: str) -> None:
    assert not valid(path)


@pytest.mark.parametrize(
    ("path", "parts"),
    [("root", ("", "root")), ("root:a:b", ("root:a", "b")), ("system:x", ("", "system:x"))],
)
def test_split_path(path: str, parts: tuple[str, str]) -> None:
    assert split(path) == parts


@pytest.mark.parametrize(
    ("url", "kind", "short", "text"),
    [
        ("https://h/clusters/root:a", "", False, "Current workspace is 'root:a'.\n"),
        ("https://h/clusters/a", "root:b", False, "Current workspace is 'a' (type root:b).\n"),
        ("https://h/clusters/root:a", "x", True, "root:a\n"),
        ("https://h/x", "", False, 'Current workspace is the URL "https://h/x".\n'),
        ("https://h/x", "", True, ""),
    ],
)
def test_announce_place(url: str, kind: str, short: bool, text: str) -> None:
    assert announce(url, kind, short=short) == text
