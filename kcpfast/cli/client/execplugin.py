"""Credentials from programs: the exec plugins that cloud providers and OIDC helpers are.

Rules: k8s.io/client-go/plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from kcpfast.cli.client.material import pem
from kcpfast.cli.failure import Failure

if TYPE_CHECKING:
    from kcpfast.cli.client.target import ServerTarget

_EXEC_GROUP = "client.authentication.k8s.io/"
_EXEC_VERSIONS = (_EXEC_GROUP + "v1", _EXEC_GROUP + "v1beta1")
# members of a cluster entry that a plugin may see
_EXEC_CLUSTER = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
)


def run_plugin(target: ServerTarget, plugin: dict[str, Any]) -> dict[str, Any]:
    """Run an exec plugin and return the status of the ExecCredential that it prints."""
    version = str(plugin.get("apiVersion") or "")
    if version not in _EXEC_VERSIONS:
        raise Failure(f'exec plugin: invalid apiVersion "{version}"')
    command = str(plugin.get("command") or "")
    program = command
    if os.sep in command:
        # Like the paths of certificates, a path of a plugin begins where the kubeconfig is.
        file = target.user.file
        program = os.path.join(os.path.dirname(os.path.abspath(file.path if file else "")), command)
    interactive = _interactive(plugin, version)
    try:
        done = subprocess.run(
            [program, *map(str, plugin.get("args") or ())],
            env=_environment(target, plugin, version, interactive),
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        hint = str(plugin.get("installHint") or "")
        raise Failure(f"exec: executable {command} failed: {error.strerror}", hint) from None
    if done.returncode:
        raise Failure(f"exec: executable {command} failed with exit code {done.returncode}")
    return _status(command, version, done.stdout)


def _interactive(plugin: dict[str, Any], version: str) -> bool:
    mode = plugin.get("interactiveMode") or ("" if version.endswith("/v1") else "IfAvailable")
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not terminal:
        raise Failure("exec plugin cannot support interactive mode: standard input is no terminal")
    if mode not in ("Always", "IfAvailable", "Never"):
        raise Failure("exec plugin: interactiveMode must be Never, IfAvailable or Always")
    return mode != "Never" and terminal


def _environment(
    target: ServerTarget, plugin: dict[str, Any], version: str, interactive: bool
) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo"):
        content = target.cluster.content
        cluster = {key: content[key] for key in _EXEC_CLUSTER if content.get(key)}
        spec["cluster"] = {**cluster, "server": target.server}
        authority = pem(target.cluster, "certificate-authority")
        if authority:
            spec["cluster"]["certificate-authority-data"] = b64encode(authority).decode()
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": spec}
    given = {str(item["name"]): str(item["value"]) for item in plugin.get("env") or ()}
    return {**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _status(command: str, version: str, output: bytes) -> dict[str, Any]:
    try:
        credential = json.loads(output)
        given, status = str(credential.get("apiVersion")), credential.get("status")
    except (ValueError, AttributeError):
        raise Failure(f"exec: executable {command} did not print an ExecCredential") from None
    if given != version:
        text = f"exec plugin is configured to use API version {version}, plugin returned {given}"
        raise Failure(text)
    if not isinstance(status, dict) or not (
        status.get("token") or status.get("clientCertificateData")
    ):
        raise Failure(f"exec: executable {command} did not return a token or cert/key pair")
    return status
