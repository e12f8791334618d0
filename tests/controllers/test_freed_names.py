"""Who waits for a name gets it when its holder goes on without it, not only when that goes."""

from __future__ import annotations

import pytest

from tests.controllers.waking import CRDS, crd
from tests.fix_inside import Inside, Json
from tests.kcp.provider import BINDINGS, EXPORTS, NAME, SCHEMAS, binding, condition, export, schema


def named(prefix: str, plural: str, **names: object) -> Json:
    """Return a schema with other names."""
    made = schema(prefix, plural)
    made["spec"]["names"] |= names
    return made


async def offer(inside: Inside, where: str, made: Json) -> None:
    """Let the export of a workspace offer a schema in place of the one before."""
    await inside.create(where + SCHEMAS, made)
    plural = made["spec"]["names"]["plural"]
    offered = {"name": plural, "group": NAME, "schema": made["metadata"]["name"]}
    await inside.patch(f"{where}{EXPORTS}/{NAME}", {"spec": {"resources": [offered]}})
    await inside.settle()


async def two(inside: Inside, first: Json, second: Json) -> tuple[str, str]:
    """Return the providers `one` and `two` of one schema each."""
    found = []
    for name, made in (("one", first), ("two", second)):
        where = await inside.workspace(name)
        await inside.create(where + SCHEMAS, made)
        plural = made["spec"]["names"]["plural"]
        await inside.create(where + EXPORTS, export(NAME, f"v1.{plural}"))
        found.append(where)
    return found[0], found[1]


async def bind(inside: Inside, of: str) -> None:
    await inside.create(BINDINGS, binding(of, f"root:{of}"))
    await inside.settle()


async def problem(inside: Inside, name: str, kind: str) -> str:
    found = await inside.get(f"{BINDINGS}/{name}")
    assert found is not None
    return condition(found, kind)[1]


CASES = [{"singular": "zed"}, {"kind": "Zed"}, {"listKind": "ZedList"}, {"shortNames": ["zd"]}]


@pytest.mark.parametrize("names", CASES)
async def test_a_binding_waits_for_a_name(inside: Inside, names: Json) -> None:
    one, _ = await two(inside, named("v1", "lamps", **names), named("v1", "bulbs", **names))
    await bind(inside, "one")
    await bind(inside, "two")
    assert await problem(inside, "two", "InitialBindingCompleted") == "NamingConflicts"
    await offer(inside, one, schema("v2", "lamps"))
    assert await problem(inside, "two", "InitialBindingCompleted") == ""


@pytest.mark.parametrize("names", CASES)
async def test_a_bound_binding_waits_for_a_name(inside: Inside, names: Json) -> None:
    one, other = await two(inside, named("v1", "lamps", **names), schema("v1", "bulbs"))
    await bind(inside, "one")
    await bind(inside, "two")
    await offer(inside, other, named("v2", "bulbs", **names))
    assert await problem(inside, "two", "BindingUpToDate") == "NamingConflicts"
    if "kind" in names:
        await inside.delete(f"{BINDINGS}/one")
    else:
        await offer(inside, one, schema("v2", "lamps"))
    assert await problem(inside, "two", "BindingUpToDate") == ""


async def test_a_crd_waits_for_a_name(inside: Inside) -> None:
    one, _ = await two(inside, named("v1", "lamps", kind="Zed"), schema("v1", "bulbs"))
    await bind(inside, "one")
    await inside.create(CRDS, crd("zeds", "Zed"))
    await inside.settle()
    found = await inside.get(f"{CRDS}/zeds.{NAME}")
    assert condition(found or {}, "Established")[0] == "False"
    await offer(inside, one, schema("v2", "lamps"))
    found = await inside.get(f"{CRDS}/zeds.{NAME}")
    assert condition(found or {}, "Established")[0] == "True"
