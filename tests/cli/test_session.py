"""Requests: what is sent, what is tried again, and how trouble is told."""

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.http1 import (
    ClientConnection,
    Closed,
    MalformedAnswer,
    ServerUrl,
    segment,
    split_url,
)
from kcpfast.cli.client.session import Session, proxy_of
from kcpfast.cli.failure import Failure, RequestRefused
from tests.fix_cli import KUBECONFIG, Cli, Fake, status, target


@pytest.fixture
def session(config: Path) -> Iterator[Session]:
    with connect(target()) as opened:
        yield opened


def test_one_connection_for_all_requests(fake: Fake, session: Session) -> None:
    fake.answers = {"GET /a?b=c": {"x": 1}, "POST /a": (201, {"y": 2})}
    assert session.get("/a?b=c") == {"x": 1}
    connection = session._connection
    assert session.request("POST", "/a", {"z": "é"}) == {"y": 2}
    assert session._connection is connection
    assert fake.bodies("POST /a") == [{"z": "é"}]
    assert fake.seen[0].headers["Authorization"] == "Bearer secret"
    assert fake.seen[0].headers["Host"] == fake.url.removeprefix("http://")


def test_a_path_in_the_server_s_url_is_kept(fake: Fake, config: Path) -> None:
    fake.answers = {"GET /proxy/a": {"x": 1}}
    with connect(target("-s", f"{fake.url}/proxy/clusters/root")) as session:
        assert session.get("/a") == {"x": 1}


def test_what_is_put_off_is_tried_again(
    fake: Fake, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    fake.headers = {"Retry-After": "3"}
    fake.answers = {"GET /a": [(429, {}), (503, {}), {"x": 1}]}
    assert session.get("/a") == {"x": 1}
    assert pauses == [3, 3]


def test_a_closed_connection_is_opened_again(fake: Fake, session: Session) -> None:
    fake.answers = {"GET /a": {"x": 1}}
    session.get("/a")
    assert session._connection is not None
    session._connection._socket.shutdown(socket.SHUT_RDWR)
    assert session.get("/a") == {"x": 1}


@pytest.mark.parametrize(
    ("answer", "text", "reason"),
    [
        ((404, status(404, "NotFound", "no such thing")), "no such thing", "NotFound"),
        ((403, status(403, "Forbidden", "not you")), "not you", "Forbidden"),
        ((500, b"<html>oops"), "the server answered with status 500: <html>oops", ""),
        ((302, b""), "the server answered with status 302", ""),
        ((200, b"no json"), "the server answered with status 200: no json", ""),
    ],
)
def test_a_refusal_carries_what_was_said(
    answer: object, text: str, reason: str, fake: Fake, session: Session
) -> None:
    fake.answers = {"GET /a": answer}
    with pytest.raises(RequestRefused) as caught:
        session.get("/a")
    assert (str(caught.value), caught.value.reason) == (text, reason)


def test_unauthorized_names_user_and_file(fake: Fake, session: Session, config: Path) -> None:
    fake.answers = {"GET /a": (401, status(401, "Unauthorized", "Unauthorized"))}
    with pytest.raises(RequestRefused) as caught:
        session.get("/a")
    assert str(caught.value) == "You must be logged in to the server (Unauthorized)"
    assert f'user "admin", from context "main" of {config}' in caught.value.hint


def test_verbosity_prints_requests(fake: Fake, config: Path, cli: Cli) -> None:
    result = cli("ws", "tree", "-v", "6")
    assert f"GET {fake.url}/clusters/root/apis/tenancy.kcp.io/v1alpha1/" in result.err


# ------------------------------------------------------------------------------- trouble


def trouble(*flags: str) -> Failure:
    with connect(target(*flags)) as session, pytest.raises(Failure) as caught:
        session.get("/a")
    return caught.value


def test_a_server_that_is_not_there_is_explained(config: Path) -> None:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config.write_text(KUBECONFIG.format(url=f"https://127.0.0.1:{port}"))
    failure = trouble()
    assert str(failure) == f"cannot connect to https://127.0.0.1:{port}: connection refused"
    assert failure.hint == (f'Is it running? The address comes from context "main" of {config}.')


def test_an_unknown_host_is_explained(config: Path) -> None:
    config.write_text(KUBECONFIG.format(url="https://no-such-host.invalid"))
    assert str(trouble()).startswith("cannot connect to https://no-such-host.invalid: ")


def test_a_slow_server_is_not_waited_for_for_ever(config: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        failure = trouble("-s", url, "--request-timeout", "50ms")
    assert str(failure) == f"no answer from {url} within 0.05 seconds"


def test_tls_to_a_server_without_it_is_explained(fake: Fake, config: Path) -> None:
    failure = trouble("-s", fake.url.replace("http", "https"))
    assert "TLS: " in str(failure)


@pytest.mark.parametrize("url", ["ftp://h", "https://", "https://h:port", "https://u@h"])
def test_what_is_no_url_is_refused(url: str, config: Path) -> None:
    with pytest.raises(Failure, match="is not the URL of a server"):
        connect(target("-s", url))


# ------------------------------------------------------------------------------- TLS


@pytest.fixture
def trusting(secure: Fake, config: Path, authority: trustme.CA, tmp_path: Path) -> Fake:
    """A server with TLS and a kubeconfig that trusts it; files to choose from lie beside it."""
    config.write_text(KUBECONFIG.format(url=secure.url))
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.crt")
    secure.answers = {"GET /a": {"x": 1}}
    return secure


@pytest.mark.parametrize(
    "flags",
    [
        "--certificate-authority ca.crt",
        "--insecure-skip-tls-verify",
        "--certificate-authority ca.crt --tls-server-name api.example",
    ],
)
def test_a_certificate_is_accepted(
    flags: str, trusting: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with connect(target(*flags.split())) as session:
        assert session.get("/a") == {"x": 1}


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("", "is not trusted: "),
        ("--certificate-authority other.crt", "is not trusted: "),
        ("--certificate-authority ca.crt --tls-server-name other", "is not trusted: Hostname"),
        ("--certificate-authority config", "certificate-authority is not usable"),
        ("--certificate-authority none", "unable to read certificate-authority none"),
    ],
)
def test_a_certificate_is_refused(
    flags: str, text: str, trusting: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert text in str(trouble(*flags.split()))


@pytest.mark.parametrize("member", ["certificate-authority: ca.crt", "data"])
def test_the_authority_stands_in_the_kubeconfig(
    member: str, trusting: Fake, config: Path, authority: trustme.CA
) -> None:
    if member == "data":
        data = b64encode(authority.cert_pem.bytes()).decode()
        member = f"certificate-authority-data: {data}"
    config.write_text(config.read_text().replace("    server:", f"    {member}\n    server:"))
    with connect(target()) as session:
        assert session.get("/a") == {"x": 1}


def test_a_client_certificate_is_shown(
    trusting: Fake, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = authority.issue_cert("me@example.com")
    mine.cert_chain_pems[0].write_to_path("me.crt")
    mine.private_key_pem.write_to_path("me.key")
    certificate = "--client-certificate me.crt --client-key"
    flags = f"--certificate-authority ca.crt {certificate}".split()
    with connect(target(*flags, "me.key")) as session:
        assert session.get("/a") == {"x": 1}
        assert session._connection is not None
        sock = session._connection._socket
        assert isinstance(sock, ssl.SSLSocket)
    assert "client certificate is not usable" in str(trouble(*flags, "ca.crt"))


# ------------------------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("flags", "environment", "url", "found"),
    [
        ("", {}, "https://h", None),
        ("--proxy-url http://p:3128", {}, "https://h", ("p", 3128)),
        ("--proxy-url p:3128", {}, "https://127.0.0.1", ("p", 3128)),
        ("", {"HTTPS_PROXY": "http://p:1"}, "https://h", ("p", 1)),
        ("", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "h"}, "https://h", None),
        ("", {"HTTPS_PROXY": "http://p:1"}, "https://127.0.0.1:6443", None),
        ("", {"HTTPS_PROXY": "http://p:1"}, "http://h", None),
    ],
)
def test_proxy_is_found(
    flags: str,
    environment: dict[str, str],
    url: str,
    found: tuple[str, int] | None,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = proxy_of(target(*flags.split()), split_url(url))
    assert (proxy and (proxy.hostname, proxy.port)) == found


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p:1"])
def test_other_proxies_are_refused_by_name(url: str, config: Path) -> None:
    with pytest.raises(Failure, match=f"proxy {url}: only HTTP proxies are supported"):
        proxy_of(target("--proxy-url", url), split_url("https://h"))


def test_a_tunnel_is_asked_for(fake: Fake, config: Path) -> None:
    failure = trouble("--proxy-url", fake.url, "-s", "https://far.example/clusters/root")
    expected = f"the proxy {fake.url.removeprefix('http://')} does not connect to "
    assert str(failure) == f"{expected}https://far.example: status 501"


# ------------------------------------------------------------------------------- HTTP


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://h", ("https", "h", 443, "")),
        ("http://h:81/a/b/", ("http", "h", 81, "/a/b")),
        ("https://[::1]", ("https", "::1", 443, "")),
        ("https://[::1]:6443/", ("https", "::1", 6443, "")),
    ],
)
def test_url_is_split(text: str, parts: tuple[str, str, int, str]) -> None:
    assert split_url(text) == ServerUrl(*parts)
    assert split_url(str(split_url(text))) == ServerUrl(*parts)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("a-B_0.~:x", "a-B_0.~:x"), ("a b/?#%", "a%20b%2F%3F%23%25"), ("é", "%C3%A9")],
)
def test_segment_of_a_path(text: str, escaped: str) -> None:
    assert segment(text) == escaped


def exchange(answer: bytes, method: str = "GET") -> tuple[int, bytes, bool]:
    here, there = socket.socketpair()
    with closing(there), closing(ClientConnection(here)) as connection:
        there.sendall(answer)
        there.shutdown(socket.SHUT_WR)
        found = connection.exchange(method, "/", [], None)
        return found.status, found.body, connection.usable


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\nok", (200, b"ok", True)),
        (HEAD + b"content-length:2\r\nConnection: close\r\n\r\nok", (200, b"ok", False)),
        (HEAD + b"\r\nuntil the end", (200, b"until the end", False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, b"ok", False)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204\r\n\r\n", (204, b"", True)),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n",
            (200, b"ok!", True),
        ),
    ],
)
def test_answer_is_read(answer: bytes, expected: tuple[int, bytes, bool]) -> None:
    assert exchange(answer) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", Closed),
        (HEAD, Closed),
        (HEAD + b"Content-Length: 9\r\n\r\nok", Closed),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok", Closed),
        (HEAD + b"Content-Length: x\r\n\r\n", MalformedAnswer),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", MalformedAnswer),
        (b"SSH-2.0-OpenSSH\r\n", MalformedAnswer),
        (b"HTTP/1.1 200", MalformedAnswer),
        (b"HTTP/1.1 20x OK\r\n\r\n", MalformedAnswer),
    ],
)
def test_what_is_no_answer_is_told(answer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        exchange(answer)
