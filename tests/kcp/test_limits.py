"""Lists in kcp's own kinds that the server goes over itself are not longer than it can bear."""

from __future__ import annotations

from typing import Any

import pytest

from kcpfast.kcp.admit.limits import TABLE
from tests.fix_inside import Inside, Json

KINDS = {
    "workspacetypes": ("tenancy.kcp.io/v1alpha1", "WorkspaceType"),
    "apiexports": ("apis.kcp.io/v1alpha2", "APIExport"),
    "apibindings": ("apis.kcp.io/v1alpha2", "APIBinding"),
    "apiresourceschemas": ("apis.kcp.io/v1alpha1", "APIResourceSchema"),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
}
ROWS = [(plural, path, most) for (_, plural), rows in TABLE.items() for path, most in rows.items()]


def holding(path: str, value: Any) -> Json:
    for member in reversed(path.split(".")):
        value = {member: value}
    return dict(value)


@pytest.mark.parametrize(("plural", "path", "most"), ROWS)
async def test_a_list_that_is_too_long_is_refused_by_name(
    inside: Inside, plural: str, path: str, most: int
) -> None:
    version, kind = KINDS[plural]
    if path.endswith("latestResourceSchemas"):
        version = "apis.kcp.io/v1alpha1"
    long: Any = [{"name": f"n{n}"} for n in range(most + 1)]
    if path.endswith("Labels"):
        long = {f"l{n}": "v" for n in range(most + 1)}
    elif path.endswith("Schemas"):
        long = [f"v1.r{n}.example.com" for n in range(most + 1)]
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": "long"}}
    answer = await inside.send(
        "POST", f"{inside.at}/apis/{version}/{plural}?fieldValidation=Ignore",
        obj | holding(path, long),
    )  # fmt: skip
    assert answer.status == 422
    wanted = f"{path}: Too many: {most + 1}: must have at most {most} items"
    assert wanted in answer.body["message"]


async def test_types_that_extend_types_are_not_followed_for_ever(inside: Inside) -> None:
    """A hundred in one, or one after the other."""
    types = f"{inside.at}/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
    head = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType"}
    for number in range(103):
        with_ = [{"name": f"t{number - 1}"}] if number else []
        body = head | {"metadata": {"name": f"t{number}"}, "spec": {"extend": {"with": with_}}}
        await inside.create(types, body)
    space = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
    spec = {"type": {"name": "t102"}}
    answer = await inside.send(
        "POST",
        f"{inside.at}/apis/tenancy.kcp.io/v1alpha1/workspaces",
        space | {"metadata": {"name": "deep"}, "spec": spec},
    )
    assert answer.status == 403
    assert ":t102 extends more than 100 types" in answer.body["message"]
