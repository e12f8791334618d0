"""A real kubectl, with the plugins of this environment, a kubeconfig and caches of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

COMMAND_SECONDS = 45.0


class Said(NamedTuple):
    """What a command printed on both its streams, and how it ended."""

    code: int
    text: str


class Kubectl:
    """Runs commands in a folder; the kubeconfig there is a copy, so that `ws` may change it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """Copy the kubeconfig into the folder, which must exist."""
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        shutil.copy(kubeconfig, self.kubeconfig)
        scripts = str(Path(sys.executable).parent)
        self.environment = {
            **os.environ,
            "PATH": scripts + os.pathsep + os.environ["PATH"],
            "HOME": str(folder),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(folder / "cache"),
        }

    def popen(self, words: tuple[str, ...], output: Path) -> subprocess.Popen[bytes]:
        """Start a command in the background, what it prints going to a file."""
        with output.open("wb") as file:
            return subprocess.Popen(
                words,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def command(self, words: tuple[str, ...], text: str = "") -> Said:
        """Run a command with a text as its input."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return Said(done.returncode, done.stdout)

    def __call__(self, *words: str, text: str = "") -> Said:
        """Run kubectl."""
        return self.command(("kubectl", *words), text)
