"""What admission sets belongs to nobody: who sets it next meets no conflict (KEP-555)."""

from __future__ import annotations

import json

import pytest

from tests.admission.test_rewriting import patched_by_policy
from tests.api.test_verbs import answer, warnings
from tests.fix_inside import CONFIG_MAPS, Inside, Json, config_map

APPLY = "application/apply-patch+yaml"


def sent(name: str, **data: str) -> bytes:
    return json.dumps(config_map(name) | {"apiVersion": "v1", "data": data}).encode()


def owned(obj: Json) -> dict[str, set[str]]:
    """Return which keys of data each manager owns."""
    entries = obj["metadata"].get("managedFields") or []
    return {
        entry["manager"]: {key for key in entry["fieldsV1"].get("f:data", {}) if key != "."}
        for entry in entries
    }


MERGE_PATCH = "application/merge-patch+json"
WRITES = [
    ("POST", f"{CONFIG_MAPS}?fieldManager=m", {}),
    ("PATCH", f"{CONFIG_MAPS}/new?fieldManager=m", {"content_type": APPLY}),
    ("PUT", f"{CONFIG_MAPS}/old?fieldManager=m", {}),
    ("PATCH", f"{CONFIG_MAPS}/old?fieldManager=m", {"content_type": MERGE_PATCH}),
    ("PATCH", f"{CONFIG_MAPS}/old?fieldManager=m", {"content_type": APPLY}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers"), WRITES)
async def test_a_policy_owns_nothing(
    inside: Inside, method: str, path: str, headers: dict[str, str]
) -> None:
    await inside.create(CONFIG_MAPS, config_map("old") | {"data": {"b": "0"}})
    await patched_by_policy(
        inside, "", "configmaps", "path: '/data/mode', value: 'auto'",
    )  # fmt: skip
    name = "old" if "/old" in path else "new"
    got = await answer(inside, method, path, sent(name, a="1"), **headers)
    assert got.status in (200, 201), got.body
    obj = json.loads(got.body)
    assert obj["data"]["mode"] == "auto"
    assert owned(obj).get("m") == {"f:a"}, obj
    other = f"{CONFIG_MAPS}/{name}?fieldManager=other"
    got = await answer(inside, "PATCH", other, sent(name, mode="manual"), content_type=APPLY)
    assert got.status == 200, got.body


async def test_a_record_that_cannot_be_read_is_put_back(inside: Inside) -> None:
    broken = "path: '/metadata/managedFields', value: [{'manager': 'x', 'operation': 'Sing'}]"
    await patched_by_policy(inside, "", "configmaps", broken)
    got = await answer(inside, "POST", f"{CONFIG_MAPS}?fieldManager=m", sent("new", a="1"))
    assert owned(json.loads(got.body)) == {"m": {"f:a"}}
    (warning,) = warnings(got)
    assert "managedFields was in an invalid state after admission" in warning
