"""A server that is compared: that of a kubeconfig's current context, prefix of paths included."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from tests.differential.normalise import normalised
from tests.differential.script import Answer, Script, Step
from tests.harness.https import Access, Client, Request

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PATIENCE = 15.0


class Side:
    """Answers scripts, over one connection."""

    def __init__(self, kubeconfig: Path) -> None:
        """Read the current context; its user must have a token."""
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        token = _named(config["users"], context["user"])["user"]["token"]
        url = urllib.parse.urlsplit(cluster["server"])
        assert url.hostname is not None
        self._prefix = url.path.rstrip("/")
        access = Access(
            cluster["server"], url.hostname, url.port or 443, _trust(cluster), {"admin": token}
        )
        self._client = Client(access)

    def answers(self, script: Script, name: str) -> list[Answer]:
        """Send the requests of a script; `name` is put for `{id}`."""
        variables = {"id": name, "Id": name.capitalize(), "rv": "1", "uid": ""}
        return [self._answer(each.filled(variables), variables) for each in script.steps]

    def _answer(self, step: Step, variables: dict[str, str]) -> Answer:
        headers = {"Accept": step.accept, "User-Agent": "differential"}
        if step.media:
            headers["Content-Type"] = step.media
        body = step.body if step.media else None
        path = self._prefix + step.path
        got = self._client.send(Request(step.method, path, headers, body))
        remember(got.raw, variables)
        if (step.method, got.status) == ("POST", 201) and step.path == CRDS:
            self._wait_for_resource(json.loads(got.raw))
        return normalised(got.status, got.headers, got.raw, variables["id"])

    def _wait_for_resource(self, crd: Any) -> None:
        """Wait until the version that is stored is served."""
        spec = crd["spec"]
        version = next(each["name"] for each in spec["versions"] if each["storage"])
        path = f"{self._prefix}/apis/{spec['group']}/{version}/{spec['names']['plural']}"
        ends = time.monotonic() + _PATIENCE
        while time.monotonic() < ends and self._client.ask("GET", path).status == 404:
            time.sleep(0.05)


def remember(raw: bytes, variables: dict[str, str]) -> None:
    """Keep the identity and the revision of the object that was answered, if it was one."""
    try:
        meta = json.loads(raw)["metadata"]
        variables |= {"rv": str(meta["resourceVersion"]), "uid": str(meta["uid"])}
    except (ValueError, KeyError, TypeError):
        return


def _named(items: list[Any], name: str) -> Any:
    return next(each for each in items if each["name"] == name)


def _trust(cluster: Any) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return tls
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return ssl.create_default_context(cadata=authority)
