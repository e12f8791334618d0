"""What a claim offered and a claim answered come to."""

import pytest

from kcpfast.kcp import claims
from tests.fix_inside import Json


@pytest.mark.parametrize(
    ("offered", "accepted", "common"),
    [
        (["get", "list"], ["get", "list"], ["get", "list"]),
        (["get", "list"], ["list", "create"], ["list"]),
        (["*"], ["get"], ["get"]),
        (["get"], ["*"], ["get"]),
        (["*"], ["*"], ["*"]),
        (["get"], ["list"], []),
    ],
)
def test_verbs_are_those_of_both_sides(
    offered: list[str], accepted: list[str], common: list[str]
) -> None:
    assert claims.common_verbs(offered, accepted) == common


def answer(state: str = "Accepted", **more: object) -> Json:
    return {"group": "", "resource": "secrets", "verbs": ["*"], "state": state, **more}


OFFER = {"group": "", "resource": "secrets", "verbs": ["get"]}


@pytest.mark.parametrize(
    ("offers", "answers", "verbs", "unknown"),
    [
        ([OFFER], [answer()], [["get"]], 0),
        ([OFFER], [answer("Rejected")], [], 0),
        ([OFFER], [], [], 0),
        ([], [answer()], [], 1),
        ([], [answer("Rejected")], [], 0),
        ([OFFER], [answer(identityHash="abc")], [], 1),
        ([OFFER | {"identityHash": ""}], [answer()], [["get"]], 0),
    ],
)
def test_a_claim_is_in_force_when_both_sides_name_it(
    offers: list[Json], answers: list[Json], verbs: list[list[str]], unknown: int
) -> None:
    assert [each["verbs"] for each in claims.in_force(offers, answers)] == verbs
    assert len(claims.unknown(offers, answers)) == unknown


def test_both_groups_of_events_are_one_storage() -> None:
    core, new = ({"group": group, "resource": "events"} for group in ("", "events.k8s.io"))
    assert claims.storage(core) == claims.storage(new)
