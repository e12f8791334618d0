"""Reads the JSON of `assets/`, from wherever the code itself was loaded.

importlib.resources would bring zipfile, tempfile and all their kin into every start.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "assets")


def asset(name: str) -> dict[str, Any]:
    """Return what an asset holds; callers keep it."""
    loader: Any = __spec__.loader
    decoded: dict[str, Any] = msgspec.json.decode(loader.get_data(os.path.join(_FOLDER, name)))
    return decoded
