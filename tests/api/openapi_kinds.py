"""A custom kind with something of everything, and the units that tests document."""

from typing import Any

from kcpfast.api.openapi.units import Unit, units, version_unit
from kcpfast.registry.catalog import CatalogRow, Served
from kcpfast.resources.builtin import BUILTIN
from kcpfast.resources.definition import encode, resources_of
from kcpfast.resources.resource import Origin, Resource

ROOMS = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
SPEC: dict[str, Any] = {
    "type": "object",
    "description": "What is wanted.",
    "required": ["colour", "bulbs"],
    "properties": {
        "bulbs": {"type": "integer", "minimum": 0, "nullable": True},
        "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "rooms": ROOMS,
        "watt": {"x-kubernetes-int-or-string": True},
    },
}
SCHEMA = {"type": "object", "properties": {"spec": SPEC}}


def lamp(schema: Any = None, group: str = "light.example.com", **version: Any) -> Resource:
    """Return the kind Lamp with a schema of one's own, and what else its version says."""
    names = {"plural": "lamps", "kind": "Lamp"}
    own = {"name": "v1", "served": True, "storage": True, "schema": schema or SCHEMA} | version
    found = {"group": group, "names": names, "scope": "Namespaced", "versions": [own]}
    return resources_of(found, Origin(encode(found)[0], "id"))["v1"]


def lamps(*, closing: bool = False, **version: Any) -> Unit:
    """Return the unit of a group-version with the kind Lamp alone."""
    found = lamp(**version)
    assert found.origin is not None
    served = Served(found, CatalogRow("crd", "lamps", found.origin, closing))
    return version_unit(found.group, "v1", [served])


def builtin(name: str) -> Unit:
    """Return a unit of the built-in kinds."""
    groups: dict[str, dict[str, list[Served]]] = {}
    for each in BUILTIN:
        groups.setdefault(each.group, {}).setdefault("v1", []).append(Served(each))
    return units(groups, service=False)[name]
