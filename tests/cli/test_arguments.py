"""The grammar of command lines is pflag's."""

from typing import Any

import pytest

from kcpfast.cli.arguments import LIST, MANY, NUMBER, SECONDS, SWITCH, TEXT, Flag, duration, parse
from kcpfast.cli.failure import Failure

FLAGS = (
    Flag("name", "", TEXT, "n", "none"),
    Flag("full", "", SWITCH, "f"),
    Flag("quiet", "", SWITCH, "q"),
    Flag("claim", "", LIST),
    Flag("group", "", MANY),
    Flag("timeout", "", SECONDS, "", "30s"),
    Flag("count", "", NUMBER, "c"),
)


@pytest.mark.parametrize(
    ("line", "words", "given"),
    [
        ("", [], {}),
        ("a b", ["a", "b"], {}),
        ("a --name x b", ["a", "b"], {"name": "x"}),
        ("--name=x=y", [], {"name": "x=y"}),
        ("--name -", [], {"name": "-"}),
        ("- -n x", ["-"], {"name": "x"}),
        ("-nx", [], {"name": "x"}),
        ("-n=x", [], {"name": "x"}),
        ("-fqn x", [], {"full": True, "quiet": True, "name": "x"}),
        ("--full .. ", [".."], {"full": True}),
        ("--full=false -q=true", [], {"quiet": True}),
        ("--claim a,b --claim c", [], {"claim": ["a", "b", "c"]}),
        ("--group a,b --group c", [], {"group": ["a,b", "c"]}),
        ("--timeout 1m30s", [], {"timeout": 90}),
        ("-c 7", [], {"count": 7}),
        ("-- --name -x", ["--name", "-x"], {}),
    ],
)
def test_parse_line(line: str, words: list[str], given: dict[str, Any]) -> None:
    defaults = {"name": "none", "full": False, "quiet": False, "claim": [], "group": []}
    expected = {**defaults, "timeout": 30.0, "count": 0, **given}
    assert parse(line.split(), FLAGS) == (words, expected)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--nope", "unknown flag: --nope"),
        ("--nope=1", "unknown flag: --nope"),
        ("-x", "unknown shorthand flag: 'x' in -x"),
        ("-fx", "unknown shorthand flag: 'x' in -fx"),
        ("--name", "flag needs an argument: --name"),
        ("-n", "flag needs an argument: 'n' in -n"),
        ("--full=maybe", 'invalid argument "maybe" for "-f, --full" flag'),
        ("--timeout=soon", 'invalid argument "soon" for "--timeout" flag'),
        ("-c seven", 'invalid argument "seven" for "-c, --count" flag'),
    ],
)
def test_parse_refuses(line: str, text: str) -> None:
    with pytest.raises(Failure) as caught:
        parse(line.split(), FLAGS)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30", 30), ("1h2m3.5s", 3723.5), ("250ms", 0.25), (".5s", 0.5)],
)
def test_duration_is_gos(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1x", "s", "-1s", "1s2", "1 s"])
def test_duration_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)
