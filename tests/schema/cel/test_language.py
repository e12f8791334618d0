"""The language by area, one line each; test_agreed has many more."""

import math

import pytest

from kcpfast.schema.cel import CelError
from kcpfast.schema.cel.values import NO_VALUE, Duration, Optional, Uint

from . import evaluate

DATA = {"a": {"b": 1, "s": "x", "n": None}, "l": [3, 1, 2], "m": {"k": "v"}}

VALUES = {
    # arithmetic
    "1 + 2 * 3 - 4 / 2": 5,
    "-7 / 2": -3,
    "-7 % 2": -1,
    "7u - 2u": Uint(5),
    "1.0 / 0.0": math.inf,
    "duration('1h') + duration('30m')": Duration(5400 * 10**9),
    # comparison across numeric types
    "1 < 1.5 && 2u > 1 && dyn(1) == dyn(1.0)": True,
    "dyn(1) == dyn(true) || dyn('1') == 1": False,
    "[1, 2] == [1, 2] && {'a': [1]} == {'a': [1]}": True,
    "dyn(0.0 / 0.0) == dyn(0.0 / 0.0)": False,
    # logic: an error does not count when the other side decides
    "a.zz == 1 || true": True,
    "false && a.zz == 1": False,
    "a.zz == 1 || a.b == 1 || false": True,
    "[1, 2].exists(x, x / 0 == 1 || x == 2)": True,
    # strings
    "'héllo'.size() + b'é'.size()": 7,
    r"r'\d' + '\x41\u00e9\101\n'": "\\dAéA\n",
    "'%s is %d'.format(['x', 5])": "x is 5",
    "'a,b'.split(',').map(x, x.upperAscii()).join('-')": "A-B",
    # selection
    "a.b + a['b']": 2,
    "has(a.b) && !has(a.c) && has(a.n)": True,
    "'k' in m && 1 in l && !(true in [dyn(1)])": True,
    # optionals
    "a.?zz.?y.orValue(5)": 5,
    "a.?b.optMap(x, x + 1)": Optional(2),
    "m[?'zz']": NO_VALUE,
    "optional.of(1).orValue(1 / 0)": 1,
    "[?a.?b, ?a.?zz]": [1],
    # macros
    "l.all(x, x > 0) && l.exists_one(x, x == 3)": True,
    "l.map(x, x > 1, x * 2)": [6, 4],
    "l.transformMap(i, x, i + x)": {0: 3, 1: 2, 2: 4},
    "m.transformMapEntry(k, v, {v: k})": {"v": "k"},
    "l.sortBy(x, -x)": [3, 2, 1],
    "l.map(l, l)": [3, 1, 2],
    # libraries
    "l.sort() == [1, 2, 3] && l.sum() == 6": True,
    "quantity('1Gi').isGreaterThan(quantity('1G'))": True,
    "cidr('10.0.0.0/8').containsIP('10.1.2.3')": True,
    "semver('1.2.3-a').isLessThan(semver('1.2.3'))": True,
    "url('https://h:8/p?q=1').getPort()": "8",
    "format.dns1123Label().validate('ok').hasValue()": False,
}

ERRORS = {
    "9223372036854775807 + 1": "integer overflow",
    "1u - 2u": "unsigned integer overflow",
    "1 / 0": "division by zero",
    "a.zz": "no such key: zz",
    "l[3]": "index out of bounds: 3",
    "dyn('a') + 1": "no such overload",
    "a.zz == 1 || false": "no such key: zz",
    "optional.none().value()": "optional.none() dereference",
    "[].min()": "min called on empty list",
    "int(m.k)": "type conversion error from 'string' to 'int'",
    "'a'.substring(2)": "index out of range: 2",
}


@pytest.mark.parametrize(("source", "expected"), VALUES.items())
def test_value(source: str, expected: object) -> None:
    value = evaluate(source, DATA)
    if isinstance(expected, Optional) and expected is not NO_VALUE:
        assert isinstance(value, Optional)
        value, expected = value.held, expected.held
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("source", "message"), ERRORS.items())
def test_error(source: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        evaluate(source, DATA)
    assert caught.value.message == message
    assert not caught.value.cancelled


def test_zone_of_a_date() -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    if "America/New_York" not in zoneinfo.available_timezones():
        pytest.skip("no time zones on this machine")
    assert evaluate("timestamp('2020-01-01T00:00:00Z').getHours('America/New_York')") == 19
