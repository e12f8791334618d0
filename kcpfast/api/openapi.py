"""OpenAPI documents: placeholder."""

from __future__ import annotations

from kcpfast.api.context import Call
from kcpfast.api.discovery import Discovery
from kcpfast.transport.messages import Response


class OpenApi:
    """Answers below /openapi."""

    def __init__(self, discovery: Discovery) -> None:
        """Make documents from what discovery knows."""
        self._discovery = discovery

    def answer(self, call: Call) -> Response | None:
        """Return the document, None for other paths."""
        return None
