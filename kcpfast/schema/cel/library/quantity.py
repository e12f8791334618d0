"""Quantities: `quantity("1.5Gi").isGreaterThan(quantity("1G"))`.

Rules: k8s.io/apiserver/pkg/cel/library/quantity.go; reading and rounding as
k8s.io/apimachinery/pkg/api/resource, quantity.go. A quantity is held as a whole number of nanos,
because Kubernetes rounds anything smaller up.
"""

from __future__ import annotations

import re
from typing import Any

from ..base import INT_MAX, INT_MIN, CelError
from ..signatures import Row
from ..values import Opaque

NANO = 10**9
_QUANTITY = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(.*)", re.DOTALL)
_SUFFIX = re.compile(r"[eEinumkKMGTP]*[-+]?[0-9]*")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,4})")
# What one of each unit is, in nanos.
# fmt: off
_SUFFIXES = {
    "": NANO, "n": 1, "u": 10**3, "m": 10**6,
    "k": 10**12, "M": 10**15, "G": 10**18, "T": 10**21, "P": 10**24, "E": 10**27,
    "Ki": NANO << 10, "Mi": NANO << 20, "Gi": NANO << 30,
    "Ti": NANO << 40, "Pi": NANO << 50, "Ei": NANO << 60,
}
# fmt: on
_FORM = "quantities must match the regular expression"
_FORM += " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
# Kubernetes caps binary quantities at this value.
_CAP = INT_MAX * NANO
_MAX_LENGTH = 1000
# Up to this many digits Kubernetes holds a quantity as an int64 with a power of ten (int64Amount);
# a longer one is a big decimal, for which AsInt64 fails even if it is whole.
_EXACT_DIGITS, _EXACT_BINARY_DIGITS = 18, 14


class Quantity(Opaque):
    """An amount in nanos.

    `power` is the power of ten of the last digit as it was written. `exact` tells whether
    Kubernetes holds it as an int64 with a power of ten (see _EXACT_DIGITS): only then is
    isInteger() true and asInteger() possible.
    """

    cel_type = "kubernetes.Quantity"

    def __init__(self, nanos: int, power: int, exact: bool) -> None:
        """Hold the amount."""
        self.nanos = nanos
        self.power = power
        self.exact = exact

    def __eq__(self, other: object) -> bool:
        """Compare the amounts."""
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __hash__(self) -> int:
        """Hash the amount."""
        return hash(self.nanos)

    def plus(self, nanos: int, power: int, exact: bool) -> Quantity:
        """Return the sum with another amount."""
        return Quantity(self.nanos + nanos, min(power, self.power), exact and self.exact)


def _quantity(text: str) -> Quantity:
    """Return the quantity that a text is; CelError in the words of resource.ParseQuantity."""
    parts = _QUANTITY.fullmatch(text) if 0 < len(text) <= _MAX_LENGTH else None
    if parts is None or not _SUFFIX.fullmatch(parts.group(4)):
        raise CelError(_FORM)
    sign, whole, fraction, suffix = parts.groups(default="")
    exponent = _EXPONENT.fullmatch(suffix)
    unit = NANO if exponent is not None else _SUFFIXES.get(suffix)
    if unit is None:
        raise CelError("unable to parse quantity's suffix")
    binary = suffix.endswith("i")
    if binary and not whole + fraction:
        raise CelError("unable to parse numeric part of quantity")
    power = _exponent_of(exponent) - len(fraction)
    nanos = _scaled(int(whole + fraction or "0") * unit, power)
    if binary:
        nanos = min(nanos, _CAP)
    else:
        power += len(str(unit)) - len(str(NANO))
    exact = power >= -9 and _is_exact(whole.lstrip("0"), fraction, unit if binary else 0)
    return Quantity(-nanos if sign == "-" else nanos, power, exact)


def _exponent_of(exponent: re.Match[str] | None) -> int:
    """Return the power of ten of a suffix like e3, bounded so that no huge number is computed."""
    if exponent is None:
        return 0
    return max(-_MAX_LENGTH, min(_MAX_LENGTH, int(exponent.group(1))))


def _scaled(amount: int, power: int) -> int:
    """Return amount * 10**power, rounded away from zero as Kubernetes does; amount >= 0."""
    if power >= 0:
        return int(amount * 10**power)
    return int(-(-amount // 10**-power))


def _is_exact(whole: str, fraction: str, binary_unit: int) -> bool:
    """Tell whether Kubernetes holds these digits as an int64; `binary_unit` is 0 for decimal."""
    if not binary_unit:
        return len(whole + fraction) <= _EXACT_DIGITS
    bits = (binary_unit // NANO).bit_length() - 1
    decimal_digits = int(bits * 0.3)
    return not fraction and len(whole) + decimal_digits <= _EXACT_BINARY_DIGITS


def _is_quantity(text: str) -> bool:
    try:
        _quantity(text)
    except CelError:
        return False
    return True


def _is_integer(value: Any) -> bool:
    if not value.exact or value.power < 0:
        return False
    return bool(INT_MIN <= value.nanos // NANO <= INT_MAX)


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise CelError("cannot convert value to integer")
    return int(value.nanos // NANO)


def _as_float(value: Any) -> float:
    # In Go's two steps, which round differently from one division.
    places = 9 + value.power
    scaled = value.nanos // 10**places if places >= 0 else value.nanos * 10**-places
    try:
        return float(scaled * 10.0**value.power)
    except OverflowError:
        return float("inf") if scaled > 0 else float("-inf")


def _compare(left: Any, right: Any) -> int:
    return int(left.nanos > right.nanos) - int(left.nanos < right.nanos)


def _plus(left: Any, right: Any) -> Quantity:
    return Quantity.plus(left, right.nanos, right.power, right.exact)


def _minus(left: Any, right: Any) -> Quantity:
    return Quantity.plus(left, -right.nanos, right.power, right.exact)


def _sign(value: Any) -> int:
    return int(value.nanos > 0) - int(value.nanos < 0)


# fmt: off
_T = "kubernetes.Quantity"
ROWS: tuple[Row, ...] = (
    ("add", f"{_T}.({_T}) -> {_T}", _plus),
    ("add", f"{_T}.(int) -> {_T}", lambda left, right: left.plus(right * NANO, 0, True)),
    ("asApproximateFloat", f"{_T}.() -> double", _as_float),
    ("asInteger", f"{_T}.() -> int", _as_integer),
    ("compareTo", f"{_T}.({_T}) -> int", _compare),
    ("isGreaterThan", f"{_T}.({_T}) -> bool", lambda left, right: left.nanos > right.nanos),
    ("isInteger", f"{_T}.() -> bool", _is_integer),
    ("isLessThan", f"{_T}.({_T}) -> bool", lambda left, right: left.nanos < right.nanos),
    ("isQuantity", "(string) -> bool", _is_quantity, "scan"),
    ("quantity", f"(string) -> {_T}", _quantity, "scan"),
    ("sign", f"({_T}) -> int", _sign),
    ("sub", f"{_T}.({_T}) -> {_T}", _minus),
    ("sub", f"{_T}.(int) -> {_T}", lambda left, right: left.plus(-right * NANO, 0, True)),
)
# fmt: on
