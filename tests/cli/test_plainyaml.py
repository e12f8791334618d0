"""The small YAML reader agrees with PyYAML or declines; the small writer is read back the same."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcpfast.cli.client.plainyaml import Declined, Plain, read, write
from kcpfast.cli.client.yamltext import dump, load_kept, load_typed
from tests.fix_cli import KUBECONFIG

BITS = st.sampled_from(
    ["a", "name", "- ", "-", ": ", ":", "\n", "\n  ", "  ", "x1", "1", "true", "~", '"', "'", "#",
     " #c", "{}", "[]", "|", "&a", "1e5", "0x1", "2001-01-01", "\t", "\\", "yes", "7gh", "é", "---",
     "-gh", "_gh"]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["yes", "1e5", "0x1f", "1_0", "12:30", "~", "null", "y", " a", "a: b", "a #b"]),
)
VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
DOCUMENTS: Any = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)


@given(st.lists(BITS, max_size=25).map("".join))
def test_read_agrees_or_declines(text: str) -> None:
    try:
        found = read(text)
    except Declined:
        return
    assert found == load_kept(text)
    assert not isinstance(found, Plain)


@given(DOCUMENTS)
def test_write_is_read_back(document: dict[str, Any]) -> None:
    text = write(document)
    assert load_kept(text) == document
    assert yaml.safe_load(text) == document


@given(DOCUMENTS)
def test_read_knows_what_write_wrote(document: dict[str, Any]) -> None:
    text = write(document)
    try:
        assert read(text) == document
    except Declined:
        assert not text.isascii() or any(mark in text for mark in "\"'") or "\\" in text


def test_read_takes_our_kubeconfigs() -> None:
    text = KUBECONFIG.format(url="https://127.0.0.1:6443")
    for token in ("-ylHsUz", "_g-h", "9gh"):
        assert read(f"token: {token}") == {"token": token}
    document = read(text)
    assert document == yaml.safe_load(text)
    assert write(document) == text


@pytest.mark.parametrize(
    "line",
    ["a: 5", "a: 1.50", "a: 2024-01-01T00:00:00Z", "a: 0o17", "a: -3", "a:\n- 1e9", "a: 1.5e+3"],
)
def test_numbers_and_times_stay_as_spelled(line: str) -> None:
    assert write(load_kept(line)) == line + "\n"


@pytest.mark.parametrize("text", ["a: !!binary YQ==", "a: !x b", "a: [", "? [a]\n: b"])
def test_what_no_kubeconfig_holds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        load_kept(text)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("1e3", 1000.0),
        ("'1e3'", "1e3"),
        ("2022-05-07", "2022-05-07"),
        ("12:30", "12:30"),
        ("0o17", "0o17"),
        ("0x1f", 31),
        ("1e3abc", "1e3abc"),
        ("yes", True),
    ],
)
def test_manifests_are_read_as_kubectl_does(line: str, value: object) -> None:
    assert load_typed(f"a: {line}".encode()) == [{"a": value}]


@given(DOCUMENTS)
def test_dump_is_read_back(document: dict[str, Any]) -> None:
    assert load_typed(dump(document)) == [document]


@pytest.mark.parametrize(
    "text", ["y", "N", "1e3", "0o17", "1_000", "off", "~", "5", "-1", "=", "<"]
)
def test_dump_quotes_what_others_misread(text: str) -> None:
    assert dump({"a": text}) in (f"a: '{text}'\n", f'a: "{text}"\n')
