"""What a server does with data that are not what was written: it says so, and serves the rest."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcpfast.store import check
from tests.faults.disk import FAIL, KINDS, build
from tests.fix_server import Start
from tests.harness.https import Client, Request, access
from tests.harness.process import ServerProcess, refused
from tests.models.consistency import problems_of

PLACE = "/clusters/root/api/v1/namespaces/default/configmaps"


def overwrite(root: Path, old: bytes, new: bytes) -> None:
    """Overwrite what a server's file says, all copies of it."""
    file = root / "store" / "data.mdb"
    data = file.read_bytes()
    assert old in data
    file.write_bytes(data.replace(old, new))


def test_a_damaged_object_is_an_error_with_its_key(tmp_path: Path, start: Start) -> None:
    root = tmp_path / "root"
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        for name in ("good", "bad"):
            made = {"metadata": {"name": name}, "data": {"x": f"the text of {name}"}}
            assert client.ask("POST", PLACE, made).status == 201
    server.stop()
    overwrite(root, b"the text of bad", b"the text of bat")
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        for path in (f"{PLACE}/bad", PLACE, f"{PLACE}?limit=500", "/clusters/*/api/v1/configmaps"):
            answer = client.ask("GET", path, who="masters")
            assert (answer.status, answer.json()["reason"]) == (500, "InternalError")
            assert "|default|bad' is damaged" in answer.json()["message"]
            assert b"bat" not in answer.raw
        assert client.ask("DELETE", f"{PLACE}/bad").status == 500
        assert client.ask("GET", f"{PLACE}/good").status == 200
        assert client.ask("DELETE", f"{PLACE}/good").status == 200
        assert client.ask("GET", "/readyz").raw == b"ok"
    server.stop()


IGNORE = "ignoreStoreReadErrorWithClusterBreakingPotential"
RBAC = "/clusters/root/apis/rbac.authorization.k8s.io/v1"
OWNER = {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "nobody"}
RULE = {"apiGroups": ["", "rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["delete"]}
BINDING = {
    "metadata": {"name": "bad"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "deleter"},
    "subjects": [{"kind": "User", "name": "the text of bad"}],
}
# What is made and then damaged: a path, and an object whose text says "the text of bad".
UNREADABLE = [
    (PLACE, {"metadata": {"name": "bad", "finalizers": ["a/b"], "ownerReferences": [OWNER]},
             "data": {"x": "the text of bad"}}),
    (f"{RBAC}/clusterrolebindings", BINDING),
    ("/clusters/root/api/v1/namespaces/default/events",
     {"metadata": {"name": "bad", "namespace": "default"}, "reason": "the text of bad",
      "involvedObject": {"namespace": "default"}}),
    ("/clusters/root/api/v1/namespaces/default/resourcequotas",
     {"metadata": {"name": "bad", "annotations": {"a": "the text of bad"}},
      "spec": {"hard": {"count/configmaps": "100"}}}),
]  # fmt: skip
# The query, the user, and how it is refused.
REFUSED = [
    ("", "masters", 500, "is damaged"),
    (f"?{IGNORE}=true&dryRun=All", "masters", 422, "true: cannot be set together with .dryRun"),
    (f"?{IGNORE}=true&propagationPolicy=Orphan", "masters", 422, "with .propagationPolicy"),
    (f"?{IGNORE}=true&gracePeriodSeconds=0", "masters", 422, "together with .gracePeriodSeconds"),
    (f"?{IGNORE}=true", "deleter", 403, 'not permitted to do "unsafe-delete-ignore-read-errors"'),
]  # fmt: skip


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    written = tmp_path / "tokens.csv"
    written.write_text("deleter,deleter,1\n")
    return written


@pytest.mark.parametrize(("place", "bad"), UNREADABLE)
def test_what_cannot_be_read_is_deleted_on_demand(
    place: str, bad: Any, tmp_path: Path, start: Start, tokens: Path
) -> None:
    root = tmp_path / "root"
    flags = ("--token-auth-file", str(tokens))
    server = start(root, *flags)
    with Client(access(server.kubeconfig)) as client:
        role = {"metadata": {"name": "deleter"}, "rules": [RULE]}
        assert client.ask("POST", f"{RBAC}/clusterroles", role).status == 201
        for name in ("deleter", "system:kcp:clusterworkspace:access"):
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
            grant: dict[str, Any] = {"metadata": {"name": name}, "roleRef": ref}
            grant["subjects"] = [{"kind": "User", "name": "deleter"}]
            made = client.ask("POST", f"{RBAC}/clusterrolebindings", grant, who="masters")
            assert made.status == 201, made
        made = client.ask("POST", place, bad, who="masters")
        assert made.status == 201, made
    server.stop()
    overwrite(root, b"the text of bad", b"the text of bat")
    server = start(root, *flags)
    with Client(access(server.kubeconfig)) as client:
        for query, who, status, said in REFUSED:
            answer = client.ask("DELETE", f"{place}/bad{query}", who=who)
            assert (answer.status, said in answer.json()["message"]) == (status, True), answer
        later = client.ask("POST", PLACE, {"metadata": {"name": "later"}}).json()
        version = later["metadata"]["resourceVersion"]
        watching = f"{place}?watch=1&timeoutSeconds=9&resourceVersion="

        def delete() -> None:
            with Client(access(server.kubeconfig)) as other:
                gone = other.ask("DELETE", f"{place}/bad", {IGNORE: True}, who="masters")
                assert (gone.status, gone.json()["status"]) == (200, "Success"), gone

        watched = client.send(Request("GET", f"{watching}{version}", who="masters"), delete)
        assert watched.lines()[-1]["object"]["code"] == 410
        assert client.ask("GET", f"{place}/bad").status == 404
        assert client.ask("GET", place, who="masters").status == 200
        late = client.ask("GET", f"{watching}{version}", who="masters")
        assert late.lines()[0]["object"]["code"] == 410
        again = client.ask("POST", place, bad, who="masters")
        assert again.status == 201, again
        answer = client.ask("DELETE", f"{place}/bad?{IGNORE}=true", who="masters")
        assert answer.status == 422
        assert "is exclusively used to delete corrupt object(s)" in answer.json()["message"]
        answer = client.ask("DELETE", f"{place}?{IGNORE}=true", who="masters")
        assert (answer.status, "not allowed with DELETECOLLECTION" in answer.json()["message"]) == (
            422,
            True,
        )
        assert client.ask("DELETE", f"{place}/none?{IGNORE}=true", who="masters").status == 404
    server.stop()
    assert check.examine(root / "store").problems == []
    assert problems_of(root) == []


def test_by_what_the_server_knows_its_way_only_masters_go(tmp_path: Path, start: Start) -> None:
    """A damaged Workspace: what it stood for is left alone, and its path is free."""
    root, spaces = tmp_path / "root", "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
    server = start(root)
    # Too long for a shape, whose damage would be that of all objects alike.
    text = "the text of bad" + "x" * 40_000
    with Client(access(server.kubeconfig)) as client:
        head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
        body = {**head, "metadata": {"name": "bad", "annotations": {"a": text}}}
        assert client.ask("POST", spaces, body).status == 201
    server.stop()
    overwrite(root, b"the text of bad", b"the text of bat")
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        answer = client.ask("DELETE", f"{spaces}/bad?{IGNORE}=true")
        assert (answer.status, "only system:masters" in answer.json()["message"]) == (403, True)
        assert client.ask("DELETE", f"{spaces}/bad?{IGNORE}=true", who="masters").status == 200
        assert client.ask("POST", spaces, body).status == 201
        assert client.ask("GET", spaces).status == 200
    server.stop()
    assert problems_of(root) == []


def test_a_file_that_is_cut_off_under_a_server_ends_it_loudly(tmp_path: Path, start: Start) -> None:
    """Nobody can read what is gone: the process ends by a signal, and says where it was."""
    root = tmp_path / "root"
    server = start(root)
    os.truncate(root / "store" / "data.mdb", 8192)
    with Client(access(server.kubeconfig)) as client, contextlib.suppress(OSError):
        client.ask("GET", PLACE)
    assert server.wait() == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in server.log.read_text()
    code, error = refused(root)
    assert code == 1
    assert "data.mdb is damaged: it was cut off" in error


def test_a_disk_that_returns_errors_ends_the_server_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits hears of it, health says why, and the process ends; the next one goes on."""
    root = tmp_path / "root"
    monkeypatch.setenv("LD_PRELOAD", str(build(tmp_path)))
    monkeypatch.setenv("FAULTS", f"{FAIL} {KINDS['sync']} 40")
    monkeypatch.setenv("FAULTS_FOLDER", str(root / "store"))
    server = ServerProcess(root)
    with Client(access(server.kubeconfig)) as client:
        made = 0
        while (
            answer := client.ask("POST", PLACE, {"metadata": {"name": f"a{made}"}})
        ).status == 201:
            made += 1
        assert answer.status == 500
        assert "the store has stopped writing: OSError: [Errno 5]" in answer.json()["message"]
        for path in ("/readyz", "/livez", "/healthz"):
            said = client.ask("GET", path)
            assert said.status == 500
            assert b"[-]etcd failed: the store has stopped writing: " in said.raw
        assert client.ask("GET", f"{PLACE}/a0").status == 200, "reads go on for a moment"
    assert server.wait() == 1
    assert "kcpfast: the store has stopped writing: " in server.log.read_text()
    server.kill()
    monkeypatch.delenv("LD_PRELOAD")
    server = ServerProcess(root, log=tmp_path / "second.log")
    with Client(access(server.kubeconfig)) as client:
        names = {item["metadata"]["name"] for item in client.get(PLACE)["items"]}
        assert {f"a{at}" for at in range(made)} <= names
    server.stop()


def spoil_page(root: Path) -> None:
    """Let the first entry of each page with the text begin outside of the page."""
    file = root / "store" / "data.mdb"
    data = bytearray(file.read_bytes())
    for page in range(0, len(data), 4096):
        if b"the text of good" in data[page : page + 4096]:
            data[page + 16 : page + 18] = b"\xff\xff"
    file.write_bytes(data)


def no_page(root: Path) -> None:
    """Let the pages with the text be all zeroes, as those that a disk has lost."""
    file = root / "store" / "data.mdb"
    data = bytearray(file.read_bytes())
    for page in range(0, len(data), 4096):
        if b"the text of good" in data[page : page + 4096]:
            data[page : page + 4096] = bytes(4096)
    file.write_bytes(data)


@pytest.mark.parametrize("spoil", [spoil_page, no_page])
def test_who_was_ended_by_a_damaged_page_is_followed_by_nobody(
    spoil: Callable[[Path], None], tmp_path: Path, start: Start
) -> None:
    """After a clean stop nothing is looked through; after an end all pages are."""
    root = tmp_path / "root"
    server = start(root)
    with Client(access(server.kubeconfig)) as client:
        for at in range(9):
            body = {"metadata": {"name": f"good{at}"}, "data": {"x": "the text of good"}}
            assert client.ask("POST", PLACE, body).status == 201
    server.kill()
    server = start(root)
    server.kill()
    spoil(root)
    code, error = refused(root)
    assert (code, error.count("\n")) == (1, 1)
    assert "data.mdb is damaged: " in error
    assert refused(root) == (code, error), "again"
