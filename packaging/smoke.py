"""Tries the executable as a stranger would: an empty folder, nothing on PATH, no HOME.

Run as `python packaging/smoke.py [FILE]`; prints what it tried and exits 1 at the first that fails.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORY = (
    (("version",), "kcpfast "),
    (("create", "workspace", "org", "--type", "organization", "--enter"), "root:org"),
    (("create", "workspace", "team", "--type", "team"), "ready"),
    (("ws", "tree"), "team"),
    (("ws", "team"), "root:org:team"),
    (("kcp", "claims", "get", "apibinding"), "APIBINDING"),
)


class Failed(Exception):
    """What did not happen."""


def environment(folder: Path) -> dict[str, str]:
    """Return an environment with nothing in it but where to unpack and whom to talk to."""
    return {"PATH": "", "TMPDIR": str(folder / "tmp"), "KUBECONFIG": str(folder / "kubeconfig")}


def run(file: Path, folder: Path, words: tuple[str, ...], wanted: str) -> None:
    """Run a command; Failed unless it succeeds and prints what is wanted."""
    done = subprocess.run(
        [file, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if done.returncode or wanted not in done.stdout:
        raise Failed(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    print("ok", *words)


def free_port() -> str:
    """Return a port that nobody listens on; a restart must find its clients again."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def serve(file: Path, folder: Path, port: str) -> subprocess.Popen[str]:
    """Start a server and return once it has made all its files."""
    begun = time.perf_counter()
    server = subprocess.Popen(
        [file, "start", "--secure-port", port],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    if "ready" not in server.stdout.readline():
        raise Failed("the server does not start")
    print(f"ok start, {1000 * (time.perf_counter() - begun):.0f} ms")
    for _ in range(5):
        server.stdout.readline()
    return server


def unpacked(folder: Path) -> list[Path]:
    """Return the folders that executables have unpacked themselves into."""
    return list((folder / "tmp").glob("_MEI*"))


def play(file: Path, folder: Path) -> None:
    """Use a running server, as the program and by the names of the plugins."""
    (folder / "kubeconfig").write_bytes((folder / ".kcpfast" / "admin.kubeconfig").read_bytes())
    for words, wanted in STORY:
        run(file, folder, words, wanted)
    for plugin in ("kubectl-ws", "kubectl-kcp", "kubectl-create-workspace"):
        (folder / plugin).symlink_to(file)
    run(folder / "kubectl-ws", folder, (".", "--short"), "root:org:team")


def main(file: Path) -> int:
    """Play the story; return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "tmp").mkdir()
        server = serve(file, folder, port)
        try:
            play(file, folder)
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        server = serve(file, folder, port)
        try:
            run(file, folder, ("ws", "tree"), "")
            server.terminate()
            if server.wait(10):
                raise Failed(f"the server ends with {server.returncode}")
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
        time.sleep(0.2)
        if unpacked(folder):
            raise Failed(f"left behind: {unpacked(folder)}")
        print("ok nothing is left behind")
    return 0


if __name__ == "__main__":
    default = Path(__file__).resolve().parent.parent / "dist" / "kcpfast"
    try:
        sys.exit(main(Path(sys.argv[1]).resolve() if sys.argv[1:] else default))
    except Failed as failure:
        print("failed:", failure, file=sys.stderr)
        sys.exit(1)
