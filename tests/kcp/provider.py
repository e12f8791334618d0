"""A provider that exports lamps, and consumers of it, in a server without sockets."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.cluster import export_hash
from tests.fix_inside import Inside, Json

SCHEMAS = "/apis/apis.kcp.io/v1alpha1/apiresourceschemas"
EXPORTS = "/apis/apis.kcp.io/v1alpha2/apiexports"
BINDINGS = "/apis/apis.kcp.io/v1alpha2/apibindings"
SLICES = "/apis/apis.kcp.io/v1alpha1/apiexportendpointslices"
LAMPS = "/apis/x.example.com/v1/namespaces/default/lamps"
ALL_LAMPS = "/apis/x.example.com/v1/lamps"
NAME = "x.example.com"
SIZE = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}}
READ = {"group": "", "resource": "configmaps", "verbs": ["get", "list"]}


def schema(prefix: str = "v1", plural: str = "lamps", **more: Any) -> Json:
    """Return an APIResourceSchema of `<plural>.x.example.com`."""
    kind = plural.removesuffix("s").capitalize()
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"type": "object", "properties": {"spec": SIZE, "status": SIZE}},
        "subresources": {"status": {}},
    }
    spec = {
        "group": NAME,
        "scope": "Namespaced",
        "names": {
            "plural": plural,
            "singular": plural.removesuffix("s"),
            "kind": kind,
            "listKind": f"{kind}List",
        },
        "versions": [version],
    }
    name = f"{prefix}.{plural}.{NAME}"
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIResourceSchema",
        "metadata": {"name": name},
        "spec": spec | more,
    }


def export(name: str = NAME, *schemas: str, **spec: Any) -> Json:
    """Return an APIExport of the schemas named (`prefix.plural`)."""
    resources = [
        {"name": each.partition(".")[2], "group": NAME, "schema": f"{each}.{NAME}"}
        for each in schemas or ("v1.lamps",)
    ]
    return {
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIExport",
        "metadata": {"name": name},
        "spec": {"resources": resources} | spec,
    }


def binding(name: str, path: str, of: str = NAME, *claims: Json) -> Json:
    """Return an APIBinding that accepts claims."""
    spec: Json = {"reference": {"export": {"name": of, "path": path}}}
    if claims:
        answer = {"state": "Accepted", "selector": {"matchAll": True}}
        spec["permissionClaims"] = [answer | each for each in claims]
    return {
        "apiVersion": "apis.kcp.io/v1alpha2",
        "kind": "APIBinding",
        "metadata": {"name": name},
        "spec": spec,
    }


def lamp(name: str, size: int = 1) -> Json:
    """Return a Lamp."""
    return {
        "apiVersion": f"{NAME}/v1",
        "kind": "Lamp",
        "metadata": {"name": name},
        "spec": {"size": size},
    }


class Market:
    """A provider `root:shop` with an export, and what consumers do with it."""

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.shop = ""

    async def open(self, *claims: Json, **spec: Any) -> None:
        """Make the provider and its export."""
        self.shop = await self.inside.workspace("shop")
        await self.inside.create(self.shop + SCHEMAS, schema())
        if claims:
            spec["permissionClaims"] = list(claims)
        await self.inside.create(self.shop + EXPORTS, export(**spec))
        await self.inside.settle()

    @property
    def view(self) -> str:
        """The virtual workspace, without its clusters."""
        return f"/services/apiexport/{self.shop.rpartition('/')[2]}/{NAME}"

    @property
    def hash(self) -> str:
        """What the labels of the export's claims end in."""
        return export_hash(self.shop.rpartition("/")[2], NAME)

    async def consumer(self, name: str, *claims: Json) -> str:
        """Make a workspace that is bound to the export; return the path of requests to it."""
        made = await self.inside.workspace(name)
        await self.bind(made, "lamps", *claims)
        return made

    async def bind(self, where: str, name: str, *claims: Json) -> Json:
        """Bind a workspace and return the binding as it is then."""
        await self.inside.create(where + BINDINGS, binding(name, "root:shop", NAME, *claims))
        await self.inside.settle()
        found = await self.inside.get(f"{where}{BINDINGS}/{name}")
        assert found is not None
        return found

    def seen(self, consumer: str, path: str) -> str:
        """Return the path by which the provider sees something of a consumer (or of all: `*`)."""
        return f"{self.view}/clusters/{consumer.rpartition('/')[2]}{path}"


def condition(obj: Json, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    for each in (obj.get("status") or {}).get("conditions") or ():
        if each["type"] == kind:
            return each["status"], each.get("reason", "")
    return "", ""
