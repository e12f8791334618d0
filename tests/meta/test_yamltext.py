"""YAML as Kubernetes reads it, by rows that sigs.k8s.io/yaml was asked, and as nobody should."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kcpfast.meta.yamltext import reader
from kcpfast.meta.yamltext.reader import Spelled, read, read_all, read_spelled
from kcpfast.meta.yamltext.scalars import YamlError
from kcpfast.meta.yamltext.writer import write, write_kept
from tests.fix_cli import KUBECONFIG

SCALARS: list[tuple[str, object]] = [
    # text
    ("a", "a"), ("'1'", "1"), ('"true"', "true"), ("1.2.3", "1.2.3"), ("v1", "v1"),
    ("|\n  a\n  b\n", "a\nb\n"), (">-\n  a\n  b\n", "a b"), ("1 000", "1 000"), ("--1", "--1"),
    ("=", "="), ("=~", "=~"), ("<<", "<<"), ("50cent_of_dollar", "50cent_of_dollar"),
    # words
    ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
    ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("Yes", True), ("yES", "yES"),
    ("y", True), ("Y", True), ("n", False), ("N", False), ("on", True), ("On", True), ("oN", "oN"),
    ("off", False), ("OFF", False), ("no", False), ("NO", False), ("FALSE", False),
    # integers
    ("1", 1), ("-1", -1), ("+1", 1), ("0", 0), ("-0", 0), ("1_000", 1000), ("1__0_", 10),
    ("_1", "_1"), ("017", 15), ("-017", -15), ("0_7", 7), ("08", 8), ("0o17", 15), ("0O17", 15),
    ("-0o17", -15), ("0o18", "0o18"), ("0o", "0o"), ("0x1F", 31), ("0X1f", 31), ("+0x1f", 31),
    ("0x_1", 1), ("0x", "0x"), ("0b101", 5), ("0B11", 3), ("-0b11", -3), ("0b-1", -1),
    ("0b2", "0b2"),
    ("9223372036854775808", 1 << 63), ("18446744073709551615", (1 << 64) - 1),
    ("18446744073709551616", float(1 << 64)), ("-9223372036854775808", -1 << 63),
    ("+9223372036854775808", float(1 << 63)), ("0xffffffffffffffff", (1 << 64) - 1),
    ("0x1ffffffffffffffff", "0x1ffffffffffffffff"), ("07" + "7" * 29, 7.777777777777778e29),
    ("0b" + "1" * 65, "0b" + "1" * 65), ("0" * 100 + "10", 8), ("0x" + "0" * 100 + "1f", 31),
    # floats
    ("1.5", 1.5), ("1.", 1), (".5", 0.5), ("-.5", -0.5), ("+.5", 0.5), ("1e3", 1000),
    ("1E+3", 1000),
    ("1.5e-3", 0.0015), ("1_0.5", 10.5), ("1e1_0", 10**10), (".5_0", 0.5), ("._5", "._5"),
    (".5_", ".5_"), ("1e400", "1e400"), (".1e400", ".1e400"), ("1e-400", 0), ("1e", "1e"),
    ("0x1p-2", "0x1p-2"), ("inf", "inf"), ("NaN", "NaN"), (".iNF", ".iNF"), ("+.nan", "+.nan"),
    # neither base 60 nor times
    ("1:30", "1:30"), ("190:20:30.15", "190:20:30.15"), ("2024-01-01", "2024-01-01"),
    ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
    # tags
    ("!!str 1", "1"), ("!!str yes", "yes"), ("!!str", ""), ("! 1", "1"), ("!foo yes", "yes"),
    ("!!foo 1", "1"), ("!!value 1", "1"), ("!!int '1'", 1), ("!!int 0x1F", 31), ("!!float 1", 1),
    ("!!float '1.5'", 1.5), ("!!bool 'y'", True), ("!!null ''", None), ("!!binary aGk=", "hi"),
    ("!!binary |\n  aG\n  k=\n", "hi"), ("!!binary /w==", "\ufffd"),
    ("!!timestamp '2024-01-01'", "2024-01-01"),
    ("!!timestamp 2024-1-2 3:4:5.6", "2024-1-2 3:4:5.6"),
    ("!!timestamp 0000-02-29T1:2:3,4+24:00", "0000-02-29T1:2:3,4+24:00"),
    ("!<tag:yaml.org,2002:int> '3'", 3), ("!!set {a, b}", {"a": None, "b": None}),
    ("!!omap [a: 1]", [{"a": 1}]), ("!!str [1]", [1]), ("!!map [1]", [1]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_read_as_by_kubernetes(text: str, value: object) -> None:
    scalar = read(f"k: {text}".encode())["k"]
    assert scalar == value
    assert isinstance(scalar, bool) == isinstance(value, bool)


@pytest.mark.parametrize("text", ["1e3", "1.", "100.0", "-0.0", "1.5e18", "!!float 1"])
def test_whole_floats_are_integers(text: str) -> None:
    """They have no point in the JSON that is made of them."""
    assert type(read(f"k: {text}")["k"]) is int


def test_of_a_large_float_the_digits_count() -> None:
    assert read("k: 9007199254740993.0e2")["k"] == 900719925474099300
    assert type(read("k: 1e19")["k"]) is float


KEYS = [
    ("1", "1"), ("0x10", "16"), ("1.5", "1.5"), ("1e3", "1000"), ("1e6", "1e+06"),
    ("1e-5", "1e-05"),
    ("0.3333333333333333", "0.33333334"), ("123456.5", "123456.5"),
    ("123456789.0", "1.2345679e+08"),
    ("1e40", ".inf"), ("-1e40", "-.inf"), ("3.4028235e38", "3.4028235e+38"), ("-0.0", "-0"),
    (".inf", ".inf"), (".nan", ".nan"), ("true", "true"), ("yes", "true"), ("n", "false"),
    ("2024-01-01", "2024-01-01"), ("=", "="), ("'<<'", "<<"), ("!!binary aGk=", "hi"),
    ("!!str 1", "1"), ("-9223372036854775808", "-9223372036854775808"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), KEYS)
def test_keys_are_named_as_by_kubernetes(text: str, name: str) -> None:
    assert read(f"{text}: a") == {name: "a"}


DOCUMENTS: list[tuple[str, Any]] = [
    ("", None),
    ("# nothing\n", None),
    ("[a, {b: c}]", ["a", {"b": "c"}]),
    ("a:\n-", {"a": [None]}),
    ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
    ("a: 1\na: 2\n", {"a": 2}),
    ("---\na: 1\n---\nb: 2\n", {"a": 1}),
    ("%YAML 1.1\n---\na: 1\n", {"a": 1}),
    ("a: 1\n...\n}x", {"a": 1}),
    ('{"a": "\\u00e9", "b": [1, 2.5, null]}', {"a": "é", "b": [1, 2.5, None]}),
    ("\ufeffa: 1", {"a": 1}),
    # aliases
    ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 1}}),
    ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    ("&a k: *a", {"k": "k"}),
    ("a: &x [&x 1]\nb: *x", {"a": [1], "b": 1}),
    # merges: what is set last counts
    ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    ("a: &x {b: 1}\nd: {b: 2, <<: *x}\n", {"a": {"b": 1}, "d": {"b": 1}}),
    ("<<: [{a: 1, b: 1}, {a: 2, c: 2}]", {"a": 1, "b": 1, "c": 2}),
    ("<<: {a: 1}\n<<: {a: 2}", {"a": 2}),
    ("!!merge <<: {a: 1}", {"a": 1}),
    ("'<<': {a: 1}", {"<<": {"a": 1}}),
]


@pytest.mark.parametrize(("text", "value"), DOCUMENTS)
def test_documents_are_read(text: str, value: object) -> None:
    assert read(text.encode()) == value
    assert read(text) == value


def test_all_documents_are_read() -> None:
    assert read_all("a: 1\n---\n---\n- b\n") == [{"a": 1}, None, ["b"]]
    assert read_all(b"") == []
    with pytest.raises(YamlError, match="unknown anchor 'x'"):
        read_all("a: &x 1\n---\nb: *x\n")


REPEATED = [
    ("a: 1\na: 2", ['line 2: key "a" already set in map']),
    ("a: 1\nb:\n  c: 1\n  c: 2\na: 2",
     ['line 4: key "c" already set in map', 'line 5: key "a" already set in map']),
    ("a:\n- {b: 1, b: 2}", ['line 2: key "b" already set in map']),
    ("a:\n  1\na:\n  2", ['line 4: key "a" already set in map']),
    ('"a\\"b": 1\na"b: 2', ['line 2: key "a\\"b" already set in map']),
    ("yes: 1\ntrue: 2", ["line 2: key true already set in map"]),
    ("1: 1\n0x1: 2", ["line 2: key 1 already set in map"]),
    ("a: &x {b: 1}\nc:\n  b: 2\n  <<: *x", ['line 1: key "b" already set in map']),
    ("a: &x {b: 1}\n<<: *x\nb: 2", ['line 3: key "b" already set in map']),
    ("a: 1\n---\na: 1", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REPEATED)
def test_repeated_keys_are_told(text: str, said: list[str]) -> None:
    repeated: list[str] = []
    read(text, repeated)
    assert repeated == said


REFUSED = [
    ("k: .inf", "json: unsupported value: +Inf"),
    ("k: -.INF", "json: unsupported value: -Inf"),
    ("k: .nan", "json: unsupported value: NaN"),
    ("k: !!int 1.5", "yaml: cannot decode !!float `1.5` as a !!int"),
    ("k: !!int ''", "yaml: cannot decode !!null `` as a !!int"),
    ("k: !!int 2024-01-01", "yaml: cannot decode !!str `2024-01-01` as a !!int"),
    ("k: !!float x", "yaml: cannot decode !!str `x` as a !!float"),
    ("k: !!float 9223372036854775808",
     "yaml: cannot decode !!int `9223372036854775808` as a !!float"),
    ("k: !!bool 1", "yaml: cannot decode !!int `1` as a !!bool"),
    ("k: !!null x", "yaml: cannot decode !!str `x` as a !!null"),
    ("k: !!timestamp 2023-02-29", "yaml: cannot decode !!str `2023-02-29` as a !!timestamp"),
    ("k: !!timestamp 2024-01-01T24:00:00Z",
     "yaml: cannot decode !!str `2024-01-01T24:00:00Z` as a !!timestamp"),
    ("k: !!binary aG k=", "yaml: !!binary value contains invalid base64 data"),
    ("~: 1", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 1"),
    ("18446744073709551615: 1", "unsupported map key: 18446744073709551615"),
    ("? [a]\n: b", 'yaml: invalid map key: []interface {}{"a"}'),
    ("a: &x {b: c}\n*x : 1", 'yaml: invalid map key: map[interface {}]interface {}{"b":"c"}'),
    ("{<<: 1}", "yaml: map merge requires map or sequence of maps as the value"),
    ("{<<: }", "yaml: map merge requires map or sequence of maps as the value"),
    ("{<<: [[{a: 1}]]}", "yaml: map merge requires map or sequence of maps as the value"),
    ("a: &x [{}]\nb: {<<: *x}", "yaml: map merge requires map or sequence of maps as the value"),
    ("a: *nobody", "yaml: unknown anchor 'nobody' referenced"),
    ("a: &a [*a]", "yaml: anchor 'a' value contains itself"),
    ("%YAML 1.2\n---\na: 1", "yaml: found incompatible YAML document"),
    ("a: b: c", "yaml: mapping values are not allowed in this context"),
    ("a: 'unclosed", "yaml: found unexpected end of stream"),
    ("- a\nb: c\n", "yaml: line 1: did not find expected '-' indicator"),
    ("a: |\n\tx", "yaml: line 2: found a tab character where an indentation space is expected"),
    ("%TAG ! x\n", "yaml: line 1: did not find expected <document start>"),
    ("\tx", "yaml: found character that cannot start any token"),
    ("a: \x00", "yaml: control characters are not allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_has_no_json_is_refused(text: str, said: str) -> None:
    with pytest.raises(YamlError) as caught:
        read(text.encode())
    assert str(caught.value) == said


def bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


def merging_bomb(levels: int) -> bytes:
    keys = ", ".join(f"k{n}: 1" for n in range(1000))
    lines = [f"a: &a {{{keys}}}", *(f"b{n}: {{<<: *a}}" for n in range(levels))]
    return "\n".join(lines).encode()


HOSTILE = [
    bomb(9),
    bomb(6),
    merging_bomb(2000),
    b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a," * 20 + b"]",
    b"a: &a {? " + b"x" * 1000 + b" : }\nb: [" + b"*a," * 2000 + b"]",
    b"a: &a [" + b"x" * 100_000 + b"]\nb: &b [*a, *a]\nc: [" + b"*b," * 10 + b"]",
    b"a: &a {b: " + b"x" * 1000 + b"}\nb: [" + b"{<<: *a}," * 2000 + b"]",
    b"[" * 100_000,
    b"- " * 100_000,
    b"? " * 100_000,
    b"a: {" * 10_000,
    b"\xff\xfe\x00",
    b"a: \xff",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_at_once(text: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(YamlError):
        read(text)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("digits", ["9", "0x1", "1.", "1e", ".", "-"])
def test_a_number_of_many_digits_takes_no_time(digits: str) -> None:
    begun = time.process_time()
    read(f"k: {digits}{'1' * 100_000}")
    assert time.process_time() - begun < 2


def test_large_text_is_read_in_time() -> None:
    text = b"\n".join(b"k%d: {a: b, c: 'x%d'}" % (number, number) for number in range(50_000))
    begun = time.process_time()
    assert len(read(text)) == 50_000
    assert time.process_time() - begun < 4


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["yes", "1e5", "0x1f", "1_0", "12:30", "~", "null", "y", " a", "a: b", "a #b",
                     "0o17", "=", "<<", "-", "2024-01-01", "a\nb", "a \n", "\n", "é"]),
)  # fmt: skip
VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), TEXTS, st.integers(-(1 << 63), 1 << 63)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS: Any = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)


@given(MAPPINGS)
def test_what_is_written_is_read_back_by_all(value: dict[str, Any]) -> None:
    written = write(value)
    assert read(written) == value
    assert yaml.safe_load(written) == value
    assert read(write_kept(value)) == value


@pytest.mark.parametrize("text", ["y", "N", "1e3", "0o17", "1_000", "off", "~", "5", "-1", "=", "<",
                                  ".inf", "2024-01-01", "1:30", "null", ""])  # fmt: skip
def test_quotes_are_where_somebody_needs_them(text: str) -> None:
    assert write({"a": text}) == f"a: '{text}'\n".encode()


def test_a_kubeconfig_is_written_as_it_was() -> None:
    text = KUBECONFIG.format(url="https://127.0.0.1:6443").encode()
    assert write_kept(read_spelled(text)) == text
    long = {"user": {"token": "x " * 100, "b": "-ylHsUz", "a": "_g-h"}}
    assert write_kept(long).count(b"\n") == 4


@pytest.mark.parametrize(
    "line",
    ["a: 5", "a: 1.50", "a: 2024-01-01T00:00:00Z", "a: 0o17", "a: -3", "a:\n- 1e9", "a: 1.5e+3",
     "a: y", "a: =", "a: .inf", "1: a", "a: true", "a: null"],
)  # fmt: skip
def test_what_is_no_text_stays_as_spelled(line: str) -> None:
    assert write_kept(read_spelled(line)).decode() == line + "\n"


def test_what_is_spelled_is_known_by_its_type() -> None:
    value = read_spelled("{a: 5, b: x, c: on, d: '5', e: !!str 5}")
    assert value == {"a": "5", "b": "x", "c": True, "d": "5", "e": "5"}
    assert [type(item) for item in value.values()] == [Spelled, str, bool, str, str]


@pytest.mark.parametrize("text", ["a: !!binary YQ==", "a: !x b", "a: !x [b]", "a: [", "? [a]\n: b"])
def test_what_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_spelled(text)


def test_infinity_is_a_word_of_yaml_only() -> None:
    assert yaml.safe_load(write({"a": math.inf})) == {"a": math.inf}


def outcome(text: bytes | str) -> object:
    try:
        return read(text)
    except YamlError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        *(text for text, _ in DOCUMENTS),
        "a: [1, 2]\nb: {c: d}\n" * 3,
        "a: é\n".encode() * 20_000,
        b"a: \xff\n" * 20_000,
        "a: 'b\n" * 20_000,
        "a: \ud800" * 20_000,
    ],
)
def test_large_text_is_read_in_pieces(text: bytes | str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which lets others run: each piece is asked for by a call of the interpreter."""
    whole = outcome(text)
    monkeypatch.setattr(reader, "_LARGE", -1)
    asked = list[int]()
    take = reader._Pieces.read

    def noted(pieces: reader._Pieces, size: int) -> bytes | str:
        asked.append(size)
        return take(pieces, size)

    monkeypatch.setattr(reader._Pieces, "read", noted)
    assert outcome(text) == whole
    assert max(asked) <= 32 * 1024
