"""What is said of a text that is no JSON: the words of Go's encoding/json, and its repairs."""

import json

import pytest

from kcpfast.api import gojson

# Texts, and what a kube-apiserver 1.36 (Go 1.26) said of them.
COMPLAINTS = [
    (b"", "unexpected end of JSON input"),
    (b"{", "unexpected end of JSON input"),
    (b"nul", "unexpected end of JSON input"),
    (b'"abc', "unexpected end of JSON input"),
    (b'{"a":}', "invalid character '}' looking for beginning of value"),
    (b"[1,]", "invalid character ']' looking for beginning of value"),
    (b"{,}", "invalid character ',' looking for beginning of object key string"),
    (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    (b'{"a" 1}', "invalid character '1' after object key"),
    (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
    (b"[1 2]", "invalid character '2' after array element"),
    (b"{} x", "invalid character 'x' after top-level value"),
    (b"01", "invalid character '1' after top-level value"),
    (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
    (b"-x", "invalid character 'x' in numeric literal"),
    (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
    (b"1ex", "invalid character 'x' in exponent of numeric literal"),
    (rb'"\q"', "invalid character 'q' in string escape code"),
    (rb'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
    (b'"a\tb"', r"invalid character '\t' in string literal"),
    (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
    (b"[" * 10_001, "exceeded max depth"),
]
REPAIRED = [
    (rb'"\ud800"', "\ufffd"),
    (rb'"\ud83d\ude00"', "\U0001f600"),
    (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
    (rb'"\\ud800"', r"\ud800"),
    (b'"\xff"', "\ufffd"),
]


@pytest.mark.parametrize(("text", "message"), COMPLAINTS)
def test_go_says(text: bytes, message: str) -> None:
    assert gojson.complaint(text) == message


@pytest.mark.parametrize("text", [b'{"a":[1,-2.5e+3,"\\u00e9\\n",true,false,null,{}]}', b" [] "])
def test_go_has_nothing_against_json(text: bytes) -> None:
    assert gojson.complaint(text) == ""


@pytest.mark.parametrize(("text", "value"), REPAIRED)
def test_characters_are_repaired(text: bytes, value: str) -> None:
    assert json.loads(gojson.repaired(text)) == value


def test_numbers_that_are_too_large() -> None:
    assert gojson.large_number(b'{"a":"1e999","b":[1, -1E400]}') == "-1E400"
    assert gojson.large_number(b'{"a":1e300}') == ""
