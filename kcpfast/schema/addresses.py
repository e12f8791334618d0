"""Tests of strings that are more than a pattern: addresses, numbers with a check digit, durations.

Each follows what k8s.io/kube-openapi/pkg/validation/strfmt calls: Go's net, net/mail, net/url and
time, and govalidator.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from kcpfast.meta.duration import nanoseconds

# ------------------------------------------------------------------------- net

_LEADING_ZEROS = re.compile(r"(?<![\d:a-fA-F])0+(?=\d)", re.ASCII)


def is_ipv4(text: str) -> bool:
    """Tell whether a text is an address with dots (ParseIPSloppy)."""
    return "." in text and _address(_LEADING_ZEROS.sub("", text)) != 0


def is_ipv6(text: str) -> bool:
    """Tell whether a text is an address with colons (net.ParseIP)."""
    return ":" in text and _address(text) != 0


def _address(text: str) -> int:
    """Return the version of an address, 0 if it is none."""
    if "%" in text or "/" in text or not text.isascii():
        return 0
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def is_cidr(text: str) -> bool:
    """Tell whether a text is an address and the length of a prefix (ParseCIDRSloppy)."""
    address, slash, length = text.partition("/")
    version = _address(_LEADING_ZEROS.sub("", address))
    if not slash or not version or not length.isascii() or not length.isdigit():
        return False
    return len(length) < 9 and int(length) <= (32 if version == 4 else 128)


_MAC = re.compile(
    r"[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4}"
    r"(?:(?:\1[0-9a-fA-F]{2}){2}|(?:\1[0-9a-fA-F]{2}){14})?"
    r"|(?:[0-9a-fA-F]{4}\.){2}(?:[0-9a-fA-F]{4}\.)?[0-9a-fA-F]{4}"
    r"|(?:[0-9a-fA-F]{4}\.){9}[0-9a-fA-F]{4}"
    r"|[0-9a-fA-F]{12}|[0-9a-fA-F]{16}|[0-9a-fA-F]{40}"
)


def is_mac(text: str) -> bool:
    """Tell whether a text is an address of 6, 8 or 20 bytes (net.ParseMAC)."""
    return _MAC.fullmatch(text) is not None


# ------------------------------------------------------------------------- names

_LETTER = "[a-zA-Z0-9]"
_HOSTNAME = re.compile(
    rf"{_LETTER}-?{_LETTER}{{0,62}}|{_LETTER}"
    rf"|(?:{_LETTER}(?:[a-zA-Z0-9-]{{0,61}}{_LETTER})?\.)+[a-zA-Z]{{2,63}}"
)


def is_hostname(text: str) -> bool:
    """Tell whether a text is a host name (strfmt.IsHostname)."""
    if len(text.encode("utf-8", "replace")) > 255:
        return False
    if any(len(label.encode("utf-8", "replace")) > 63 for label in text.split(".")):
        return False
    return _HOSTNAME.fullmatch("".join(map(_stand_in, text))) is not None


def _stand_in(character: str) -> str:
    """Return an ASCII character that the pattern takes for the same: letters and symbols count."""
    if character.isascii() and (character.isalnum() or character in "-."):
        return character
    category = unicodedata.category(character)
    return "a" if category[0] == "L" else "0" if category[0] == "S" else "!"


_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
_DOTTED = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x20-\x7e\t])+"'
_SPACE = r"[ \t]*"
_PLAIN = rf"(?:{_DOTTED}|\[(?P<plain>[^\[\]\\]*)\])"
_ANGLE = _PLAIN.replace("<plain>", "<angle>")
_COMMENTS = rf"(?:{_SPACE}\([^()]*\))*{_SPACE}"
_WORD = rf"(?:[A-Za-z0-9!#$%&'*+\-/=?^_`{{|}}~.\u0080-\U0010ffff]+|{_QUOTED})"
_EMAIL = re.compile(
    rf"{_SPACE}(?:(?:{_DOTTED}|{_QUOTED})@{_PLAIN}"
    rf"|(?:{_WORD}(?:{_SPACE}{_WORD})*)?{_SPACE}"
    rf"<(?:{_DOTTED}|{_QUOTED})@{_ANGLE}>){_COMMENTS}"
)
_LONGEST_EMAIL = 1000


def is_email(text: str) -> bool:
    """Tell whether a text is one address, with or without a name (mail.ParseAddress)."""
    match = _EMAIL.fullmatch(text) if "@" in text and len(text) <= _LONGEST_EMAIL else None
    if match is None:
        return False
    literal = match["plain"] if match["plain"] is not None else match["angle"]
    return literal is None or _address(literal) != 0


# ------------------------------------------------------------------------- URIs

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"""[A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>"\u0080-\U0010ffff]*""")
_USER = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_BRACKETED = re.compile(r"\[([^\]%]*)(?:%25[^\]]*)?\](?::\d*)?", re.ASCII)
_PORT = re.compile(r"[^:]*(?::\d*)?", re.ASCII)


def is_request_uri(text: str) -> bool:
    """Tell whether a text is an absolute URI or an absolute path (url.ParseRequestURI)."""
    if not text or _CONTROL.search(text):
        return False
    if text == "*":
        return True
    match = _SCHEME.fullmatch(text)
    if match is not None and not match[2].startswith("/"):
        return True  # opaque
    rest = (match[2] if match is not None else text).partition("?")[0]
    if not rest.startswith("/"):
        return False
    if match is not None and rest.startswith("//") and not rest.startswith("///"):
        authority, slash, path = rest[2:].partition("/")
        return _is_authority(authority) and not _BAD_ESCAPE.search(slash + path)
    return not _BAD_ESCAPE.search(rest)


def _is_authority(text: str) -> bool:
    user, at, host = text.rpartition("@")
    if at and (not _USER.fullmatch(user) or _BAD_ESCAPE.search(user)):
        return False
    if host.startswith("["):
        match = _BRACKETED.fullmatch(host)
        return match is not None and _address(match[1]) == 6
    return _PORT.fullmatch(host) is not None and _is_host(host)


def _is_host(host: str) -> bool:
    """Tell whether a host has no escapes but of bytes that are no ASCII."""
    plain = re.sub(r"%[89a-fA-F][0-9a-fA-F]", "", host)
    return _HOST.fullmatch(plain) is not None


# ------------------------------------------------------------------------- check digits

_CARD = re.compile(
    r"4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|(?:2131|1800|35\d{3})\d{11}",
    re.ASCII,
)


def is_credit_card(text: str) -> bool:
    """Tell whether the digits of a text are a number of a card (govalidator.IsCreditCard)."""
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def is_isbn(text: str) -> bool:
    """Tell whether a text is an ISBN of either length."""
    return is_isbn10(text) or is_isbn13(text)


def is_isbn10(text: str) -> bool:
    """Tell whether a text is an ISBN of ten digits (govalidator.IsISBN)."""
    digits = re.sub(r"[\s-]+", "", text, flags=re.ASCII)
    if not re.fullmatch(r"[0-9]{9}[0-9X]", digits):
        return False
    values = [10 if digit == "X" else int(digit) for digit in digits]
    return sum(place * value for place, value in enumerate(values, 1)) % 11 == 0


def is_isbn13(text: str) -> bool:
    """Tell whether a text is an ISBN of thirteen digits (govalidator.IsISBN)."""
    digits = re.sub(r"[\s-]+", "", text, flags=re.ASCII)
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(digits)) % 10 == 0


# ------------------------------------------------------------------------- durations

_PART = re.compile(r"([0-9]+)\s*([A-Za-z\u00b5]+)")
_UNITS = frozenset(("ns", "us", "\u00b5s", "ms", "s", "m", "h", "hr", "d", "w", "wk"))
_LONG_UNITS = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")


def is_duration(text: str) -> bool:
    """Tell whether a text is a duration as of Go, or of Scala: strfmt.ParseDuration."""
    try:
        nanoseconds(text)
    except ValueError:
        return _has_units(text)
    return True


def _has_units(text: str) -> bool:
    is_known = False
    for number, unit in _PART.findall(text):
        if len(number.lstrip("0")) > 19 or int(number) >= 1 << 63:
            return False
        lower = unit.lower()
        is_known = is_known or lower in _UNITS or lower.startswith(_LONG_UNITS)
    return is_known
