"""Formats: what matches, and that no text makes everybody wait while it is looked at."""

from __future__ import annotations

import threading
import time

import pytest

from kcpfast.schema.formats import STRINGS

ROWS = [
    ("duration", ["0", "1h", "-1.5h", "+.5s", "1h1m1.5s", "3 days", "2hours", "1.h", "1µs"],
     ["", "-", "1", "h", ".s"]),
    ("email", ["a@b", "a.b@c.d"], ["a", "a@", "@b", "a@b@c", "a b@c"]),
    ("uri", ["a:b", "/a", "http://a/b?c"], ["a", "1:b", "//a/%zz"]),
    ("rgbcolor", ["rgb(1,2,3)", "rgb( 1 , 2 , 3 )"], ["rgb(1,2)", "rgb(1,2,3", "rgb(1234,2,3)"]),
    ("datetime", ["2020-01-01T00:00:00Z", "2020-01-01t00:00:00.25+01:00"],
     ["2020-01-01T00:00:00", "2020-01-01T00:00:00.Z", "2020-02-30T00:00:00Z"]),
    ("ipv4", ["1.2.3.4"], ["1.2.3", "::1", "1." * 2000]),
    ("ipv6", ["::1", "fe80::1"], ["1.2.3.4", "fe80::1%eth0", "1:" * 2000]),
    ("cidr", ["10.0.0.0/8", "::/0"], ["10.0.0.0", "10.0.0.0/33", "1" * 2000 + "/8"]),
]  # fmt: skip

LONG = 2_800_000
NASTY = [
    ("duration", "1h" * (LONG // 2)),
    ("duration", "1.1h" * (LONG // 4) + "!"),
    ("duration", "1" * LONG),
    ("duration", "1" * LONG + "day"),
    ("datetime", "2020-01-01T00:00:00." + "1" * LONG),
    ("ipv4", "1." * (LONG // 2)),
    ("ipv6", "1.1h" * (LONG // 4)),
    ("cidr", " " * LONG),
    ("uri", "a:" + "b" * LONG + " "),
    ("rgbcolor", "rgb(" + " " * LONG),
]


@pytest.mark.parametrize(("name", "good", "bad"), ROWS)
def test_what_matches(name: str, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not STRINGS[name](text)] == []
    assert [text for text in bad if STRINGS[name](text)] == []


def longest_hold(name: str, text: str) -> float:
    """Return the seconds of this process's work for which no other thread came to its turn."""
    longest, done = 0.0, threading.Event()

    def tick() -> None:
        nonlocal longest
        while not done.is_set():
            begun = time.process_time()
            time.sleep(0.001)
            longest = max(longest, time.process_time() - begun)

    ticker = threading.Thread(target=tick)
    ticker.start()
    time.sleep(0.01)
    STRINGS[name](text)
    time.sleep(0.01)
    done.set()
    ticker.join()
    return longest


@pytest.mark.parametrize(("name", "text"), NASTY)
def test_the_interpreter_is_not_held(name: str, text: str) -> None:
    """Twice the promise of `bench.stall` for one request; it was up to 1.6 s."""
    assert min(longest_hold(name, text) for _ in range(3)) < 0.1
