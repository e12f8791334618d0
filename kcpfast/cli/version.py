"""kcpfast version: prints which kcpfast this is."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import kcpfast


def main(_arguments: Sequence[str], _started: float) -> int:
    """Print the version; return 0."""
    print(f"kcpfast {kcpfast.__version__} (Python {platform.python_version()})")
    return 0
