"""Warnings beside an answer, as values of the header `Warning`.

Their texts come from strangers (deprecation warnings, names of fields, webhooks), so a text that
must not stand in a header is left out, and their total length is bounded. Rules: kube-apiserver's
warning recorder and NewWarningHeader (k8s.io/apiserver/pkg/endpoints/filters/warning.go,
k8s.io/apimachinery/pkg/util/net/http.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Beyond so many characters in all, each text is cut to a few.
_MOST, _MOST_OF_EACH = 4096, 256
# Control characters of Unicode and lone surrogates. A line break would begin a header of its own.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def warning_values(texts: Iterable[str]) -> list[bytes]:
    """Return the values of a Warning header each, in order, every text once.

    A text that is empty, or holds control characters or lone surrogates, is left out. If all
    together exceed 4096 characters, each is cut to 256, and those beyond the 4096 are dropped.
    """
    whole = [text for text in dict.fromkeys(texts) if _may_stand(text)]
    if sum(map(len, whole)) <= _MOST:
        return [_value(text) for text in whole]
    values: list[bytes] = []
    length = 0
    for text in whole:
        if length >= _MOST:
            break
        short = text[:_MOST_OF_EACH]
        length += len(short)
        values.append(_value(short))
    return values


def _may_stand(text: str) -> bool:
    return bool(text) and _FORBIDDEN.search(text) is None


def _value(text: str) -> bytes:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode()
