"""How much of the loop's time an object of a kind is expected to cost."""

from __future__ import annotations

import pytest

from kcpfast.kcp.kinds import system_kinds
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.work.aside import SMALL

KINDS = BY_PLACE | dict(system_kinds())


@pytest.mark.parametrize(
    ("place", "beside"),
    [
        (("apiextensions.k8s.io", "v1", "customresourcedefinitions"), True),
        (("apis.kcp.io", "v1alpha1", "apiresourceschemas"), True),
        (("", "v1", "configmaps"), False),
        (("apis.kcp.io", "v1alpha2", "apibindings"), False),
    ],
)
def test_a_small_object_that_defines_a_kind_is_compiled_beside_the_loop(
    place: tuple[str, str, str], beside: bool
) -> None:
    """Whatever its size: its patterns take twenty milliseconds each."""
    assert (KINDS[place].weigh(500) > SMALL) is beside
