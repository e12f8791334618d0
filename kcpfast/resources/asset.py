"""Reads the JSON of `assets/`: plain files beside the code, found as such.

importlib.resources would bring zipfile, tempfile and all their kin into every start.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "assets")


def asset(name: str) -> dict[str, Any]:
    """Return what an asset holds; callers keep it."""
    with open(os.path.join(_FOLDER, name), "rb") as file:
        found: dict[str, Any] = msgspec.json.decode(file.read())
    return found
