"""Which server is meant, in which workspace, and as whom: the kubeconfig under the flags.

Rules: k8s.io/client-go/tools/clientcmd (client_config.go, overrides.go). Flags win over the
kubeconfig, and -w over the path in the server's URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcpfast.cli.client.kubeconfig import CLUSTERS, CONTEXTS, USERS, Kubeconfig, NamedEntry
from kcpfast.cli.failure import Failure
from kcpfast.cli.places import ROOT, WorkspacePlace, place_of, resolve, spelled

if TYPE_CHECKING:
    from kcpfast.cli.arguments import CommandLine

_NOTHING = NamedEntry(None, {})


class ServerTarget:
    """The server, the cluster and user entries that tell how to reach it, and the flags."""

    def __init__(self, call: CommandLine) -> None:
        """Read the kubeconfig and choose from it; Failure if what is asked for is not there."""
        self.call = call
        self.config = Kubeconfig(call.text("kubeconfig"))
        self.context = call.text("context") or self.config.current
        context = self._choose(CONTEXTS, call.text("context"), self.context)
        named = call.text("cluster")
        self.cluster = self._choose(CLUSTERS, named, named or context.text("cluster"))
        named = call.text("user")
        self.user_name = named or context.text("user")
        self.user = self._choose(USERS, named, self.user_name)
        self.server = call.text("server") or self.cluster.text("server")
        if not self.server:
            raise self._no_server()
        if "://" not in self.server:
            self.server = f"https://{self.server}"
        if call.text("workspace"):
            self.server = self._elsewhere(call.text("workspace"))

    def _choose(self, kind: str, demanded: str, name: str) -> NamedEntry:
        """Return an entry; what is demanded by a flag must exist, other things may be missing."""
        entry = self.config.find(kind, name) if name else None
        if entry is None and demanded:
            raise Failure(f'{kind[:-1]} "{demanded}" does not exist')
        return entry or _NOTHING

    def _no_server(self) -> Failure:
        paths = ", ".join(self.config.paths)
        if not self.config.exists:
            hint = "Set KUBECONFIG or use --kubeconfig."
            return Failure(f"no kubeconfig found; looked for {paths}", hint)
        if not self.context or self.config.find(CONTEXTS, self.context) is None:
            return Failure(f'current "{self.context}" context not found', f"Looked in {paths}.")
        return Failure(f'context "{self.context}" names no server', f"Looked in {paths}.")

    def _elsewhere(self, workspace: str) -> str:
        place = self.place
        name = spelled(workspace, "", short=False)[0]
        return place.at(resolve(place.path, name)).url

    @property
    def place(self) -> WorkspacePlace:
        """The workspace one is in; Failure if the server's URL points to none."""
        place = place_of(self.server)
        if place is None:
            raise Failure(f'current URL "{self.server}" does not point to a workspace')
        return place

    def start(self, name: str) -> WorkspacePlace:
        """Return the workspace to go to another one from; `name` is where one is to go.

        A server's bare URL is in no workspace, but will do as a start to an absolute path.
        """
        bare = self.server.partition("://")[2].rstrip("/")
        if name.startswith(":") and "/" not in bare:
            return WorkspacePlace(self.server, ROOT)
        return self.place

    @property
    def origin(self) -> str:
        """Where the settings come from, for people."""
        files = ", ".join(file.path for file in self.config.files if file.exists)
        return f'context "{self.context}" of {files}' if files else "the command line"
