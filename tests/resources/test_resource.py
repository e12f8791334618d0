"""A resource is made in one call: nobody changes what everybody shares."""

from typing import Any

import pytest
from msgspec.structs import replace

from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.compiled import CompiledSchema
from kcpfast.resources.resource import Names, Resource
from kcpfast.schema.program import compile_schema

CONFIG_MAPS = BY_PLACE["", "v1", "configmaps"]


def lamps(**fields: Any) -> Resource:
    given = {"compiled": CompiledSchema(lambda: compile_schema({}))} | fields
    names = Names("lamps", "Lamp")
    return Resource(
        group="a.b", version="v1", names=names, namespaced=True, storage=b"a.b/lamps", **given
    )


@pytest.mark.parametrize("name", Resource.__struct_fields__)
def test_no_field_can_be_set(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(CONFIG_MAPS, name, getattr(CONFIG_MAPS, name))


@pytest.mark.parametrize(
    ("fields", "item_head"),
    [
        ({}, b'{"metadata":{"resourceVersion":"'),
        (
            {"builtin": False},
            b'{"apiVersion":"a.b/v1","kind":"Lamp","metadata":{"resourceVersion":"',
        ),
    ],
)
def test_what_follows_from_other_fields(fields: dict[str, Any], item_head: bytes) -> None:
    resource = lamps(**fields)
    assert (resource.plural, resource.kind, resource.list_kind) == ("lamps", "Lamp", "LampList")
    assert (resource.api_version, resource.storage_version) == ("a.b/v1", "a.b/v1")
    assert resource.head == b'{"apiVersion":"a.b/v1","kind":"Lamp","metadata":{"resourceVersion":"'
    assert resource.item_head == item_head


def test_a_copy_shares_what_is_compiled_once() -> None:
    compiled = []

    def compile_once() -> Any:
        compiled.append(1)
        return compile_schema({})

    resource = lamps(compiled=CompiledSchema(compile_once, warm=False))
    shown = replace(resource, verbs=("get",))
    assert shown.program is resource.program
    assert compiled == [1]
    resource.compiled.warm = True
    assert shown.weigh(100) == resource.weigh(100)
    assert shown != resource
