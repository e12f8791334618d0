"""kcpfast version: prints which kcpfast this is, and what it is made of.

Wheels and executables carry a file that says which commit they are of (an executable also, which
libraries are in it); a checkout asks git.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import kcpfast
from kcpfast.cli.arguments import SWITCH, Command, CommandLine, Flag
from kcpfast.cli.failure import Failure

COMMAND = Command(
    "[-o json | yaml]",
    "Print the version, the commit, and the versions of Python and the libraries.",
    (
        Flag("client", "Accepted; no server is asked", SWITCH),
        Flag("output", "Output format", short="o", choices=("json", "yaml")),
    ),
    connects=False,
)
LIBRARIES = (
    *("PyJWT", "PyYAML", "cryptography", "google-re2", "httptools", "lmdb", "msgspec"),
    *("prometheus_client", "uvloop"),
)
BUILT = Path(__file__).parent.parent / "assets" / "built.json"
UNKNOWN_VERSION = "unknown"
_MACHINES = {"aarch64": "arm64", "x86_64": "amd64"}


class Build(NamedTuple):
    """Where a program comes from; `dirty` is a checkout with changes that no commit has."""

    commit: str
    dirty: bool
    libraries: Mapping[str, str]


def run(call: CommandLine) -> int:
    """Print the version in the form that is asked for; Failure if there is no such form."""
    form = call.text("output")
    if call.words:
        raise Failure(f"extra arguments: [{' '.join(call.words)}]")
    if form not in ("", "json", "yaml"):
        raise Failure("--output must be 'yaml' or 'json'")
    build = built()
    if form == "json":
        print(json.dumps({"clientVersion": facts(build)}, indent=2))
    elif form == "yaml":
        from kcpfast.meta.yamltext.writer import write  # noqa: PLC0415 - libyaml, rarely wanted

        print(write({"clientVersion": facts(build)}).decode(), end="")
    else:
        libraries = ", ".join(f"{name} {number}" for name, number in build.libraries.items())
        print(f"{line()}\ncommit: {build.commit}{' and changes' if build.dirty else ''}")
        print(f"Python: {_python()}, {_platform()}\nlibraries: {libraries}")
    return 0


def line() -> str:
    """Return what `--version` prints."""
    return f"kcpfast {kcpfast.__version__}"


def facts(build: Build) -> dict[str, Any]:
    """Return what `-o json` prints, by the names that kubectl uses."""
    major, minor, _ = kcpfast.__version__.split(".", 2)
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{kcpfast.__version__}",
        "gitCommit": build.commit,
        "gitTreeState": "dirty" if build.dirty else "clean",
        "pythonVersion": _python(),
        "platform": _platform(),
        "libraries": build.libraries,
    }


def built() -> Build:
    """Return where this program comes from, as far as it can be known."""
    kept = json.loads(BUILT.read_text()) if BUILT.exists() else {}
    commit = kept.get("commit") or git_commit()
    return Build(
        commit.removesuffix("-dirty"),
        commit.endswith("-dirty"),
        kept.get("libraries") or installed(),
    )


def git_commit() -> str:
    """Return the commit of the checkout that this file is in, "-dirty" behind it if changed."""
    root = BUILT.parent.parent.parent
    if not (root / ".git").exists():
        return UNKNOWN_VERSION
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN_VERSION
    return done.stdout.strip()


def installed() -> dict[str, str]:
    """Return the versions of the libraries, as their installation tells, and of OpenSSL."""
    import ssl  # noqa: PLC0415 - an executable knows these
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - as above

    versions = {"OpenSSL": ssl.OPENSSL_VERSION.split()[1]}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = UNKNOWN_VERSION
    return versions


def _python() -> str:
    return sys.version.split()[0]


def _platform() -> str:
    machine = os.uname().machine
    return f"linux/{_MACHINES.get(machine, machine)}"
