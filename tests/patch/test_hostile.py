"""Patches made to break things end in a result or an ApiError, and soon."""

from collections.abc import Callable
from typing import Any

import pytest

from kcpfast.meta.errors import ApiError
from kcpfast.patch.decoded import MAX_PATCH_DEPTH
from kcpfast.patch.json_patch import MAX_OPERATIONS, apply_json_patch
from kcpfast.patch.managed_fields import update_managers
from kcpfast.patch.merge_patch import apply_merge_patch
from kcpfast.patch.server_side_apply import apply
from kcpfast.patch.strategic import apply_strategic_patch
from tests.patch.kinds import CONFIG_MAP, SERVICE_ACCOUNT, WIDGET, Object, obj, owners, writer

pytestmark = pytest.mark.timeout(10)


def nested(depth: int, *, lists: bool = False) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


DEEP = obj(free=nested(1_000))
DEEP_LIST = obj(free={"a": nested(1_000, lists=True)})
FIELDS = [{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]
ME = writer("me")


def with_fields(depth: int) -> Object:
    fields: Any = {}
    for _ in range(depth):
        fields = {"f:a": fields}
    return obj(text="b", metadata={"managedFields": [{**FIELDS[0], "fieldsV1": fields}]})


DEEP_CALLS: list[Callable[[], Any]] = [
    lambda: apply_json_patch({}, [{"op": "add", "path": "/a", "value": DEEP}]),
    lambda: apply_json_patch(DEEP, [{"op": "test", "path": "", "value": DEEP_LIST}]),
    lambda: apply_json_patch({}, [{"op": "add", "path": "/a" * 100_000, "value": 1}]),
    lambda: apply_merge_patch({}, DEEP),
    lambda: apply_merge_patch(DEEP, DEEP),
    lambda: apply_strategic_patch({}, DEEP, WIDGET),
    lambda: apply_strategic_patch(DEEP, DEEP_LIST, WIDGET),
    lambda: update_managers(None, DEEP, WIDGET, ME),
    lambda: update_managers(with_fields(0), DEEP, WIDGET, ME),
    lambda: apply(None, DEEP, WIDGET, ME),
    lambda: apply(DEEP, obj(), WIDGET, ME),
    lambda: apply(None, DEEP_LIST, WIDGET, ME),
]


@pytest.mark.parametrize("call", DEEP_CALLS)
def test_deep_nesting_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ApiError) as refused:
        call()
    assert refused.value.code in (400, 422)


def test_deep_nesting_inside_a_leaf_is_no_matter() -> None:
    assert owners(update_managers(None, DEEP_LIST, WIDGET, ME)) == {"me*": [".free", ".free.a"]}


def test_allowed_depth_works_everywhere() -> None:
    deep = obj(free=nested(MAX_PATCH_DEPTH - 2))
    assert apply_json_patch({}, [{"op": "add", "path": "/free", "value": deep["free"]}])
    assert apply_merge_patch({}, deep) == apply_strategic_patch({}, deep, WIDGET) == deep
    live = apply(None, deep, WIDGET, ME).object
    assert owners(update_managers(live, obj(text="b"), WIDGET, writer("you")))
    assert apply(live, obj(free=nested(MAX_PATCH_DEPTH - 3)), WIDGET, writer("me")).object


def test_deep_fields_from_a_client_are_ignored() -> None:
    live = obj(
        text="a", metadata={"managedFields": update_managers(None, obj(text="a"), WIDGET, ME)}
    )
    held = update_managers(live, with_fields(5_000), WIDGET, writer("you"))
    assert owners(held) == {"you*": [".text"]}


def test_nesting_by_many_moves_is_refused() -> None:
    operations: list[Any] = [{"op": "add", "path": "/a", "value": {}}]
    for _ in range(MAX_PATCH_DEPTH):
        operations += [
            {"op": "add", "path": "/b", "value": {}},
            {"op": "move", "from": "/a", "path": "/b/a"},
            {"op": "move", "from": "/b", "path": "/a"},
        ]
    with pytest.raises(ApiError, match="nested too deeply"):
        apply_json_patch({}, operations)


def test_copies_that_double_are_refused() -> None:
    operations = [{"op": "copy", "from": "/a", "path": f"/a/{each}"} for each in range(100)]
    with pytest.raises(ApiError, match="error in our request"):
        apply_json_patch({"a": {"x": "y" * 1000}}, operations)


def test_moving_a_long_list_about_is_refused() -> None:
    operations = [{"op": "add", "path": "/0", "value": 1}] * (MAX_OPERATIONS - 1)
    with pytest.raises(ApiError, match="error in our request"):
        apply_json_patch(
            {"a": 1}, [{"op": "replace", "path": "", "value": [0] * 500_000}, *operations]
        )


def test_many_operations_are_done() -> None:
    adds = [{"op": "add", "path": f"/{each}", "value": each} for each in range(MAX_OPERATIONS)]
    assert len(apply_json_patch({}, adds)) == MAX_OPERATIONS
    appends = [{"op": "add", "path": "/l/-", "value": 1}] * MAX_OPERATIONS
    assert len(apply_json_patch({"l": []}, appends)["l"]) == MAX_OPERATIONS


def test_long_lists_take_no_square_of_time() -> None:
    many = [{"name": f"n{each}"} for each in range(5_000)]
    values = [f"v{each}" for each in range(5_000)]
    names = {"metadata": {"finalizers": values[::-1], "$setElementOrder/finalizers": values[::-1]}}
    patched = apply_strategic_patch({"metadata": {"finalizers": values}}, names, CONFIG_MAP)
    assert patched["metadata"]["finalizers"] == values[::-1]
    gone = {"metadata": {"$deleteFromPrimitiveList/finalizers": values}}
    assert apply_strategic_patch(patched, gone, CONFIG_MAP) == {"metadata": {}}
    reverse = {"secrets": many[::-1], "$setElementOrder/secrets": many[::-1]}
    assert (
        apply_strategic_patch({"secrets": many}, reverse, SERVICE_ACCOUNT)["secrets"][0] == many[-1]
    )
    live = apply(None, obj(items=many), WIDGET, ME).object
    assert apply(live, obj(items=many[::-1]), WIDGET, ME).object["items"] == many[::-1]
    assert apply(live, obj(items=many[::2]), WIDGET, ME).object["items"] == many[::2]
