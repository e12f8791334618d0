"""Which form an answer takes, by the Accept header."""

from __future__ import annotations

import pytest

from kcpfast.api.negotiate import JSON, PROTOBUF, YAML, Form, negotiate
from kcpfast.meta.errors import ApiError

META = ";as={};g=meta.k8s.io;v=v1"
TABLE, ONE, MANY = (
    META.format(kind) for kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
)
LIST = Form(JSON, "PartialObjectMetadataList")
FORMS: list[tuple[str, str, Form | None, Form | None]] = [
    # Accept, verb, form of a built-in kind, form of a custom one (None = 406)
    ("", "get", Form(), Form()),
    ("*/*", "get", Form(), Form()),
    ("application/*", "get", Form(), Form()),
    (YAML, "get", Form(YAML), Form(YAML)),
    (f"text/html, {JSON}", "get", Form(), Form()),
    (f"{JSON};q=0.5, {YAML}", "get", Form(YAML), Form(YAML)),
    ("text/html", "get", None, None),
    ("application/cbor", "get", None, None),
    (PROTOBUF, "get", Form(PROTOBUF), None),
    (f"{PROTOBUF},{JSON}", "get", Form(PROTOBUF), Form()),
    (f"{PROTOBUF},{JSON}", "list", Form(), Form()),
    (f"{PROTOBUF},{JSON}", "watch", Form(), Form()),
    (PROTOBUF, "list", Form(PROTOBUF), None),
    (JSON + TABLE, "list", Form(JSON, "Table"), Form(JSON, "Table")),
    (JSON + TABLE, "get", Form(JSON, "Table"), Form(JSON, "Table")),
    (YAML + TABLE, "list", Form(YAML, "Table"), Form(YAML, "Table")),
    (PROTOBUF + TABLE, "list", None, None),
    (f"{JSON}{TABLE},{JSON}", "list", Form(JSON, "Table"), Form(JSON, "Table")),
    (f"{JSON};as=Table;g=meta.k8s.io;v=v9,{JSON}", "list", Form(), Form()),
    (f"{JSON};as=Table;g=other;v=v1", "list", None, None),
    (f"{JSON};as=Chart;g=meta.k8s.io;v=v1", "list", None, None),
    (JSON + ONE, "get", Form(JSON, "PartialObjectMetadata"), Form(JSON, "PartialObjectMetadata")),
    (JSON + ONE, "list", None, None),
    (JSON + MANY, "get", None, None),
    (PROTOBUF + MANY, "list", LIST._replace(media=PROTOBUF), LIST._replace(media=PROTOBUF)),
    (f"{PROTOBUF}{MANY},{JSON}{MANY},{JSON}", "list", LIST, LIST),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "verb", "builtin", "custom"), FORMS)
def test_form_is_the_first_that_can_be_made(
    accept: str, verb: str, builtin: Form | None, custom: Form | None
) -> None:
    for is_builtin, wanted in ((True, builtin), (False, custom)):
        if wanted is not None:
            assert negotiate(accept, builtin=is_builtin, verb=verb) == wanted
            continue
        with pytest.raises(ApiError) as caught:
            negotiate(accept, builtin=is_builtin, verb=verb)
        assert caught.value.code == 406
