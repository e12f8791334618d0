"""Which form an answer takes, by the Accept header."""

from __future__ import annotations

import pytest

from kcpfast.api.negotiate import JSON, PROTOBUF, YAML, MediaForm, negotiate
from kcpfast.meta.errors import ApiError

META = ";as={};g=meta.k8s.io;v=v1"
TABLE, ONE, MANY = (
    META.format(kind) for kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
)
LIST = MediaForm(JSON, "PartialObjectMetadataList")
METADATA = MediaForm(JSON, "PartialObjectMetadata")
FORMS: list[tuple[str, str, MediaForm | None, MediaForm | None]] = [
    # Accept, verb, form of a built-in kind, form of a custom one (None = 406)
    ("", "get", MediaForm(), MediaForm()),
    ("*/*", "get", MediaForm(), MediaForm()),
    ("application/*", "get", MediaForm(), MediaForm()),
    (YAML, "get", MediaForm(YAML), MediaForm(YAML)),
    (f"text/html, {JSON}", "get", MediaForm(), MediaForm()),
    (f"{JSON};q=0.5, {YAML}", "get", MediaForm(YAML), MediaForm(YAML)),
    ("text/html", "get", None, None),
    ("application/cbor", "get", None, None),
    (PROTOBUF, "get", MediaForm(PROTOBUF), None),
    (f"{PROTOBUF},{JSON}", "get", MediaForm(PROTOBUF), MediaForm()),
    (f"{PROTOBUF},{JSON}", "list", MediaForm(), MediaForm()),
    (f"{PROTOBUF},{JSON}", "watch", MediaForm(), MediaForm()),
    (PROTOBUF, "list", MediaForm(PROTOBUF), None),
    (JSON + TABLE, "list", MediaForm(JSON, "Table"), MediaForm(JSON, "Table")),
    (JSON + TABLE, "get", MediaForm(JSON, "Table"), MediaForm(JSON, "Table")),
    (YAML + TABLE, "list", MediaForm(YAML, "Table"), MediaForm(YAML, "Table")),
    (PROTOBUF + TABLE, "list", None, None),
    (f"{JSON}{TABLE},{JSON}", "list", MediaForm(JSON, "Table"), MediaForm(JSON, "Table")),
    (f"{JSON};as=Table;g=meta.k8s.io;v=v9,{JSON}", "list", MediaForm(), MediaForm()),
    (f"{JSON};as=Table;g=other;v=v1", "list", None, None),
    (f"{JSON};as=Chart;g=meta.k8s.io;v=v1", "list", None, None),
    (JSON + ONE, "get", METADATA, METADATA),
    (JSON + ONE, "list", None, None),
    (JSON + MANY, "get", None, None),
    (PROTOBUF + MANY, "list", LIST._replace(media=PROTOBUF), LIST._replace(media=PROTOBUF)),
    (f"{PROTOBUF}{MANY},{JSON}{MANY},{JSON}", "list", LIST, LIST),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "verb", "builtin", "custom"), FORMS)
def test_form_is_the_first_that_can_be_made(
    accept: str, verb: str, builtin: MediaForm | None, custom: MediaForm | None
) -> None:
    for is_builtin, wanted in ((True, builtin), (False, custom)):
        if wanted is not None:
            assert negotiate(accept, builtin=is_builtin, verb=verb) == wanted
            continue
        with pytest.raises(ApiError) as caught:
            negotiate(accept, builtin=is_builtin, verb=verb)
        assert caught.value.code == 406
