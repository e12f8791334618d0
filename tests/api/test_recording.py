"""Whose trace goes on here."""

import pytest

from kcpfast.api.pages.recording import may_continue_trace
from kcpfast.meta.user import User


@pytest.mark.parametrize(
    ("group", "continues"),
    [
        ("system:masters", True),
        ("system:monitoring", True),
        ("system:authenticated", False),
        ("system:kcp:admin", False),
    ],
)
def test_who_may_continue_a_trace(group: str, continues: bool) -> None:
    assert may_continue_trace(User("ann", groups=("system:authenticated", group))) is continues
