"""What is answered below /openapi: paths, forms, and the headers that clients cache by."""

import gzip
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from kcpfast._core.routing import route
from kcpfast.api.openapi import OpenApi
from kcpfast.api.steps.stages import Located, Received, Routed, parse_parameters
from kcpfast.meta.user import Attributes
from kcpfast.registry.catalog import Served
from kcpfast.registry.reader import Reader
from kcpfast.resources.builtin import BUILTIN
from kcpfast.store.memory import MemoryStore
from kcpfast.transport.messages import Request, Response
from tests.api.openapi_kinds import lamp

PROTO = "application/com.github.proto-openapi.spec.{}.v1.0+protobuf"
GROUP = "/openapi/v3/apis/light.example.com/v1"


class FakeView:
    """Serves these resources everywhere."""

    def __init__(self, resources: Iterable[Any]) -> None:
        self.all = [Served(each) for each in resources]

    def resources(self, _cluster: str) -> Iterable[Served]:
        return self.all

    def fingerprint(self, _cluster: str) -> bytes:
        return b"same"


class Client:
    """Asks one server."""

    def __init__(self, resources: Iterable[Any]) -> None:
        self.openapi = OpenApi(Reader(MemoryStore()))
        self.view: Any = FakeView(resources)

    def ask(self, path: str, query: str = "", **headers: str) -> tuple[Response, Located]:
        sent = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
        located = self.located(path, query, sent)
        answer = self.openapi.answer(located)
        assert answer is not None
        return answer, located

    def located(self, path: str, query: str, headers: dict[bytes, bytes]) -> Located:
        request = Request("GET", path, query, headers)
        received = Received(request, route(path), parse_parameters(query), [])
        return Located(Routed(received, Attributes("get", path=path)), self.view, "")

    def paths(self, prefix: str) -> dict[str, str]:
        answer, _ = self.ask(prefix + "/openapi/v3")
        found = msgspec.json.decode(answer.body)["paths"]
        return {name: each["serverRelativeURL"] for name, each in found.items()}


@pytest.fixture
def client() -> Client:
    return Client([*BUILTIN, lamp()])


def header(answer: Response, name: bytes) -> list[bytes]:
    return [value for key, value in answer.headers if key == name]


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/clusters/root",
        "/clusters/root:org:team",
        "/clusters/root%3Aorg",
        "/services/apiexport/root/x/clusters/*",
    ],
)
def test_urls_keep_the_prefix_of_the_request(client: Client, prefix: str) -> None:
    for name, url in client.paths(prefix).items():
        assert url.startswith(f"{prefix}/openapi/v3/{name}?hash=")
        path, _, query = url.partition("?")
        assert client.ask(path, query)[0].status == 200


def test_a_workspace_lists_its_groups_and_versions(client: Client) -> None:
    names = list(client.paths("/clusters/root"))
    assert names == sorted(names)
    assert {"api", "api/v1", "apis", "openid/v1/jwks", "version"} <= set(names)
    assert {"apis/events.k8s.io", "apis/events.k8s.io/v1"} <= set(names)
    assert [name for name in names if "light" in name] == ["apis/light.example.com/v1"]
    assert not any("apiextensions" in name for name in names)


def test_a_view_lists_what_it_serves_and_the_core_group() -> None:
    names = Client([lamp()]).paths("/services/apiexport/a/b/clusters/*")
    group = "apis/light.example.com"
    assert list(names) == ["api", "api/v1", "apis", group, group + "/v1", "version"]


def test_a_url_with_its_hash_may_be_kept_for_ever(client: Client) -> None:
    digest = client.paths("")["apis/light.example.com/v1"].partition("hash=")[2]
    answer, call = client.ask(GROUP, "hash=" + digest)
    assert header(answer, b"Etag") == [b'"%b"' % digest.encode()]
    assert header(answer, b"Vary") == [b"Accept"]
    assert dict(call.headers)[b"Cache-Control"] == b"public, immutable"
    assert b"Expires" in dict(call.headers)
    _, call = client.ask(GROUP)
    assert not call.headers


def test_a_stale_hash_is_sent_to_the_current_one(client: Client) -> None:
    digest = client.paths("")["apis/light.example.com/v1"].partition("hash=")[2]
    answer, _ = client.ask("/clusters/root" + GROUP, "hash=00")
    assert (answer.status, answer.body) == (301, b"")
    assert header(answer, b"Location") == [f"{GROUP}?hash={digest}".encode()]


@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3", GROUP])
@pytest.mark.parametrize("form", ["{}", 'W/{}, "other"', '"other", {}', "*"])
def test_what_the_client_has_is_not_sent_again(client: Client, path: str, form: str) -> None:
    etag = header(client.ask(path)[0], b"Etag")[0].decode()
    answer, _ = client.ask(path, if_none_match=form.format(etag))
    assert (answer.status, answer.body, answer.content_type) == (304, b"", b"")
    assert client.ask(path, if_none_match='"other"')[0].status == 200


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json;q=0.5, text/html", "application/json"),
        (PROTO, PROTO),
        (PROTO.replace(".v1.0+", "@v1.0+"), PROTO),
        (PROTO + ";q=0.1, application/json", "application/json"),
        ("text/html", ""),
        ("application/yaml", ""),
    ],
)
def test_forms_are_chosen_by_accept(client: Client, version: str, accept: str, media: str) -> None:
    path = {"v2": "/openapi/v2", "v3": "/openapi/v3/version"}[version]
    answer, _ = client.ask(path, accept=accept.format(version))
    assert answer.content_type == media.format(version).encode()
    assert answer.status == (200 if media else 406)
    assert b"Accept" in header(answer, b"Vary")


def test_v2_is_compressed_for_those_who_want_it(client: Client) -> None:
    plain, _ = client.ask("/openapi/v2")
    zipped, _ = client.ask("/openapi/v2", accept_encoding="gzip, br")
    assert header(zipped, b"Content-Encoding") == [b"gzip"]
    assert header(zipped, b"Vary") == header(plain, b"Vary") == [b"Accept-Encoding", b"Accept"]
    assert gzip.decompress(zipped.body) == plain.body


def test_an_unknown_document_is_empty(client: Client) -> None:
    answer, _ = client.ask("/openapi/v3/apis/nosuch.example.com/v1")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v1", "/api/v1", "/openapi/v3x"])
def test_other_paths_are_not_answered(client: Client, path: str) -> None:
    assert client.openapi.answer(client.located(path, "", {})) is None


def test_answers_are_ready_bytes_the_second_time(client: Client) -> None:
    for path in ("/openapi/v2", GROUP):
        assert client.ask(path)[0].body is client.ask(path)[0].body


def test_nothing_is_imported_before_the_first_request() -> None:
    code = "import sys, kcpfast.api.serve; print('kcpfast.api.openapi.documents' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout == b"False\n"
