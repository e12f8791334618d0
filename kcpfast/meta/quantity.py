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
# Powers of two.
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
# Powers of ten.
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_OF = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
# A longer text is no amount of anything, and a number of so many digits costs too much to compute.
_LONGEST = 1000


class QuantityError(ValueError):
    """The text is no quantity."""


def parse(text: str) -> tuple[Decimal, str]:
    """Return the value of a quantity and its suffix; QuantityError if it is none."""
    match = None
    if len(text) <= _LONGEST:
        match = _QUANTITY.fullmatch(text)
    if match is None:
        # kube-apiserver's words: ErrFormatWrong in k8s.io/apimachinery/pkg/api/resource.
        raise QuantityError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    suffix = match["suffix"] or ""
    number = Decimal(match["sign"] + match["number"])
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix]), suffix
    # What is no decimal suffix is an exponent, such as e3 or E-2.
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    with localcontext() as context:
        context.prec = 60  # the usual 28 digits would round what Go keeps
        return number.scaleb(exponent), suffix


def canonical(text: str) -> str:
    """Return the canonical form: no fraction, the largest suffix that leaves a whole number."""
    value, suffix = parse(text)
    if suffix in _BINARY and value == value.to_integral_value():
        return _binary(int(value))
    # Quantities are exact to nano units; what is finer is rounded away from zero, as in Go.
    nano = (abs(value) * 10**9).to_integral_value(rounding="ROUND_UP")
    if not nano:
        return "0"
    # A lone E is the suffix of 10^18, not an exponent.
    scientific = len(suffix) > 1 and suffix[0] in ("e", "E")
    whole, exponent = int(nano), -9
    while whole % 1000 == 0 and (scientific or exponent < 18):
        whole //= 1000
        exponent += 3
    sign = "-" if value < 0 else ""
    if not scientific:
        return f"{sign}{whole}{_SUFFIX_OF[exponent]}"
    if not exponent:
        return f"{sign}{whole}"
    return f"{sign}{whole}e{exponent}"


def _binary(value: int) -> str:
    for name, bits in reversed(_BINARY.items()):
        if value and value % (1 << bits) == 0:
            return f"{value >> bits}{name}"
    return str(value)
