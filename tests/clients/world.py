"""Where a conversation takes place: an organization of its own, with two teams and a provider."""

from __future__ import annotations

import json
import random
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from tests.clients.conversation import Step
from tests.harness.https import Access, Client, Request
from tests.harness.kubectl import Kubectl, Said
from tests.vectors.format import Variables, fill

MANIFESTS = Path(__file__).parent / "manifests"
PATIENCE = 10.0
_BELOW = {"organization": ("org",), "team": ("team", "other"), "universal": ("provider",)}


class World:
    """Plays steps; variables name the workspaces (`{team}`) and their clusters (`{team.id}`)."""

    def __init__(self, granted: Access, kubectl: Kubectl) -> None:
        """Make the workspaces."""
        self._client = Client(granted)
        self._kubectl = kubectl
        self._followed: list[Callable[[], None]] = []
        run = "".join(random.choices("bcdfghjklmnp", k=7))
        self.variables: Variables = {"run": run, "base": granted.url}
        self._verbs: Mapping[str, Callable[[Sequence[str], str], Said]] = {
            "at": self._at,
            "follow": self._follow,
            "http": self._http,
            "kubectl": lambda words, text: kubectl(*words, text=text),
            "seen": self._seen,
            "sign-in": self._sign_in,
            "view": self._view,
        }
        for kind, names in _BELOW.items():
            for name in names:
                self._grow(name, kind)

    def _grow(self, name: str, kind: str) -> None:
        top = name == "org"
        parent = "root" if top else self.variables["org"]
        word = f"{name}-{self.variables['run']}" if top else name
        body = {
            "apiVersion": "tenancy.kcp.io/v1alpha1",
            "kind": "Workspace",
            "metadata": {"name": word},
            "spec": {"type": {"name": kind, "path": "root"}},
        }
        place = f"/clusters/{parent}/apis/tenancy.kcp.io/v1alpha1/workspaces"
        made = self._client.ask("POST", place, body)
        assert made.status == 201, made
        assert made.json()["status"]["phase"] == "Ready"
        self.variables[name] = f"{parent}:{word}"
        self.variables[f"{name}.id"] = made.json()["spec"]["cluster"]

    def end(self) -> None:
        """Stop what follows, delete the workspaces."""
        for stop in self._followed:
            stop()
        name = self.variables["org"].partition(":")[2]
        place = f"/clusters/root/apis/tenancy.kcp.io/v1alpha1/workspaces/{name}"
        assert self._client.ask("DELETE", place).status == 200
        self._client.close()

    def play(self, step: Step) -> None:
        """Play a step; AssertionError tells what came of it instead."""
        deadline = time.monotonic() + (PATIENCE if step.soon else 0)
        while wrong := self._wrong(step):
            if time.monotonic() >= deadline:
                raise AssertionError(f"{step.says}\n$ {self._filled(step.command)}\n{wrong}")
            time.sleep(0.05)

    def _wrong(self, step: Step) -> str:
        """Run a step; return what is wrong with its outcome, "" if nothing is."""
        manifest = (MANIFESTS / step.manifest).read_text() if step.manifest else step.text
        verb, *words = shlex.split(self._filled(step.command))
        said = self._verbs[verb](words, _block(self._filled(manifest)))
        printed = said.text.strip()
        wanted = [
            pattern
            for pattern in step.wanted
            if not re.search(self._filled(pattern), printed, re.DOTALL)
        ]
        unwanted = [
            pattern
            for pattern in step.unwanted
            if re.search(self._filled(pattern), printed, re.DOTALL)
        ]
        if said.code == step.code and not wanted and not unwanted:
            if step.keep:
                self.variables[step.keep] = printed
            return ""
        return f"exit {said.code}, not {step.code}; {wanted=} {unwanted=}\n{printed}"

    def _filled(self, text: str) -> str:
        filled = fill(text, self.variables)
        assert isinstance(filled, str)
        return filled

    # ------------------------------------------------------------------------- the verbs

    def _at(self, words: Sequence[str], text: str) -> Said:
        """`at WORKSPACE ...`: kubectl in a workspace, wherever `kubectl ws` stands."""
        server = f"{self.variables['base']}/clusters/{words[0]}"
        return self._kubectl("--server", server, *words[1:], text=text)

    def _view(self, words: Sequence[str], text: str) -> Said:
        """`view CLUSTER ...`: kubectl in the virtual workspace at {endpoint}."""
        server = f"{self.variables.get('endpoint', 'none')}/clusters/{words[0]}"
        return self._kubectl("--server", server, *words[1:], text=text)

    def _http(self, words: Sequence[str], _text: str) -> Said:
        """`http WHO PATH`: status code and body of a bare GET."""
        who, path = words
        answer = self._client.send(Request("GET", path, who=who))
        return Said(0, f"{answer.status} {answer.raw.decode()}")

    def _sign_in(self, words: Sequence[str], _text: str) -> Said:
        """`sign-in WORKSPACE NAMESPACE NAME`: lets `--user NAME` act as a service account."""
        workspace, namespace, name = words
        token = self._at([workspace, "-n", namespace, "create", "token", name], "")
        if token.code:
            return token
        return self._kubectl("config", "set-credentials", name, "--token", token.text.strip())

    def _follow(self, words: Sequence[str], _text: str) -> Said:
        """`follow NAME URL ...`: a kubectl that goes on; `seen NAME` is what it has printed."""
        name, server, *rest = words
        output = self._kubectl.folder / f"{name}.followed"
        process = self._kubectl.popen(("kubectl", "--server", server, *rest), output)

        def stop() -> None:
            process.kill()
            process.wait()

        self._followed.append(stop)
        return Said(0, "")

    def _seen(self, words: Sequence[str], _text: str) -> Said:
        return Said(0, (self._kubectl.folder / f"{words[0]}.followed").read_text())


def _block(text: str) -> str:
    """Return YAML that kubectl takes: what begins with a brace it takes for JSON."""
    return json.dumps(yaml.safe_load(text)) if text.startswith("{") else text
