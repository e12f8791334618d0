"""The order of API versions, newest and most stable first.

See https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority
"""

from __future__ import annotations

import re

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?", re.ASCII)
# Which stage comes first; what is no version of this form comes last, in order of its text.
_RANKS = {None: 0, "beta": 1, "alpha": 2}
_LAST = 9


def version_order(version: str) -> tuple[int, int, int, str]:
    """Return the sort key of a version: v2, v1, v1beta2, v1beta1, v1alpha1, others."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return (_LAST, 0, 0, version)
    major, stage, minor = match.groups()
    # Negative, since the higher number comes first.
    return (_RANKS[stage], -int(major), -int(minor or 0), "")
