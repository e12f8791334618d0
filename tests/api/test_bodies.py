"""What a body says twice, or says wrongly, in each form of it; asked of a kube-apiserver 1.36."""

from __future__ import annotations

import json

import pytest

from tests.api.test_verbs import answer, warnings
from tests.fix_inside import CONFIG_MAPS, Inside

TYPES = "/apis/tenancy.kcp.io/v1alpha1/workspacetypes"
HEAD = "apiVersion: tenancy.kcp.io/v1alpha1\nkind: WorkspaceType\nmetadata: {name: a}\n"
APPLY = "application/apply-patch+yaml"
STRICT = (
    'WorkspaceType in version "v1alpha1" cannot be handled as a WorkspaceType: strict decoding '
    "error: "
)
APPLIED = "error strict decoding YAML: error converting YAML to JSON: "
TWICE = [
    # what stands behind the head, what is said of it
    ("spec: {initializer: true, initializer: false}\n", ['line 4: key "initializer"']),
    ("spec: {}\nspec: {}\n", ['line 5: key "spec"']),
    ("kind: WorkspaceType\n", ['line 4: key "kind"']),
    ("spec: {}\nspec: {}\nspec: {}\n", ['line 5: key "spec"', 'line 6: key "spec"']),
]


@pytest.mark.parametrize(("rest", "said"), TWICE)
async def test_keys_of_yaml_that_stand_twice(inside: Inside, rest: str, said: list[str]) -> None:
    body = (HEAD + rest).encode()
    texts = [f"{text} already set in map" for text in said]
    errors = "yaml: unmarshal errors:" + "".join(f"\n  {text}" for text in texts)
    escaped = ['299 - "' + text.replace('"', r"\"") + '"' for text in texts]
    for method, path, media, strict in (
        ("POST", f"{TYPES}?dryRun=All", "application/yaml", STRICT + errors),
        ("PATCH", f"{TYPES}/a?dryRun=All&fieldManager=f", APPLY, APPLIED + errors),
    ):
        got = await answer(inside, method, path, body, content_type=media)
        assert (got.status, warnings(got)) == (201, escaped), got.body
        sent = f"{path}&fieldValidation=Ignore"
        got = await answer(inside, method, sent, body, content_type=media)
        assert (got.status, warnings(got)) == (201, [])
        sent = f"{path}&fieldValidation=Strict"
        got = await answer(inside, method, sent, body, content_type=media)
        assert (got.status, json.loads(got.body)["message"]) == (400, strict)


WRONG = [
    (b"{", "couldn't get version/kind; json parse error: unexpected end of JSON input ({)"),
    (b"", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
    (b"null", "Object 'Kind' is missing in 'null' (6e756c6c)"),
    (b'{"kind":""}', "Object 'Kind' is missing in '{\"kind\":\"\"}' ({\"kind\":\"\"})"),
    (b'{"a":1} x and what is longer than thirty', "couldn't get version/kind; json parse error: "
     "invalid character 'x' after top-level value ({\"a\":1} x and what is longer t ...)"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), WRONG)
async def test_what_is_no_object(inside: Inside, body: bytes, message: str) -> None:
    got = await answer(inside, "POST", TYPES, body)
    whole = f"the object provided is unrecognized (must be of type WorkspaceType): {message}"
    assert (got.status, json.loads(got.body)["message"]) == (400, whole)


async def test_nothing_is_an_object_of_a_kind_that_is_built_in(inside: Inside) -> None:
    got = await answer(inside, "POST", "/api/v1/namespaces", b"null")
    assert (got.status, json.loads(got.body)["message"]) == (
        422, 'Namespace "" is invalid: metadata.name: Required value: name or generateName is '
        "required",
    )  # fmt: skip


@pytest.mark.parametrize("text", [b"\xff", rb"\ud800"])
async def test_what_is_no_character_is_replaced(inside: Inside, text: bytes) -> None:
    body = b'{"metadata":{"name":"a"},"data":{"a":"%b"}}' % text
    got = await answer(inside, "POST", CONFIG_MAPS, body)
    assert (got.status, json.loads(got.body)["data"]) == (201, {"a": "\ufffd"})
