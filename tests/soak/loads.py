"""What a server is put under while it soaks: one row for each load; add yours here.

A load is called in a thread of its own with the server's access and the moment (time.monotonic) at
which it must have come to its end. It returns what it counted; what it raises is a fault.
"""

from __future__ import annotations

import http.client
import random
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.writers import SPACES
from tests.harness.https import Access, Client

CONFIG_MAPS = "/clusters/root/api/v1/namespaces/default/configmaps"
_OVERLOADED = (429,)
_BROKEN = (OSError, http.client.HTTPException, ssl.SSLError)


class Load(NamedTuple):
    """A load: its name, and how many of it run at once."""

    name: str
    run: Callable[[Access, float], int]
    at_once: int


def churn(granted: Access, until: float) -> int:
    """Make and delete workspaces; each must be gone before the end."""
    made, mine = 0, f"churn-{random.getrandbits(40):x}"
    with Client(granted) as client:
        while time.monotonic() < until:
            made += 1
            name = f"{mine}-{made}"
            body = {
                "apiVersion": "tenancy.kcp.io/v1alpha1",
                "kind": "Workspace",
                "metadata": {"name": name},
            }
            answer = client.ask("POST", SPACES, body)
            assert answer.status in (201, *_OVERLOADED), answer
            if answer.status == 201:
                inside = f"/clusters/root:{name}/api/v1/namespaces/default/configmaps"
                client.ask("POST", inside, {"metadata": {"name": "a"}, "data": {"x": "y" * 2000}})
                gone = client.ask("DELETE", f"{SPACES}/{name}")
                assert gone.status in (200, *_OVERLOADED), gone
    return made


def update(granted: Access, until: float) -> int:
    """Write one object again and again: history is made and must be forgotten."""
    name = f"update-{random.getrandbits(40):x}"
    with Client(granted) as client:
        assert client.ask("POST", CONFIG_MAPS, {"metadata": {"name": name}}).status == 201
        count = 0
        while time.monotonic() < until:
            count += 1
            patch = {"data": {"n": str(count), "text": "x" * 5000}}
            answer = client.ask("PATCH", f"{CONFIG_MAPS}/{name}", patch)
            assert answer.status in (200, *_OVERLOADED), answer
        assert client.ask("DELETE", f"{CONFIG_MAPS}/{name}").status in (200, *_OVERLOADED)
    return count


def overload(granted: Access, until: float) -> int:
    """List everything, as fast as it goes, over connections that are dropped in the middle."""
    count = 0
    while time.monotonic() < until:
        with Client(granted) as client:
            for _ in range(random.randint(1, 20)):
                answer = client.ask("GET", "/clusters/*/api/v1/configmaps", who="masters")
                assert answer.status in (200, *_OVERLOADED), answer
                count += 1
        try:
            half = http.client.HTTPSConnection(granted.host, granted.port, context=granted.tls)
            half.putrequest("POST", CONFIG_MAPS)
            half.putheader("Content-Length", "1000000")
            half.endheaders(b"half a body")
            half.close()
        except _BROKEN:
            continue
    return count


def watch(granted: Access, until: float) -> int:
    """Watch for a second at a time, each time from where the last one ended; no event is missed.

    Revisions of one kind in all clusters must rise.
    """
    count, version = 0, ""
    with Client(granted) as client:
        while time.monotonic() < until:
            path = "/clusters/*/api/v1/configmaps?watch=1&timeoutSeconds=1&allowWatchBookmarks=1"
            answer = client.ask("GET", f"{path}&resourceVersion={version}", who="masters")
            if answer.status in _OVERLOADED:
                continue
            assert answer.status == 200, answer
            for event in answer.lines():
                if event["type"] == "ERROR":
                    assert event["object"]["code"] in (410, 429), event
                    version = ""
                    break
                seen = event["object"]["metadata"]["resourceVersion"]
                assert not version or event["type"] == "ADDED" or int(seen) >= int(version), event
                version, count = seen, count + 1
    return count


LOADS: tuple[Load, ...] = (
    Load("workspaces made and deleted", churn, 3),
    Load("updates", update, 2),
    Load("lists of everything", overload, 2),
    Load("events watched", watch, 2),
)
