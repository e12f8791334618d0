"""OpenAPI documents: what every kind looks like and which requests it takes.

`answers` speaks HTTP, `documents` makes and keeps the documents, `units` tells what a view has to
document. `operations`, `definitions` and `custom` describe requests and kinds once; `v3` and `v2`
write that down in the two dialects, `gnostic` turns either into protobuf. A document is made at
the first request for it, once for all workspaces that serve the same.
"""

from __future__ import annotations

from kcpfast.api.openapi.answers import OpenApi

__all__ = ["OpenApi"]
