"""Log lines: what each verbosity says, and that nobody can forge one."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from kcpfast.telemetry.log import NAMED_VALUES, JsonLines, Lines, Verbatim, escaped, quoted
from tests.fix_server import Start
from tests.harness.https import Client, Request, access

FORGED = "x\nE1130 14:52:45.123456  4711 kcpfast.api] forged"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ä and 漢", "plain text, ä and 漢"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x00\x7f\x85", "\\x00\\x7f\\x85"),
        ("line\u2028separator", "line\\u2028separator"),
        ("\u202eright to left", "\\u202eright to left"),
        ("half \ud800 of a character", "half \\ud800 of a character"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown
    assert quoted(text) == f'"{shown}"'


def test_quotes_cannot_be_ended() -> None:
    assert quoted('" resp=200 \\" x="') == r'"\" resp=200 \\\" x=\""'


def record(text: str, error: Exception | None = None) -> logging.LogRecord:
    caught = None if error is None else (type(error), error, None)
    return logging.LogRecord("kcpfast.api", logging.ERROR, "", 0, "%s", (text,), caught)


def test_a_record_is_one_line() -> None:
    line = Lines().format(record(FORGED))
    assert line.endswith(r"kcpfast.api] x\nE1130 14:52:45.123456  4711 kcpfast.api] forged")
    assert len(line.splitlines()) == 1


def test_no_line_of_a_traceback_looks_like_a_record() -> None:
    first, *rest = Lines().format(record("text", ValueError(FORGED))).split("\n")
    assert first.startswith("E")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_a_long_text_is_cut() -> None:
    assert len(Lines().format(record("x" * 100_000))) < 10_000


def test_json_has_the_keys_of_kube() -> None:
    line = JsonLines().format(record(FORGED, ValueError(FORGED)))
    assert len(line.splitlines()) == 1
    entry = json.loads(line)
    assert entry["msg"] == FORGED
    assert (entry["err"], entry["logger"]) == (FORGED, "kcpfast.api")
    assert "ValueError" in entry["stacktrace"]
    assert "v" not in entry  # errors have none


@pytest.mark.parametrize(("level", "verbosity"), [(logging.INFO, 2), (logging.DEBUG, 4)])
def test_named_values_stand_in_both_forms(level: int, verbosity: int) -> None:
    said = logging.LogRecord("kcpfast.api", level, "/src/api/serve.py", 7, "HTTP", (), None)
    fields = {"verb": "get", "latency": Verbatim("1.5ms"), "URI": '/a"\n', "resp": 200}
    said.__dict__[NAMED_VALUES] = fields
    assert Lines().format(said).endswith(r'] HTTP verb="get" latency=1.5ms URI="/a\"\n" resp=200')
    entry = json.loads(JsonLines().format(said))
    assert entry["ts"] == pytest.approx(said.created * 1000, abs=1)
    del entry["ts"]
    assert entry == {
        "caller": "api/serve.py:7", "logger": "kcpfast.api", "msg": "HTTP",
        "v": verbosity, **fields,
    }  # fmt: skip


NAMES = "/clusters/root/api/v1/namespaces/default/configmaps/missing?a=%0Ab"
LEVELS = [
    # --v, are requests logged?, is what controllers do?
    (0, False, False),
    (1, False, False),
    (2, True, False),
    (4, True, True),
]


@pytest.mark.parametrize(("verbosity", "requests", "controllers"), LEVELS)
def test_verbosity(
    verbosity: int, requests: bool, controllers: bool, start: Start, tmp_path: Path
) -> None:
    process = start(tmp_path / "root", "--v", str(verbosity))
    with Client(access(process.kubeconfig)) as client:
        agent = {"User-Agent": 'me" resp=200'}
        assert client.send(Request("GET", NAMES, agent)).status == 404
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
        path = "/clusters/root/api/v1/namespaces"
        assert client.ask("POST", path, space).status == 201
        assert client.ask("DELETE", f"{path}/n").status == 200
    process.stop()
    lines = process.log.read_text().splitlines()
    found = [line for line in lines if "configmaps/missing" in line]
    assert len(found) == requests
    assert (
        any("namespace-content" in line or " namespace " in line for line in lines) is controllers
    )
    if requests:
        line = found[0]
        assert line.startswith("I")
        assert 'verb="get" method="GET"' in line
        assert f'URI="{NAMES}"' in line
        assert 'user="kcp-admin"' in line
        assert r'userAgent="me\" resp=200"' in line
        assert line.endswith("resp=404")


def test_json_is_asked_for_by_a_flag(start: Start, tmp_path: Path) -> None:
    process = start(tmp_path / "root", "--v", "2", "--logging-format", "json")
    with Client(access(process.kubeconfig)) as client:
        assert client.send(Request("GET", NAMES, {})).status == 404
    process.stop()
    entries = [json.loads(line) for line in process.log.read_text().splitlines()]
    (entry,) = [entry for entry in entries if entry.get("URI") == NAMES]
    assert (entry["verb"], entry["resp"], entry["user"], entry["v"]) == ("get", 404, "kcp-admin", 2)
