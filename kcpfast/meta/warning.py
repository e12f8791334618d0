"""Warnings: what a client is told beside its answer, as values of the header `Warning`.

Their texts come from strangers (deprecation warnings, names of fields, webhooks), so what cannot
stand in a header is left out, and there is an end to how much is said. Rules: kube-apiserver's
warning recorder and NewWarningHeader (k8s.io/apiserver/pkg/endpoints/filters/warning.go,
k8s.io/apimachinery/pkg/util/net/http.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Beyond so many characters in all, each text is cut to a few.
_MOST, _MOST_OF_EACH = 4096, 256
# Control characters of Unicode, and halves of characters.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def warning_values(texts: Iterable[str]) -> list[bytes]:
    """Return the values of a Warning header each, in order, every text once.

    A text that is empty, or holds control characters or what is no UTF-8, is left out. Once all
    are too long together, all are cut, and nothing follows when even those fill the measure.
    """
    whole = [text for text in dict.fromkeys(texts) if _may_stand(text)]
    if sum(map(len, whole)) <= _MOST:
        return [_value(text) for text in whole]
    said, values = 0, []
    for text in whole:
        if said >= _MOST:
            break
        said += min(len(text), _MOST_OF_EACH)
        values.append(_value(text[:_MOST_OF_EACH]))
    return values


def _may_stand(text: str) -> bool:
    return bool(text) and _FORBIDDEN.search(text) is None


def _value(text: str) -> bytes:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode()
