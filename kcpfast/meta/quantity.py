"""Quantities: numbers with a suffix, as in resource quotas.

Grammar and canonical form: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

_QUANTITY = re.compile(
    r"(?P<sign>[+-]?)(?P<number>\d+\.?\d*|\.\d+)"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,3})?",
    re.ASCII,  # Go's digits are no other alphabet's
)
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


# Longer ones are no amounts of anything, and no numbers that can be reckoned with.
_LONGEST = 1000


class QuantityError(ValueError):
    """The text is no quantity."""


def parse(text: str) -> tuple[Decimal, str]:
    """Return the value of a quantity and its suffix; QuantityError if it is none."""
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    suffix = match["suffix"] or ""
    number = Decimal(match["sign"] + match["number"])
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix]), suffix
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    with localcontext() as context:
        context.prec = 60
        return number.scaleb(exponent), suffix


def canonical(text: str) -> str:
    """Return the canonical form: no fraction, the largest suffix that leaves a whole number."""
    value, suffix = parse(text)
    if suffix in _BINARY and value == value.to_integral_value():
        return _binary(int(value))
    sign = "-" if value < 0 else ""
    nano = (abs(value) * 10**9).to_integral_value(rounding="ROUND_UP")
    if not nano:
        return "0"
    whole, exponent = int(nano), -9
    scientific = suffix[:1] in ("e", "E") and len(suffix) > 1
    while whole % 1000 == 0 and (scientific or exponent < 18):
        whole, exponent = whole // 1000, exponent + 3
    if scientific:
        return f"{sign}{whole}" + (f"e{exponent}" if exponent else "")
    name = next(name for name, power in _DECIMAL.items() if power == exponent)
    return f"{sign}{whole}{name}"


def _binary(value: int) -> str:
    for name, bits in reversed(_BINARY.items()):
        if value and value % (1 << bits) == 0:
            return f"{value >> bits}{name}"
    return str(value)
