"""How a server starts, and what it says when it cannot: one line, exit code 1, nothing touched."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lmdb
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from kcpfast.cli.failure import Failure
from kcpfast.server.certificates import _authority
from kcpfast.server.flags import LATER, MEANINGLESS, SERVER_FLAGS, UsageError
from tests.fix_cli import start_config
from tests.fix_server import Start
from tests.harness.https import Client, access
from tests.harness.process import ServerProcess, command, refused

PRIVATE, PUBLIC = 0o600, 0o644
FILES = {
    ".admin-token-store": PRIVATE,
    "admin.kubeconfig": PRIVATE,
    "apiserver.crt": PUBLIC,
    "apiserver.key": PRIVATE,
    "client-ca.crt": PUBLIC,
    "client-ca.key": PRIVATE,
    "sa.key": PRIVATE,
    "server.pid": PRIVATE,
}
KEPT = [name for name in FILES if name not in ("admin.kubeconfig", "server.pid")]


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root directory that a server has made and left."""
    root = tmp_path_factory.mktemp("seed") / "root"
    ServerProcess(root).stop()
    return root


@pytest.fixture
def root(seed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copied = tmp_path / "root"
    for path in [seed, *sorted(seed.rglob("*"))]:
        to = copied / path.relative_to(seed)
        if path.is_dir():
            to.mkdir(mode=0o700)
        else:
            to.write_bytes(path.read_bytes())
            to.chmod(path.stat().st_mode)
    return copied


def contents(root: Path) -> Mapping[str, bytes]:
    """Return all files but those that say who works here now."""
    files = (path for path in root.rglob("*") if path.is_file())
    volatile = ("server.pid", "lock.mdb")
    return {str(path): path.read_bytes() for path in files if path.name not in volatile}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ----------------------------------------------------------------------------- what it makes


def test_files_are_for_their_owner(server: ServerProcess) -> None:
    found = {path.name: mode(path) for path in server.root.iterdir() if path.is_file()}
    assert found == FILES
    assert mode(server.root) == mode(server.root / "store") == 0o700
    assert all(not mode(path) & 0o077 for path in (server.root / "store").iterdir())


def test_kubeconfig_has_the_contexts_of_kcp(server: ServerProcess) -> None:
    config = yaml.safe_load(server.kubeconfig.read_text())
    contexts = {each["name"]: each["context"] for each in config["contexts"]}
    assert {"base", "root", "shard-base", "system:admin"} <= contexts.keys()
    assert config["current-context"] == "root"
    clusters = {each["name"]: each["cluster"]["server"] for each in config["clusters"]}
    assert clusters["base"] == server.url
    assert clusters[contexts["root"]["cluster"]] == f"{server.url}/clusters/root"


def test_a_restart_keeps_what_is_there(root: Path, start: Start) -> None:
    before = {name: (root / name).read_bytes() for name in KEPT}
    process = start(root)
    assert {name: (root / name).read_bytes() for name in KEPT} == before
    process.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_stop_it(number: signal.Signals, root: Path, start: Start) -> None:
    process = start(root)
    process.signal(number)
    assert process.wait() == 0


def test_a_lock_left_behind_by_a_killed_server_holds_nobody_up(root: Path, start: Start) -> None:
    start(root).kill()
    start(root).stop()


def test_a_new_client_ca_signs_with_rsa(server: ServerProcess, tmp_path: Path) -> None:
    """Certificates that name SHA-256 with RSA are let in by the server that made the CA."""
    authority = x509.load_pem_x509_certificate((server.root / "client-ca.crt").read_bytes())
    pem = (server.root / "client-ca.key").read_bytes()
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    certificate, own = tmp_path / "client.crt", tmp_path / "client.key"
    sign_client(authority, key, certificate, own)
    granted = access(server.kubeconfig)
    granted.tls.load_cert_chain(certificate, own)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/clusters/root/apis/authentication.k8s.io/v1/selfsubjectreviews"
    with Client(granted) as client:
        known = client.ask("POST", path, body, who="anonymous").json()["status"]["userInfo"]
    assert known["username"] == "jane"


def sign_client(authority: x509.Certificate, key: Any, certificate: Path, own: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")]))
        .issuer_name(authority.subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    assert made.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    certificate.write_bytes(made.public_bytes(pem))
    own.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


@pytest.mark.parametrize("name", ["apiserver.crt", "client-ca.crt"])
def test_certificates_hold_though_a_clock_is_set_back(name: str, server: ServerProcess) -> None:
    made = x509.load_pem_x509_certificate((server.root / name).read_bytes())
    year = timedelta(days=366)
    assert made.not_valid_before_utc < datetime.now(UTC) - year
    assert made.not_valid_after_utc > datetime.now(UTC) + year


@pytest.mark.parametrize("kept", ["ec", "rsa"])
def test_a_client_ca_that_is_there_is_kept(kept: str, root: Path, start: Start) -> None:
    """Directories of before have a key on a curve."""
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if kept == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (root / "client-ca.key").write_bytes(key.private_bytes(pem, form, plain))
    made = _authority("kcpfast-client-ca", key).public_bytes(pem)
    (root / "client-ca.crt").write_bytes(made)
    start(root).stop()
    assert (root / "client-ca.crt").read_bytes() == made


@pytest.mark.parametrize(
    ("flag", "key"), [("tls-cert-file", "apiserver.key"), ("client-ca-file", "client-ca.key")]
)
def test_a_key_whose_certificate_is_missing_is_kept(
    flag: str, key: str, root: Path, start: Start
) -> None:
    """Its name was mistyped, or the start that made both was killed between the two."""
    kept = (root / key).read_bytes()
    missing = (root / key).with_suffix(".pem")
    start(root, f"--{flag}", str(missing)).stop()
    assert (root / key).read_bytes() == kept
    made = x509.load_pem_x509_certificate(missing.read_bytes())
    own = serialization.load_pem_private_key(kept, None)
    assert made.public_key() == own.public_key()
    start(root).stop()


def test_a_key_that_cannot_be_read_is_kept(root: Path) -> None:
    (root / "apiserver.crt").unlink()
    (root / "apiserver.key").write_text("somebody's own")
    code, error = refused(root)
    assert code == 1
    assert "apiserver.key holds no key that can be used" in error
    assert error.count("\n") == 1
    assert (root / "apiserver.key").read_text() == "somebody's own"


# ----------------------------------------------------------------------------- flags


def test_the_flags_of_kcps_own_fixture_are_accepted(root: Path, start: Start) -> None:
    tokens = root / "tokens.csv"
    tokens.write_text('secret,user-1,1,"team-1"\n')
    flags = {
        "embedded-etcd-client-port": "2379",
        "embedded-etcd-peer-port": "2380",
        "embedded-etcd-wal-size-bytes": "5000",
        "kubeconfig-path": str(root / "elsewhere.kubeconfig"),
        "audit-log-path": str(root / "audit.log"),
        "audit-policy-file": str(root / "policy.yaml"),
        "bind-address": "127.0.0.1",
        "client-ca-file": str(root / "client-ca.crt"),
        "feature-gates": "WorkspaceMounts=true,OfNoKnownName=false",
        "token-auth-file": str(tokens),
        "v": "4",
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    process = start(root, *words, "--logical-cluster-total-object-limit=0")
    granted = access(root / "elsewhere.kubeconfig")
    with Client(granted) as client:
        for path in ("/livez", "/readyz"):
            assert client.ask("GET", path, who="masters").status == 200
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/clusters/root/apis/authentication.k8s.io/v1/selfsubjectreviews"
        known = client.ask("POST", path, body, who="secret").json()["status"]["userInfo"]
        assert (known["username"], known["groups"][0]) == ("user-1", "team-1")
        assert client.ask("POST", path, body, who="wrong").status == 401
    process.stop()


def test_names_of_flags_are_given_once() -> None:
    names = [*(flag.name for flag in SERVER_FLAGS), *LATER, *MEANINGLESS]
    assert len(names) == len(set(names))


NUMBER = "is not a number from 0 to 65535"
NO_PORTS = ("1_0", " 8", "+8", "\u0663", "", "9" * 5000)
URL = "is no URL like https://host:port/path"
NO_URLS = ("foo", "http://a", "https://", "https://u@a", "https://a?b=c", "https://a#b", "//a")
GATES = 'invalid argument "%s" for "--feature-gates" flag'
UNREAD = 'err: strconv.ParseBool: parsing "%s": invalid syntax'
NO_GATES = (
    ("A", "missing bool value for A"),
    ("A=true,B", "missing bool value for B"),
    ("B=", "invalid value of B=, " + UNREAD % ""),
    ("A=0, B = x", "invalid value of B=x, " + UNREAD % "x"),
)
PATHS = (
    "root-directory",
    "kubeconfig-path",
    "client-ca-file",
    "tls-cert-file",
    "tls-private-key-file",
    "service-account-key-file",
    "authentication-admin-token-path",
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--no-such-flag", "1"], "unknown flag: --no-such-flag"),
        (["--secure-port", "many"], "--secure-port: many is not a number from 0 to 65535"),
        (["--secure-port", "65536"], "--secure-port: 65536 is not a number from 0 to 65535"),
        (["--v"], "flag needs an argument: --v"),
        (["stray"], "unexpected argument: stray"),
        *((["--secure-port", text], f"--secure-port: {text} {NUMBER}") for text in NO_PORTS),
        *((["--shard-base-url", text], f"--shard-base-url: {text!r} {URL}") for text in NO_URLS),
        *((["--feature-gates", text], f"{GATES % text}: {said}") for text, said in NO_GATES),
        *(([f"--{name}="], f"--{name}: '' is no path") for name in PATHS),
        (
            ["--logging-format", "xml"],
            '--logging-format: Invalid value: "xml": Unsupported log format; '
            "give one of text, json",
        ),
        (["--max-memory", "much"], "--max-memory: much is no number of bytes (as 512Mi or 2Gi)"),
    ],
)
def test_bad_flags_are_named(words: list[str], said: str) -> None:
    with pytest.raises((UsageError, Failure)) as raised:
        start_config(*words)
    assert str(raised.value) == said


@pytest.mark.parametrize("flag", ["external-hostname", "shard-base-url"])
@pytest.mark.parametrize("host", ["a_b", "a..b", "-a", "a b", "a" * 300])
def test_bad_hosts_are_named(flag: str, host: str) -> None:
    text = f"https://{host}" if flag == "shard-base-url" else f"{host}/c"
    with pytest.raises(UsageError, match=f"--{flag}: "):
        start_config(f"--{flag}", text)


@pytest.mark.parametrize(
    "words",
    [
        ["--external-hostname", "Host.example.com"],
        ["--external-hostname", "::1"],
        ["--external-hostname", "10.0.0.1"],
        ["--shard-base-url", "https://host.example.com:6443/a"],
        ["--shard-base-url", "https://[::1]:6443"],
        ["--feature-gates", "A=true,B=F,,"],
        ["--audit-log-compress", "--v", "2"],
        ["--logging-format=json", "--tracing-config-file=tracing.yaml"],
        ["-v", "2", "--audit-log-compress=false", "--"],
    ],
)
def test_good_flags_are_taken(words: list[str]) -> None:
    start_config(*words)


def test_a_bad_flag_leaves_nothing_behind(tmp_path: Path) -> None:
    root = tmp_path / "root"
    said = "kcpfast: --v: x is not a number from 0 to 10\n"
    assert refused(root, "--v", "x") == (1, said)
    assert not root.exists()


# ----------------------------------------------------------------------------- refusals


def foreign_file(root: Path) -> None:
    (root / "store" / "data.mdb").write_bytes(b"not a database " * 1000)


def foreign_database(root: Path) -> None:
    (root / "store" / "data.mdb").unlink()
    with lmdb.open(str(root / "store"), max_dbs=2) as env, env.begin(write=True) as txn:
        txn.put(b"somebody", b"else")


def newer_format(root: Path) -> None:
    with lmdb.open(str(root / "store"), max_dbs=8) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True, db=meta) as txn:
            txn.put(b"format", b"kcpfast 3")


def broken_tokens(root: Path) -> None:
    (root / ".admin-token-store").write_text("{")


def spoiled_tokens(text: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / ".admin-token-store").write_text(text)

    return spoil


def broken_certificate(root: Path) -> None:
    (root / "apiserver.crt").write_text("nothing")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (foreign_file, "cannot open the store in"),
        (foreign_database, "an LMDB file of another program"),
        (newer_format, "the store has format b'kcpfast 3'"),
        (broken_tokens, "cannot use"),
        (spoiled_tokens("[]"), ".admin-token-store: it is no JSON object"),
        (spoiled_tokens('{"kcp-admin": 5}'), ".admin-token-store: kcp-admin has no token and uid"),
        (spoiled_tokens('{"kcp-admin": {"token": "", "uid": "a"}}'), "has no token and uid"),
        (spoiled_tokens('{"kcp-admin": {"token": "a"}}'), "has no token and uid"),
        (broken_certificate, "cannot use the certificates"),
    ],
)
def test_a_directory_that_is_not_ours(spoil: Callable[[Path], None], said: str, root: Path) -> None:
    spoil(root)
    before = contents(root)
    code, error = refused(root)
    assert code == 1
    assert error.startswith("kcpfast: ")
    assert said in error
    assert error.count("\n") == 1
    assert contents(root) == before


def test_a_second_server_names_the_first(root: Path, start: Start) -> None:
    first = start(root)
    said = f"kcpfast: {root} is in use by the server with pid {first.pid}\n"
    assert refused(root) == (1, said)
    first.stop()


def test_a_port_in_use(root: Path) -> None:
    before = contents(root)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["--bind-address", "127.0.0.1", "--secure-port", port]
        code, error = refused(root, *words)
    assert code == 1
    assert error.startswith(f"kcpfast: cannot listen on 127.0.0.1:{port}: ")
    assert error.count("\n") == 1
    assert contents(root) == before


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
def test_a_first_start_without_a_port_leaves_nothing(begun: bool, tmp_path: Path) -> None:
    """No directory, and no process that goes on making keys in it."""
    root = tmp_path / "root"
    if begun:
        root.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["--bind-address", "127.0.0.1", "--secure-port", port]
        with subprocess.Popen(
            command(root, *words), stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            assert process.stderr is not None
            error = process.stderr.read()
            assert process.wait() == 1
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)
    assert error.startswith(f"kcpfast: cannot listen on 127.0.0.1:{port}: ")
    assert error.count("\n") == 1
    assert root.exists() == begun


@pytest.mark.parametrize("name", ["apiserver.crt", "apiserver.key", "client-ca.crt", "sa.key"])
@pytest.mark.parametrize("what", ["missing", "empty", "a directory"])
def test_a_file_that_cannot_be_used_is_named(what: str, name: str, root: Path) -> None:
    """What is missing with its key is made anew; all else is somebody's mistake."""
    path = root / name
    path.unlink()
    if what == "missing" and name != "apiserver.key":
        return
    if what == "empty":
        path.write_bytes(b"")
    elif what == "a directory":
        path.mkdir()
    code, error = refused(root)
    assert (code, error.count("\n")) == (1, 1), error
    assert str(path) in error


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.write_text("mine")
    code, error = refused(root)
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"kcpfast: cannot use {root}: ")
    assert root.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_a_directory_that_may_not_be_read(root: Path) -> None:
    root.chmod(0)
    code, error = refused(root)
    root.chmod(0o700)
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith(f"kcpfast: cannot use {root}: ")


# A file system of its own, gone with the process. The folder that it lies over is the first word.
SMALL = ("unshare", "--mount", "--map-root-user", "sh", "-ec")
MOUNT = 'folder=$1 size=$2; shift 2; mount -t tmpfs -o "size=$size" tmpfs "$folder"; exec "$@"'


def small(folder: Path, size: str) -> list[str]:
    return [*SMALL, MOUNT, "sh", str(folder), size]


def can_mount(folder: Path) -> bool:
    done = subprocess.run([*small(folder, "4k"), "true"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("size", ["4k", "12k", "40k", "100k", "300k"])
def test_a_full_disk_is_named_in_one_line(size: str, tmp_path: Path) -> None:
    """Each size gives out at another file: the lock, certificates, keys, the store."""
    if not can_mount(tmp_path):
        pytest.skip("file systems cannot be mounted here")
    code, error = refused(tmp_path / "root", within=small(tmp_path, size))
    assert (code, error.count("\n")) == (1, 1), error
    assert error.startswith("kcpfast: ")
    assert "no space left" in error.lower()
