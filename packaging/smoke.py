#!/usr/bin/env python3
"""Tries the executable as a stranger would: an empty folder, nothing on PATH, no HOME.

Run as `python packaging/smoke.py [FILE]`; prints what it tried and exits 1 at the first that fails.
By root, everything is tried once more as an ordinary user.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NOBODY = 65534
STORY = (
    ("version", "kcpfast "),
    ("version -o yaml", "cryptography: "),
    ("create workspace org --type organization --enter", "root:org"),
    ("create workspace provider", "ready"),
    ("create workspace team --type team", "ready"),
    ("ws tree", "team"),
    ("ws provider", "root:org:provider"),
    ("kcp crd snapshot -f crd.yaml --prefix v1", "name: v1.things.demo.example.com"),
    ("ws :root:org:team", "root:org:team"),
    ("kcp claims get apibinding", "APIBINDING"),
    ("ws :root:org", "root:org"),
    ("plugins install bin", "links to"),
)
PLUGINS = (
    ("kubectl-ws", ". --short", "root:org"),
    ("kubectl-kcp", "--version", "kcpfast "),
    ("kubectl-create-workspace", "other", "ready"),
)
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.demo.example.com}
spec:
  group: demo.example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""


class Failed(Exception):
    """What did not happen."""


class Stranger:
    """Somebody in a folder, with nothing in the environment but where to unpack and to look."""

    def __init__(self, file: Path, folder: Path, user: int) -> None:
        """Give them a copy of the file and a place for what it unpacks."""
        self.folder, self.file = folder, folder / "kcpfast"
        self.unpacked = folder / "tmp"
        shutil.copy2(file, self.file)
        self.unpacked.mkdir()
        (folder / "crd.yaml").write_text(CRD)
        (folder / "home").mkdir()
        self.ids = {}
        if user != os.getuid():
            self.ids = {"user": user, "group": user, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, user, user)

    def popen(self, program: Path, *words: str) -> subprocess.Popen[str]:
        """Start a program."""
        return subprocess.Popen(
            [program, *words],
            cwd=self.folder / "home",
            env={
                "PATH": "",
                "TMPDIR": str(self.unpacked),
                "KUBECONFIG": str(self.folder / "kubeconfig"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **self.ids,
        )

    def run(self, program: Path, line: str, wanted: str) -> None:
        """Run a command; Failed unless it succeeds and prints what is wanted."""
        words = line.replace("crd.yaml", str(self.folder / "crd.yaml")).split()
        with self.popen(program, *words) as process:
            said, _ = process.communicate(timeout=20)
        if process.returncode or wanted not in said:
            raise Failed(f"{program.name} {line}: {process.returncode}\n{said}")
        print("ok", program.name, line)

    def left_behind(self) -> list[Path]:
        """Return the folders that executables have unpacked themselves into."""
        return list(self.unpacked.glob("_MEI*"))


def free_port() -> str:
    """Return a port that nobody listens on; a restart must find its clients again."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def serve(who: Stranger, port: str) -> subprocess.Popen[str]:
    """Start a server and return once it has made all its files."""
    begun = time.perf_counter()
    server = who.popen(who.file, "start", "--secure-port", port)
    assert server.stdout is not None
    said = server.stdout.readline()
    if "ready" not in said:
        raise Failed(f"the server does not start: {said}{server.stdout.read()}")
    print(f"ok start, {1000 * (time.perf_counter() - begun):.0f} ms")
    for _ in range(5):
        server.stdout.readline()
    return server


def play(who: Stranger) -> None:
    """Use a running server, as the program and by the names of the plugins."""
    made = who.folder / "home" / ".kcpfast" / "admin.kubeconfig"
    (who.folder / "kubeconfig").write_bytes(made.read_bytes())
    if who.ids:
        os.chown(who.folder / "kubeconfig", NOBODY, NOBODY)
    for line, wanted in STORY:
        who.run(who.file, line, wanted)
    for name, line, wanted in PLUGINS:
        who.run(who.folder / "home" / "bin" / name, line, wanted)


def wait_until_gone(folder: Path) -> None:
    """Wait for the last process that runs from a folder: one that was killed may take its time."""
    with (folder / "kcpfast.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def try_as(file: Path, user: int) -> None:
    """Play the story as a user: with a server that is killed, then with one that is told to go."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        print(f"as user {user}")
        who = Stranger(file, folder, user)
        server = serve(who, port)
        try:
            play(who)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        if len(who.left_behind()) != 1:
            raise Failed(f"killed, it leaves what it cannot remove: {who.left_behind()}")
        wait_until_gone(who.left_behind()[0])
        server = serve(who, port)
        try:
            who.run(who.file, "ws tree", "org")
            if len(who.left_behind()) != 1:
                raise Failed(f"not swept: {who.left_behind()}")
            server.terminate()
            if server.wait(10):
                raise Failed(f"the server ends with {server.returncode}")
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
        if who.left_behind():
            raise Failed(f"left behind: {who.left_behind()}")
        print("ok nothing is left behind")


def main(file: Path) -> int:
    """Try the file as who runs this and, by root, as nobody; return the exit code."""
    for user in dict.fromkeys((os.getuid(), NOBODY if os.getuid() == 0 else os.getuid())):
        try_as(file, user)
    return 0


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "dist" / "kcpfast"
    try:
        sys.exit(main(Path(sys.argv[1]).resolve() if sys.argv[1:] else default))
    except Failed as failure:
        print("failed:", failure, file=sys.stderr)
        sys.exit(1)
