"""What clients are warned of, as kube-apiserver's recorder writes it."""

import pytest

from kcpfast.meta.warning import warning_values

LONG = "x" * 300


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ([], []),
        (["a"], ['299 - "a"']),
        (["a", "b", "a"], ['299 - "a"', '299 - "b"']),
        (["a\\b", 'say "a"'], ['299 - "a\\\\b"', '299 - "say \\"a\\""']),
        (["é…", "日本"], ['299 - "é…"', '299 - "日本"']),
        (["", "a\r\nSet-Cookie: b", "a\x00", "a\x7f", "a\x85", "\ud800", "b"], ['299 - "b"']),
        ([f"{n} {LONG}" for n in range(13)], [f'299 - "{n} {LONG}"' for n in range(13)]),
        (
            [f"{n:02d} {LONG}" for n in range(40)],
            [f'299 - "{f"{n:02d} {LONG}"[:256]}"' for n in range(16)],
        ),
    ],
)
def test_warnings(texts: list[str], values: list[str]) -> None:
    assert [value.decode() for value in warning_values(texts)] == values
