"""What a patch is refused for before it is applied; asked of a kube-apiserver 1.36."""

from __future__ import annotations

import json

import pytest

from tests.api.test_verbs import answer, warnings
from tests.fix_inside import CONFIG_MAPS, Inside, config_map

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
MAP = "Go value of type map[string]interface {}"
OPERATION = "Go struct field jsonPatchOp"
WRONG = [
    (MERGE, "{", "error decoding patch: unexpected end of JSON input"),
    (MERGE, "[]", f"error decoding patch: json: cannot unmarshal array into {MAP}"),
    (STRATEGIC, "1", f"error decoding patch: json: cannot unmarshal number into {MAP}"),
    (MERGE, "null", "Invalid JSON Patch"),
    (MERGE, '{"v":1e999}', "error decoding patch: json: cannot unmarshal number 1e999 into Go "
     "value of type float64"),
    (JSON_PATCH, "[] x", "error decoding patch: invalid character 'x' after top-level value"),
    (JSON_PATCH, "{}", "error decoding patch: json: cannot unmarshal object into Go value of type "
     "[]handlers.jsonPatchOp"),
    (JSON_PATCH, "[1]", "error decoding patch: json: cannot unmarshal number into Go value of type "
     "handlers.jsonPatchOp"),
    (JSON_PATCH, '[{"op":1}]', "error decoding patch: json: cannot unmarshal number into "
     f"{OPERATION}.op of type string"),
    (JSON_PATCH, '[{"op":"add","path":[]}]', "error decoding patch: json: cannot unmarshal array "
     f"into {OPERATION}.path of type string"),
    (MERGE, '{"metadata":{"name":"x"}}',
     "the name of the object (x) does not match the name on the URL (a)"),
    (JSON_PATCH, '[{"op":"remove","path":"/metadata/name"}]',
     "the name of the object (a based on URL) was undeterminable: name must be provided"),
    (MERGE, '{"metadata":{"namespace":"x"}}', "the namespace of the provided object does not match "
     "the namespace sent on the request"),
]  # fmt: skip
FAILING = [
    '[{"op":"sing","path":"/data"}]',
    '[{"op":"remove","path":"/data/none"}]',
    '[{"op":"test","path":"/none","value":1}]',
    '[{"op":"add","path":"data","value":"1"}]',
]


@pytest.mark.parametrize(("media", "body", "message"), WRONG)
async def test_what_is_no_patch(inside: Inside, media: str, body: str, message: str) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    got = await answer(inside, "PATCH", f"{CONFIG_MAPS}/a", body.encode(), content_type=media)
    assert (got.status, json.loads(got.body)["message"]) == (400, message)


@pytest.mark.parametrize("body", FAILING)
async def test_why_an_operation_fails_is_not_told(inside: Inside, body: str) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    got = await answer(inside, "PATCH", f"{CONFIG_MAPS}/a", body.encode(), content_type=JSON_PATCH)
    message = "the server rejected our request due to an error in our request"
    assert (got.status, json.loads(got.body)["message"]) == (422, message)


async def test_no_operations_change_nothing(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    got = await answer(inside, "PATCH", f"{CONFIG_MAPS}/a", b"null", content_type=JSON_PATCH)
    assert got.status == 200


async def test_members_of_an_operation_that_stand_twice(inside: Inside) -> None:
    await inside.create(CONFIG_MAPS, config_map("a"))
    body = b'[{"op":"add","path":"/data","value":{},"value":{"a":"b"}}]'
    got = await answer(inside, "PATCH", f"{CONFIG_MAPS}/a", body, content_type=JSON_PATCH)
    assert warnings(got) == ['299 - "json patch duplicate field \\"[0].value\\""']
