"""What commands import: a list that is checked in, so that a start does not grow unseen.

After a change that is meant: `python -m tests.test_imports KUBECONFIG` writes the list anew; the
kubeconfig is that of a running server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.load.client import target
from tests.harness.process import ServerProcess

LIST = Path(__file__).with_suffix(".json")
# Runs a command and prints what is loaded once it ends (or, given a path, once the path exists).
_PROBE = """
import json, sys
sys.argv = ["kcpfast", *sys.argv[1:]]
from kcpfast.__main__ import main
code = main()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(code)
"""

# Starts a server that tells, at its end, what its main thread has imported since it was ready.
_LATE = """
import sys, threading
loaded, main = [], threading.get_ident()
def heard(event, args):
    if event == "import" and threading.get_ident() == main:
        loaded.append(args[0])
sys.addaudithook(heard)
sys.argv = ["kcpfast", *sys.argv[1:]]
from kcpfast.__main__ import main as run
del loaded[:]
code = run()
print(*loaded, file=sys.stderr)
sys.exit(code)
"""
# Packages that take tens of milliseconds to load.
_LARGE = {"cryptography", "jwt", "re2"}


# What an installation of Python loads before any program.
_INSTALLED = ("sitecustomize", "usercustomize")


def summary(modules: list[str]) -> list[str]:
    """Return our modules in full, of all others only the package (the names behind it are theirs).

    Names with an underscore in front are left out: they differ between Python's builds.
    """
    ours = {each for each in modules if each.startswith("kcpfast")}
    others = {each.partition(".")[0] for each in modules} - {"kcpfast", *_INSTALLED}
    return sorted(ours | {each for each in others if not each.startswith("_")})


def loaded_by_start(root: Path) -> list[str]:
    """Start a server, stop it once it is ready; return what was loaded."""
    words = ["start", "--root-directory", str(root), "--secure-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", _PROBE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert " is ready at " in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    return summary(json.loads(said.splitlines()[-1]))


def loaded_by_ws(kubeconfig: Path) -> list[str]:
    """Ask a server where one is; return what was loaded."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "ws", "."],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "workspace is 'root'" in done.stdout
    return summary(json.loads(done.stderr.splitlines()[-1]))


def differences(command: str, loaded: list[str]) -> dict[str, list[str]]:
    """Return what is loaded without standing in the list, and what stands there in vain."""
    listed = set(json.loads(LIST.read_text())[command])
    new, gone = set(loaded) - listed, listed - set(loaded)
    return {"new": sorted(new), "gone": sorted(gone)}


same_python = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the list is of Python 3.11's own modules, too"
)


@same_python
def test_start_loads_what_is_listed(server: ServerProcess, tmp_path: Path) -> None:
    """On a directory that has its certificates, as every start but the first."""
    for name in ("apiserver.crt", "apiserver.key", "client-ca.crt", "client-ca.key", "sa.key"):
        (tmp_path / name).write_bytes((server.root / name).read_bytes())
    assert differences("start", loaded_by_start(tmp_path)) == {"new": [], "gone": []}


@same_python
def test_ws_loads_what_is_listed(server: ServerProcess) -> None:
    assert differences("ws", loaded_by_ws(server.kubeconfig)) == {"new": [], "gone": []}


def test_nothing_large_is_loaded_on_the_loop(tmp_path: Path) -> None:
    """Neither for the first write nor for the first signed token; both need much."""
    words = ["start", "--root-directory", str(tmp_path / "root"), "--secure-port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", _LATE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert " is ready at " in process.stdout.readline()
    while "api-resources" not in process.stdout.readline():
        continue
    workspaces = "/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces"
    body = b'{"apiVersion":"tenancy.kcp.io/v1alpha1","kind":"Workspace","metadata":{"name":"a"}}'
    with target(tmp_path / "root" / "admin.kubeconfig", "base") as to:
        assert to.ask("POST", workspaces, body).status == 201
        accounts = "/clusters/root:a/api/v1/namespaces/default/serviceaccounts"
        account = b'{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"b"}}'
        assert to.ask("POST", accounts, account).status == 201
        asked = b'{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}'
        assert to.ask("POST", f"{accounts}/b/token", asked).status == 201
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    loaded = said.splitlines()[-1].split()
    assert not [each for each in loaded if each.partition(".")[0] in _LARGE]
    assert not [each for each in loaded if each.startswith("kcpfast.schema.cel.")]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ServerProcess(Path(folder) / "root").stop()
        found = {
            "start": loaded_by_start(Path(folder) / "root"),
            "ws": loaded_by_ws(Path(sys.argv[1])),
        }
    LIST.write_text(json.dumps(found, indent=1) + "\n")
