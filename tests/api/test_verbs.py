"""Requests to objects, answered by a whole server without sockets: what vectors do not show."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.api.steps.routing import VERB_HANDLERS
from kcpfast.resources.protobuf import decode, encode
from kcpfast.transport.messages import Request, Response, Stream
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

PROTOBUF = "application/vnd.kubernetes.protobuf"
Headers = dict[bytes, bytes]


async def ask(
    inside: Inside, method: str, path: str, body: bytes = b"", **headers: str
) -> Response | Stream:
    """Send bytes as they are; `accept_encoding` and its like are headers."""
    path, _, query = path.partition("?")
    sent = {key.replace("_", "-").encode(): value.encode() for key, value in headers.items()}
    sent[b"authorization"] = b"Bearer master"
    request = Request(method, inside.at + path, query, sent, body)
    return await inside.running.server.serve(request)


async def answer(
    inside: Inside, method: str, path: str, body: bytes = b"", **headers: str
) -> Response:
    got = await ask(inside, method, path, body, **headers)
    assert isinstance(got, Response)
    return got


def warnings(got: Response) -> list[str]:
    return [value.decode() for name, value in got.headers if name == b"Warning"]


VALIDATION = [
    # fieldValidation, body, status, what is warned of or said
    ("Strict", '{"metadata":{"name":"x"},"extra":1}', 400, ['unknown field "extra"']),
    ("Strict", '{"metadata":{"name":"x","name":"y"}}', 400, ['duplicate field "metadata.name"']),
    ("Strict", '{"metadata":{"name":"x"},"a":1,"data":{"k":"","k":""}}', 400, [
        'duplicate field "data.k"', 'unknown field "a"']),
    ("Warn", '{"metadata":{"name":"x","name":"y"},"extra":1}', 201, [
        'duplicate field "metadata.name"', 'unknown field "extra"']),
    ("", '{"metadata":{"name":"x"},"extra":1}', 201, ['unknown field "extra"']),
    ("Ignore", '{"metadata":{"name":"x","name":"y"},"extra":1}', 201, []),
    ("Loose", '{"metadata":{"name":"x"}}', 422, []),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "body", "status", "said"), VALIDATION)
async def test_fields_nobody_knows(
    inside: Inside, mode: str, body: str, status: int, said: list[str]
) -> None:
    got = await answer(inside, "POST", f"{CONFIG_MAPS}?fieldValidation={mode}", body.encode())
    assert got.status == status
    text = got.body.decode().replace('\\"', '"') if status == 400 else "".join(warnings(got))
    assert all(each in text.replace('\\"', '"') for each in said)
    assert bool(warnings(got)) is (status == 201 and bool(said))


async def test_protobuf_goes_in_and_comes_out(inside: Inside) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", **config_map("a"), "data": {"k": "v"}}
    both = {"content_type": PROTOBUF, "accept": f"{PROTOBUF},application/json"}
    got = await answer(inside, "POST", CONFIG_MAPS, encode(obj), **both)
    assert (got.status, got.content_type) == (201, PROTOBUF.encode())
    assert decode(got.body)["data"] == {"k": "v"}
    gone = await answer(inside, "GET", f"{CONFIG_MAPS}/b", accept=PROTOBUF)
    assert (gone.status, gone.content_type) == (404, PROTOBUF.encode())
    assert decode(gone.body)["reason"] == "NotFound"
    options = encode({"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]})
    assert (await answer(inside, "DELETE", f"{CONFIG_MAPS}/a", options, **both)).status == 200
    assert await inside.get(f"{CONFIG_MAPS}/a") is not None


async def test_pages_show_one_moment(inside: Inside) -> None:
    for name in "abcde":
        await inside.create(CONFIG_MAPS, config_map(name))
    first = (await inside.send("GET", f"{CONFIG_MAPS}?limit=2")).body
    await inside.send("DELETE", f"{CONFIG_MAPS}/c")
    await inside.create(CONFIG_MAPS, config_map("bb"))
    names, token, left = [], first["metadata"]["continue"], []
    while token:
        page = (await inside.send("GET", f"{CONFIG_MAPS}?limit=2&continue={token}")).body
        names += [each["metadata"]["name"] for each in page["items"]]
        left.append(page["metadata"].get("remainingItemCount"))
        token = page["metadata"].get("continue")
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert [each["metadata"]["name"] for each in first["items"]] + names == [
        "a", "b", "c", "d", "e", "kube-root-ca.crt"]  # fmt: skip
    assert (first["metadata"]["remainingItemCount"], left) == (4, [2, None])


async def test_page_of_a_moment_forgotten_says_how_to_go_on(inside: Inside) -> None:
    for name in "abc":
        await inside.create(CONFIG_MAPS, config_map(name))
    token = (await inside.send("GET", f"{CONFIG_MAPS}?limit=1")).body["metadata"]["continue"]
    await inside.create(CONFIG_MAPS, config_map("aa"))
    await inside.store.compact(inside.store.revision())
    gone = await inside.send("GET", f"{CONFIG_MAPS}?continue={token}")
    assert (gone.status, gone.body["reason"]) == (410, "Expired")
    token = gone.body["metadata"]["continue"]
    rest = await inside.send("GET", f"{CONFIG_MAPS}?continue={token}")
    assert [each["metadata"]["name"] for each in rest.body["items"]][:3] == ["aa", "b", "c"]


TOKENS = ["", "x", "e30", "bnVsbA", "eyJ2IjoidjIiLCJydiI6MSwic3RhcnQiOiJhIn0"]


@pytest.mark.parametrize("token", TOKENS[1:])
async def test_token_of_nobody_is_refused(inside: Inside, token: str) -> None:
    assert (await inside.send("GET", f"{CONFIG_MAPS}?continue={token}")).status == 400


UNCHANGED: list[tuple[str, Any, bool]] = [
    # what is sent, is it a change?
    ("PATCH", {}, False),
    ("PATCH", {"data": None}, False),
    ("PATCH", {"metadata": {"labels": {"a": "b"}}}, True),
    ("PUT", {}, False),
    ("PUT", {"metadata": {"name": "a"}}, True),  # it does not say which cluster it is of
]


@pytest.mark.parametrize(("method", "change", "changes"), UNCHANGED)
async def test_what_changes_nothing_takes_no_revision(
    inside: Inside, method: str, change: Any, changes: bool
) -> None:
    made = await inside.create(CONFIG_MAPS, config_map("a"))
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = made | change if method == "PUT" else change
    got = await inside.send(method, f"{CONFIG_MAPS}/a", body, media=media)
    same = got.body["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (got.status, same) == (200, not changes)


async def test_dry_run_leaves_no_trace(inside: Inside) -> None:
    before = inside.store.revision()
    path = f"{CONFIG_MAPS}?dryRun=All"
    made = await inside.create(path, config_map("a"))
    assert not made["metadata"].keys() & {"annotations", "resourceVersion"}
    assert inside.store.revision() == before
    await inside.create(CONFIG_MAPS, config_map("a"))
    assert (await inside.send("POST", path, config_map("a"))).status == 409


async def test_large_answer_is_compressed_for_who_takes_it(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("a") | {"data": {"k": "x" * 200_000}})
    plain = await answer(inside, "GET", f"{CONFIG_MAPS}/a")
    for accepted, zipped in (("gzip, br", True), ("br", False), ("gzip;q=0", False)):
        got = await answer(inside, "GET", f"{CONFIG_MAPS}/a", accept_encoding=accepted)
        assert ((b"Content-Encoding", b"gzip") in got.headers) is zipped
        assert (gzip.decompress(got.body) if zipped else got.body) == plain.body
    small = await answer(inside, "GET", "/api", accept_encoding="gzip")
    assert small.body.startswith(b"{")


async def test_yaml_goes_in_and_comes_out(inside: Inside) -> None:
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  k: 'on'\n"
    both = {"content_type": "application/yaml", "accept": "application/yaml"}
    got = await answer(inside, "POST", CONFIG_MAPS, text, **both)
    assert (got.status, got.content_type) == (201, b"application/yaml")
    assert b"\ndata:\n  k: 'on'\n" in got.body


async def test_events_have_two_faces(inside: Inside) -> None:
    old, new = ("/api/v1", "/apis/events.k8s.io/v1")
    place = "/namespaces/default/events"
    made = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "reportingController": "example.com/c",
        "reportingInstance": "c-1",
        "action": "Tested",
        "reason": "Why",
        "type": "Normal",
        "note": "text",
        "regarding": {"kind": "ConfigMap", "name": "a", "namespace": "default"},
    }
    await inside.create(new + place, made)
    seen = await inside.get(f"{old}{place}/e")
    assert seen is not None
    assert seen["apiVersion"] == "v1"
    assert (seen["message"], seen["involvedObject"]["name"]) == ("text", "a")
    assert seen["source"] == {}
    listed = (await inside.send("GET", new + place)).body["items"]
    assert [(each["note"], each.get("kind")) for each in listed] == [("text", None)]
    found = await inside.send("GET", f"{new}{place}?fieldSelector=regarding.name=a")
    assert len(found.body["items"]) == 1
    fixed = await inside.send("PUT", f"{new}{place}/e", {**made, "note": "other"})
    assert [each["field"] for each in fixed.body["details"]["causes"]] == ["message"]


# ------------------------------------------------------------------------- watches


class Lines:
    """A sink that keeps the events."""

    def __init__(self) -> None:
        self.text, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.text += data

    def pending(self) -> int:
        return 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    async def drained(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    def cut(self) -> None:
        self.closed = True

    def events(self) -> list[tuple[str, Any]]:
        found = [json.loads(line) for line in self.text.splitlines()]
        return [(each["type"], each["object"]) for each in found]


@pytest.fixture
def lines() -> Lines:
    return Lines()


async def watch(inside: Inside, lines: Lines, query: str, **headers: str) -> Callable[[], None]:
    got = await ask(inside, "GET", f"{CONFIG_MAPS}?watch=1&{query}", b"", **headers)
    assert isinstance(got, Stream), got
    return got.start(lines)


END = {"k8s.io/initial-events-end": "true"}
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
BEGINNINGS = [
    # query, does it begin with what there is, is there a bookmark at its end
    ("", True, False),
    ("resourceVersion=0", True, False),
    ("allowWatchBookmarks=true", True, True),
    ("resourceVersion=0&allowWatchBookmarks=true", True, True),
    (f"{INITIAL}&allowWatchBookmarks=true", True, True),
    (f"{INITIAL}&resourceVersion=1&allowWatchBookmarks=true", True, True),
    (INITIAL, True, False),
    (f"{INITIAL.replace('true', 'false')}&allowWatchBookmarks=true", False, False),
    ("resourceVersion={now}&allowWatchBookmarks=true", False, False),
]


@pytest.mark.parametrize(("query", "initial", "marked"), BEGINNINGS)
async def test_watch_begins_as_asked(
    inside: Inside, lines: Lines, query: str, initial: bool, marked: bool
) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    await watch(inside, lines, query.format(now=inside.store.revision()))
    found = lines.events()
    added = [obj["metadata"]["name"] for kind, obj in found if kind == "ADDED"]
    assert added == (["a", "kube-root-ca.crt"] if initial else [])
    marks = [obj for kind, obj in found if kind == "BOOKMARK"]
    assert [mark["metadata"]["annotations"] for mark in marks] == ([END] if marked else [])
    assert all((mark["kind"], mark["apiVersion"]) == ("ConfigMap", "v1") for mark in marks)
    await inside.create(CONFIG_MAPS, config_map("b"))
    await inside.settle()
    assert lines.events()[len(found) :][0][1]["metadata"]["name"] == "b"


async def test_columns_of_a_table_come_once(inside: Inside, lines: Lines) -> None:
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    await watch(inside, lines, f"resourceVersion={inside.store.revision()}", accept=table)
    for name in "ab":
        await inside.create(CONFIG_MAPS, config_map(name))
    await inside.settle()
    counts = [len(obj["columnDefinitions"]) for _, obj in lines.events()]
    assert counts == [3, 0]


async def test_watch_of_one_name(inside: Inside, lines: Lines) -> None:
    await watch(inside, lines, "fieldSelector=metadata.name=b")
    for name in ("a", "b", "bb"):
        await inside.create(CONFIG_MAPS, config_map(name))
    await inside.send("DELETE", f"{CONFIG_MAPS}/b")
    await inside.settle()
    assert [(kind, obj["metadata"]["name"]) for kind, obj in lines.events()] == [
        ("ADDED", "b"), ("DELETED", "b")]  # fmt: skip


async def test_watch_in_protobuf(inside: Inside, lines: Lines) -> None:
    await watch(inside, lines, "", accept=PROTOBUF)
    size = int.from_bytes(lines.text[:4], "big")
    assert len(lines.text) == size + 4
    assert b"ADDED" in lines.text
    assert b"k8s\0" in lines.text


# ------------------------------------------------------------------------- the request itself


TIMES = [
    ("10s", 200),
    ("1m0.5s", 200),
    ("0", 200),
    ("-1s", 200),
    ("1e9s", 400),
    ("soon", 400),
    ("5", 400),
    ("1ns", 504),
]


@pytest.mark.parametrize(("text", "status"), TIMES)
async def test_request_has_the_time_that_it_asks_for(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, text: str, status: int
) -> None:
    if status == 504:

        async def never(*_: Any) -> Any:
            await asyncio.Event().wait()

        monkeypatch.setitem(VERB_HANDLERS, "list", never)
    got = await inside.send("GET", f"{CONFIG_MAPS}?timeout={text}")
    assert got.status == status


PAGES = [
    ("/debug/pprof", b"text/html; charset=utf-8", b"/debug/pprof/heap"),
    ("/debug/pprof/goroutine", b"text/plain; charset=utf-8", b"thread MainThread:"),
    ("/debug/pprof/heap", b"text/plain; charset=utf-8", b" dict\n"),
    ("/metrics", b"text/plain; version=0.0.4; charset=utf-8; escaping=underscores", b"_bytes "),
]


@pytest.mark.parametrize(("path", "media", "text"), PAGES)
async def test_pages_about_the_server_are_for_masters_and_of_no_workspace(
    inside: Inside, path: str, media: bytes, text: bytes
) -> None:
    workspace, inside.at = inside.at, ""
    got = await answer(inside, "GET", path)
    assert (got.status, got.content_type) == (200, media)
    assert text in got.body
    assert (await inside.send("GET", path, user="nobody")).status == 403
    inside.at = workspace
    assert (await answer(inside, "GET", path)).status == 501


# ------------------------------------------------------------------------- custom kinds


def lamps(*fields: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in fields}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "lamps.e.com"},
        "spec": {
            "group": "e.com",
            "scope": "Cluster",
            "names": {"plural": "lamps", "kind": "Lamp"},
            "versions": [version],
        },
    }


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LAMP = {"apiVersion": "e.com/v1", "kind": "Lamp", "metadata": {"name": "a"}}


@pytest.mark.parametrize("change", ["nothing", "another schema", "the end"])
async def test_watch_ends_with_the_schema_that_it_shows(
    inside: Inside, lines: Lines, change: str
) -> None:
    await inside.create(CRDS, lamps("colour"))
    await inside.settle()
    await inside.create("/apis/e.com/v1/lamps", LAMP)
    got = await ask(inside, "GET", "/apis/e.com/v1/lamps?watch=1")
    assert isinstance(got, Stream)
    got.start(lines)
    if change == "the end":
        await inside.delete(f"{CRDS}/lamps.e.com")
    else:
        fields = ("colour", "size") if change == "another schema" else ("colour",)
        await inside.patch(f"{CRDS}/lamps.e.com", {"spec": lamps(*fields)["spec"]})
    await inside.settle()
    assert lines.closed is (change != "nothing")
    kinds = [kind for kind, _ in lines.events()]
    assert kinds == (["ADDED", "DELETED"] if change == "the end" else ["ADDED"])


DUPLICATE = b'{"metadata": {"labels": {"a": "1", "a": "1"}}}'
APPLIED = json.dumps(LAMP | {"metadata": {"name": "b"}}).encode()


@pytest.mark.parametrize(
    ("method", "path", "media", "body", "texts"),
    [
        ("POST", "", "application/json", json.dumps(LAMP).encode(), []),
        ("PATCH", "/a", "application/merge-patch+json", DUPLICATE, ["duplicate field"]),
        ("PATCH", "/b?fieldManager=me", "application/apply-patch+yaml", APPLIED, []),
    ],
)
async def test_a_write_keeps_the_warnings_from_before_it(
    inside: Inside, method: str, path: str, media: str, body: bytes, texts: list[str]
) -> None:
    crd = lamps("colour")
    crd["spec"]["versions"][0] |= {"deprecated": True, "deprecationWarning": "use e.com/v2"}
    await inside.create(CRDS, crd)
    await inside.settle()
    if path.startswith("/a"):
        await inside.create("/apis/e.com/v1/lamps", LAMP)
    path, _, query = path.partition("?")
    got = await ask(inside, method, f"/apis/e.com/v1/lamps{path}?{query}", body, content_type=media)
    assert isinstance(got, Response)
    assert got.status in (200, 201)
    shown = warnings(got)
    assert len(shown) == 1 + len(texts)
    assert all(text in line for text, line in zip(["use e.com/v2", *texts], shown, strict=True))
