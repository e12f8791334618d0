"""Kubeconfig files: read as client-go merges them, changed entry by entry, written back whole.

Rules: k8s.io/client-go/tools/clientcmd (loader.go, config.go). Of several files the first that has
an entry wins; a changed entry goes back to its own file, a new one to the file that the entry it
was made from is in, the current context to the first file that exists. What this module does not
know stays in the file as it is.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from kcpfast import atomic
from kcpfast.cli.failure import Failure

CLUSTERS, CONTEXTS, USERS = "clusters", "contexts", "users"
# list -> the key of an entry's content
_CONTENT = {CLUSTERS: "cluster", CONTEXTS: "context", USERS: "user"}
# list -> members that are paths, relative to the file's directory
_PATHS = {
    CLUSTERS: ("certificate-authority",),
    CONTEXTS: (),
    USERS: ("client-certificate", "client-key", "tokenFile"),
}
_DEFAULT = ("~", ".kube", "config")


class File:
    """One kubeconfig file: its path, what it says, and whether it was changed."""

    def __init__(self, path: str) -> None:
        """Read the file; Failure if that is impossible, an empty one if there is none."""
        self.path = path
        self.changed = False
        self.exists = True
        self.json = False
        self.document: dict[str, Any] = {}
        try:
            with open(path, "rb") as file:
                self._read(file.read())
        except FileNotFoundError:
            self.exists = False
        except OSError as error:
            raise Failure(f"cannot read {path}: {error.strerror}") from None

    def _read(self, content: bytes) -> None:
        try:
            document = self._parse(content.decode())
        except ValueError as error:
            raise Failure(f'error loading config file "{self.path}": {error}') from None
        if document is not None and not isinstance(document, dict):
            raise Failure(f'error loading config file "{self.path}": it is no kubeconfig')
        self.document = document or {}

    def _parse(self, text: str) -> Any:
        if text.lstrip().startswith("{"):
            import json  # noqa: PLC0415 - JSON kubeconfigs are rare

            with contextlib.suppress(ValueError):
                document = json.loads(text)
                self.json = True
                return document
        from kcpfast.meta.yamltext.reader import read_spelled  # noqa: PLC0415 - not for help

        return read_spelled(text)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return the named item of a list, with its name."""
        for item in self.document.get(kind) or ():
            if isinstance(item, dict) and str(item.get("name")) == name:
                return item
        return None

    def put(self, kind: str, name: str, content: Mapping[str, Any]) -> None:
        """Replace an entry's content, or add the entry."""
        item = self.find(kind, name)
        if item is None:
            item = {"name": name}
            self.document[kind] = [*(self.document.get(kind) or ()), item]
        item[_CONTENT[kind]] = dict(content)
        self.changed = True

    def save(self) -> None:
        """Write the file if it was changed: whole or not at all, mode and owner as before."""
        if not self.changed:
            return
        if not self.exists:
            self.document = {"apiVersion": "v1", "kind": "Config", **self.document}
        if self.json:
            import json  # noqa: PLC0415 - JSON kubeconfigs are rare

            data = (json.dumps(self.document, indent=2, ensure_ascii=False) + "\n").encode()
        else:
            from kcpfast.meta.yamltext.writer import write_kept  # noqa: PLC0415 - who only reads

            data = write_kept(self.document)
        try:
            path = os.path.realpath(self.path)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            atomic.rewrite(path, data)
        except OSError as error:
            raise Failure(f"cannot write {self.path}: {error.strerror}") from None
        self.changed, self.exists = False, True


class NamedEntry:
    """An entry as it was found: the file it is in and its content; empty if there is none."""

    def __init__(self, file: File | None, content: Mapping[str, Any]) -> None:
        """Keep both."""
        self.file = file
        self.content = content

    def text(self, key: str) -> str:
        """Return a member as text, "" if it is not there."""
        value = self.content.get(key)
        return "" if value is None else str(value)

    def path(self, key: str) -> str:
        """Return a member that is a path, made absolute; "" if it is not there."""
        return located(self.text(key), self.file)

    def flag(self, key: str) -> bool:
        """Tell whether a member is true."""
        return self.content.get(key) in (True, "true")


def located(path: str, file: File | None) -> str:
    """Return a path that stands in a file as seen from anywhere."""
    if not path or file is None:
        return path
    return os.path.join(os.path.dirname(os.path.abspath(file.path)), path)


class Kubeconfig:
    """All files together."""

    def __init__(self, explicit: str = "", environment: Mapping[str, str] = os.environ) -> None:
        """Read the file named by --kubeconfig (which must exist), or those of the environment."""
        self.paths = [explicit] if explicit else _paths(environment)
        self.files = [File(path) for path in self.paths]
        if explicit and not self.files[0].exists:
            raise Failure(f"cannot read {explicit}: No such file or directory")

    @property
    def main(self) -> File:
        """The file that new things go to: the first that exists, or else the first."""
        return next((file for file in self.files if file.exists), self.files[0])

    @property
    def exists(self) -> bool:
        """Whether there is any file."""
        return any(file.exists for file in self.files)

    @property
    def current(self) -> str:
        """The name of the current context, "" if there is none."""
        for file in self.files:
            name = file.document.get("current-context")
            if name not in (None, ""):
                return str(name)
        return ""

    @current.setter
    def current(self, name: str) -> None:
        if name != self.current:
            self.main.document["current-context"] = name
            self.main.changed = True

    def find(self, kind: str, name: str) -> NamedEntry | None:
        """Return an entry of the list `kind`, None if no file has it."""
        for file in self.files:
            item = file.find(kind, name)
            if item is not None:
                return NamedEntry(file, item.get(_CONTENT[kind]) or {})
        return None

    def put(self, kind: str, name: str, content: Mapping[str, Any], like: NamedEntry) -> None:
        """Set an entry to what was made from the entry `like`; nothing is written yet."""
        before = self.find(kind, name)
        file = (before.file if before else like.file) or self.main
        changed = dict(content)
        if like.file is not None and file is not like.file:
            for key in _PATHS[kind]:
                if changed.get(key):
                    changed[key] = located(str(changed[key]), like.file)
        if before is None or before.content != changed:
            file.put(kind, name, changed)

    def save(self) -> None:
        """Write what was changed."""
        for file in self.files:
            file.save()


def _paths(environment: Mapping[str, str]) -> list[str]:
    named = environment.get("KUBECONFIG", "")
    paths = [path for path in dict.fromkeys(named.split(os.pathsep)) if path]
    return paths or [os.path.expanduser(os.path.join(*_DEFAULT))]
