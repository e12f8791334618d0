"""Who talks to which server: the kubeconfig under the flags, and the headers that come of it."""

import json
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from kcpfast.cli.client.credentials import identify
from kcpfast.cli.failure import Failure
from tests.fix_cli import Cli, target

CONFIG = """\
current-context: main
clusters:
- name: main
  cluster: {server: https://main/clusters/root:a}
- name: other
  cluster: {server: other.example/clusters/root}
contexts:
- name: main
  context: {cluster: main, user: admin}
- name: other
  context: {cluster: other, user: guest}
- name: broken
  context: {cluster: nowhere, user: nobody}
users:
- name: admin
  user: {token: secret}
- name: guest
  user: {username: guest, password: pass}
"""


@pytest.fixture(autouse=True)
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


@pytest.mark.parametrize(
    ("flags", "server", "user"),
    [
        ("", "https://main/clusters/root:a", "admin"),
        ("--context other", "https://other.example/clusters/root", "guest"),
        ("--cluster other", "https://other.example/clusters/root", "admin"),
        ("--user guest", "https://main/clusters/root:a", "guest"),
        ("--server http://x/clusters/root", "http://x/clusters/root", "admin"),
        ("--context broken -s https://x", "https://x", "nobody"),
        ("-w b", "https://main/clusters/root:a:b", "admin"),
        ("-w ..", "https://main/clusters/root", "admin"),
        ("-w :root:x", "https://main/clusters/root:x", "admin"),
        ("-w root:x", "https://main/clusters/root:x", "admin"),
        ("-w : --context other", "https://other.example/clusters/root", "guest"),
    ],
)
def test_flags_win_over_the_kubeconfig(flags: str, server: str, user: str) -> None:
    chosen = target(*flags.split())
    assert (chosen.server, chosen.user_name) == (server, user)


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("--context x", 'context "x" does not exist'),
        ("--cluster x", 'cluster "x" does not exist'),
        ("--user x", 'user "x" does not exist'),
        ("--context broken", 'context "broken" names no server'),
        ("-s https://x -w a", 'current URL "https://x" does not point to a workspace'),
    ],
)
def test_what_does_not_exist_is_named(flags: str, text: str) -> None:
    with pytest.raises(Failure) as caught:
        target(*flags.split())
    assert str(caught.value) == text


def test_no_kubeconfig_is_said_so(kubeconfig: Path, cli: Cli) -> None:
    kubeconfig.unlink()
    result = cli("ws", ".")
    assert result.code == 1
    assert result.err == (
        f"Error: no kubeconfig found; looked for {kubeconfig}\n"
        "Set KUBECONFIG or use --kubeconfig.\n"
    )
    assert cli("ws", ".", "-s", "https://h/clusters/root").out == "Current workspace is 'root'.\n"


def test_a_missing_current_context_is_named(kubeconfig: Path, cli: Cli) -> None:
    kubeconfig.write_text("current-context: gone\n")
    assert cli("ws", ".").err.startswith('Error: current "gone" context not found\n')


# ------------------------------------------------------------------------------- credentials

BASIC = "Basic " + b64encode(b"guest:pass").decode()


def user(kubeconfig: Path, content: str) -> None:
    """Let the current user be what the content says, in YAML's flow style."""
    kubeconfig.write_text(CONFIG.replace("{token: secret}", content))


@pytest.mark.parametrize(
    ("flags", "content", "headers"),
    [
        ("", "{token: secret}", ["Authorization: Bearer secret"]),
        ("", "{token: secret, tokenFile: token}", ["Authorization: Bearer from-file"]),
        ("--token flag", "{token: x, tokenFile: token}", ["Authorization: Bearer flag"]),
        ("", "{token: 12345}", ["Authorization: Bearer 12345"]),
        ("", "{username: guest, password: pass}", [f"Authorization: {BASIC}"]),
        ("--username guest --password pass", "{token: x}", [f"Authorization: {BASIC}"]),
        ("", "{}", []),
        ("--as eve", "{}", ["Impersonate-User: eve"]),
        (
            "--as eve --as-group a --as-group b,c --as-uid 7",
            "{}",
            [
                "Impersonate-User: eve",
                "Impersonate-Uid: 7",
                "Impersonate-Group: a",
                "Impersonate-Group: b,c",
            ],
        ),
        (
            "",
            "{as: eve, as-groups: [g], as-user-extra: {'a/b:c': [x, y]}}",
            [
                "Impersonate-User: eve",
                "Impersonate-Group: g",
                "Impersonate-Extra-a%2Fb%3Ac: x",
                "Impersonate-Extra-a%2Fb%3Ac: y",
            ],
        ),
    ],
)
def test_headers_of_a_user(
    flags: str, content: str, headers: list[str], kubeconfig: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from-file\n")
    user(kubeconfig, content)
    identity = identify(target(*flags.split()))
    assert [f"{name}: {value}" for name, value in identity.headers] == headers


@pytest.mark.parametrize(
    ("flags", "content", "text"),
    [
        ("--as-group g", "{}", "without impersonating a user"),
        ("", "{tokenFile: none}", "unable to read token file .*: No such file"),
        ("", "{client-certificate: none}", "unable to read client-certificate"),
        ("", "{client-key-data: '%%'}", "client-key-data in the kubeconfig is not base64"),
        ("", "{auth-provider: {name: gcp}}", "auth-provider, which is not supported"),
    ],
)
def test_unusable_credentials_are_named(
    flags: str, content: str, text: str, kubeconfig: Path
) -> None:
    user(kubeconfig, content)
    with pytest.raises(Failure, match=text):
        identify(target(*flags.split()))


def test_certificates_come_from_files_or_data(kubeconfig: Path, tmp_path: Path) -> None:
    (tmp_path / "crt").write_text("CERT")
    data = b64encode(b"KEY").decode()
    user(kubeconfig, f"{{client-certificate: crt, client-key-data: {data}}}")
    identity = identify(target())
    assert (identity.certificate, identity.key) == (b"CERT", b"KEY")


# ------------------------------------------------------------------------------- exec plugins

PLUGIN = """\
import json, os, sys
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({
    "apiVersion": info["apiVersion"], "kind": "ExecCredential",
    "status": {"token": " ".join([os.environ["WHO"], *sys.argv[1:], json.dumps(info["spec"])])},
}))
"""


def plugin(kubeconfig: Path, *script: str, **settings: object) -> None:
    """Let the current user have an exec plugin, which runs a Python script."""
    content = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "interactiveMode": "Never",
        "command": sys.executable,
        "args": ["-c", *script],
        "env": [{"name": "WHO", "value": "me"}],
        **settings,
    }
    user(kubeconfig, json.dumps({"exec": content}))


def token() -> str:
    return identify(target()).headers[0][1]


def test_a_plugin_gives_a_token(kubeconfig: Path) -> None:
    plugin(kubeconfig, PLUGIN, "one", "two")
    assert token() == 'Bearer me one two {"interactive": false}'


def test_a_plugin_is_told_the_cluster(kubeconfig: Path) -> None:
    beta = "client.authentication.k8s.io/v1beta1"
    plugin(kubeconfig, PLUGIN, provideClusterInfo=True, apiVersion=beta)
    spec = json.loads(token().removeprefix("Bearer me "))
    assert spec["cluster"] == {"server": "https://main/clusters/root:a"}


def test_a_plugin_may_give_a_certificate(kubeconfig: Path) -> None:
    status = '"status": {"clientCertificateData": "C", "clientKeyData": "K"}'
    plugin(kubeconfig, f"print('''{{{API}, {status}}}''')")
    identity = identify(target())
    assert (identity.headers, identity.certificate, identity.key) == ([], b"C", b"K")


def test_a_token_flag_wins_over_a_plugin(kubeconfig: Path) -> None:
    plugin(kubeconfig, "raise SystemExit(1)")
    assert identify(target("--token", "x")).headers == [("Authorization", "Bearer x")]


def test_a_plugin_beside_the_kubeconfig_is_found(kubeconfig: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "login"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nWHO=$1 exec {sys.executable} -c '{PLUGIN}'\n")
    program.chmod(0o700)
    plugin(kubeconfig, command="bin/login", args=["you"])
    assert token() == 'Bearer you {"interactive": false}'


API = '"apiVersion": "client.authentication.k8s.io/v1"'


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"apiVersion": "v0"}, 'exec plugin: invalid apiVersion "v0"'),
        ({"command": "no-such-program"}, "exec: executable no-such-program failed: No such file"),
        ({"interactiveMode": None}, "interactiveMode must be Never, IfAvailable or Always"),
        ({"interactiveMode": "Always"}, "standard input is no terminal"),
        ({"args": ["-c", "raise SystemExit(3)"]}, "failed with exit code 3"),
        ({"args": ["-c", "print(1)"]}, "did not print an ExecCredential"),
        ({"args": ["-c", f"print('{{{API}}}')"]}, "did not return a token or cert/key pair"),
        ({"args": ["-c", 'print(\'{"apiVersion": "x"}\')']}, "plugin returned x"),
    ],
)
def test_a_plugin_that_fails_is_named(
    settings: dict[str, object], text: str, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    plugin(kubeconfig, PLUGIN, **settings)
    with pytest.raises(Failure, match=text):
        identify(target())
