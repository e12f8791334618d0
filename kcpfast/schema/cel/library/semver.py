"""Semantic versions.

Rules: semver.org 2.0.0; k8s.io/apiserver/pkg/cel/library/semverlib.go; error texts are those of
github.com/blang/semver.
"""

from __future__ import annotations

from typing import Any

from ..base import UINT_MAX, CelError
from ..signatures import Row
from ..values import Opaque

_DIGITS = frozenset("0123456789")
_LETTERS = frozenset("-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# Pre-release parts are tuples (kind, number, text): numbers sort before words (semver.org, 11).
_NUMBER, _WORD = 0, 1


class Semver(Opaque):
    """A version; its order leaves the build part out."""

    cel_type = "kubernetes.Semver"

    def __init__(self, numbers: tuple[int, int, int], pre: list[tuple[int, int, str]]) -> None:
        """Hold major, minor and patch, and the pre-release parts as _prerelease returns them."""
        self.numbers = numbers
        # A version without a pre-release sorts after all of its pre-releases.
        self.order = (numbers, not pre, pre)

    def __eq__(self, right: object) -> bool:
        """Compare by order."""
        return isinstance(right, Semver) and self.order == right.order

    def __hash__(self) -> int:
        """Hash the numbers."""
        return hash(self.numbers)


def _parse(text: str) -> Semver:
    if not text:
        raise CelError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise CelError("No Major.Minor.Patch elements found")
    major, minor = _number(parts[0], "Major"), _number(parts[1], "Minor")
    before_build, plus, build = parts[2].partition("+")
    patch, dash, prerelease = before_build.partition("-")
    numbers = (major, minor, _number(patch, "Patch"))
    order = [_prerelease(part) for part in prerelease.split(".")] if dash else []
    if plus:
        _check_build(build)
    return Semver(numbers, order)


def _check_build(build: str) -> None:
    for part in build.split("."):
        if not part:
            raise CelError("Build meta data is empty")
        if not _LETTERS.issuperset(part):
            raise CelError(f'Invalid character(s) found in build meta data "{part}"')


def _number(text: str, name: str) -> int:
    if not text or not _DIGITS.issuperset(text):
        raise CelError(f'Invalid character(s) found in {name.lower()} number "{text}"')
    if len(text) > 1 and text[0] == "0":
        raise CelError(f'{name} number must not contain leading zeroes "{text}"')
    if len(text) > 20 or int(text) > UINT_MAX:
        raise CelError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _prerelease(part: str) -> tuple[int, int, str]:
    if not part:
        raise CelError("Prerelease is empty")
    if _DIGITS.issuperset(part):
        if len(part) > 1 and part[0] == "0":
            raise CelError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
        return (_NUMBER, int(part[:20]), "")
    if not _LETTERS.issuperset(part):
        raise CelError(f'Invalid character(s) found in prerelease "{part}"')
    return (_WORD, 0, part)


def _normalized(text: str) -> str:
    """Return a version without a leading v, without leading zeros, and with three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        if len(part) > 1:
            parts[index] = _without_leading_zeros(part)
    missing = 3 - len(parts)
    if missing and ("+" in parts[-1] or "-" in parts[-1]):
        raise CelError("short version cannot contain PreRelease/Build meta data")
    return ".".join(parts + ["0"] * missing)


def _without_leading_zeros(part: str) -> str:
    """Strip zeros, and put one back where no digit is left in front: `0-rc1` of `00-rc1`."""
    stripped = part.lstrip("0")
    return stripped if stripped[:1] in _DIGITS else f"0{stripped}"


def _semver(text: str, normalize: bool = False) -> Semver:
    return _parse(_normalized(text) if normalize else text)


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _semver(text, normalize)
    except CelError:
        return False
    return True


def _compare(left: Any, right: Any) -> int:
    return int(left.order > right.order) - int(left.order < right.order)


# fmt: off
_T = "kubernetes.Semver"
ROWS: tuple[Row, ...] = (
    ("compareTo", f"{_T}.({_T}) -> int", _compare),
    ("isGreaterThan", f"{_T}.({_T}) -> bool", lambda left, right: left.order > right.order),
    ("isLessThan", f"{_T}.({_T}) -> bool", lambda left, right: left.order < right.order),
    ("isSemver", "(string) -> bool", _is_semver, "scan"),
    ("isSemver", "(string, bool) -> bool", _is_semver, "scan"),
    ("major", f"{_T}.() -> int", lambda version: version.numbers[0]),
    ("minor", f"{_T}.() -> int", lambda version: version.numbers[1]),
    ("patch", f"{_T}.() -> int", lambda version: version.numbers[2]),
    ("semver", f"(string) -> {_T}", _semver, "scan"),
    ("semver", f"(string, bool) -> {_T}", _semver, "scan"),
)
# fmt: on
