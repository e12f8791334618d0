"""What nginx gives to this client just now: machines differ, and one differs from hour to hour.

Rates are shown raw, and scaled to a machine where one nginx worker serves a file of 1 KB over TLS
to 64 connections of this client 80,000 times a second. kcp's figures were taken with a client in
Go, which is given 40,000 there: side by side with it, this one is given twice as much, or more.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.load.client import Request, Target

MEASURE = 80_000
_PATHS = ("/usr/sbin/nginx", "/usr/local/sbin/nginx")
_CONFIG = """
worker_processes 1; pid {folder}/pid; error_log {folder}/error; daemon off; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; open_file_cache max=100;
  server {{ listen 127.0.0.1:{port} ssl; root {folder};
    ssl_certificate {folder}/crt; ssl_certificate_key {folder}/key; }} }}
"""


def nginx() -> str | None:
    """Return where nginx is, None if there is none."""
    found = shutil.which("nginx")
    return found or next((path for path in _PATHS if Path(path).exists()), None)


def yardstick(total: int = 20_000, clients: int = 64) -> float | None:
    """Return the requests per second that nginx gives to this client, None without nginx."""
    program = nginx()
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = _free_port()
        _make_certificate(folder)
        (folder / "file").write_bytes(b"x" * 1024)
        (folder / "conf").write_text(_CONFIG.format(folder=folder, port=port))
        words = [program, "-p", name, "-e", str(folder / "error"), "-c", str(folder / "conf")]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            try:
                return _measure(folder, port, total, clients)
            finally:
                process.send_signal(signal.SIGTERM)


def _measure(folder: Path, port: int, total: int, clients: int) -> float:
    _wait_for(port)
    with Target(f"https://127.0.0.1:{port}", (folder / "crt").read_bytes()) as to:
        to.flood([Request("GET", "/file", times=total // 10)], clients)
        found = to.flood([Request("GET", "/file", times=total)], clients)
    if found.failed:
        raise OSError("nginx does not answer as it should")
    return found.rate


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
