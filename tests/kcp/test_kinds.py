"""kcp's own kinds are built when they are asked for, not by an import."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import kcpfast.server.wire
from kcpfast.kcp import kinds
print(kinds.schemas.cache_info().currsize, kinds.system_kinds.cache_info().currsize)
"""


def test_an_import_builds_no_kind() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["0", "0"]
