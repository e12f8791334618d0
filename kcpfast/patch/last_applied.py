"""Coming to server-side apply from kubectl's client-side apply.

Client-side apply writes what it applied into an annotation and owns its fields as an update. A user
who moves on to `kubectl apply --server-side` shall not meet conflicts with herself: what kubectl
last applied, and still is as it applied it, is its own. The annotation is kept up to date, so that
there is a way back. Other managers are not helped over.
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#migration-between-client-side-and-
server-side-apply)
"""

from __future__ import annotations

from kcpfast.meta.copies import copy_json
from kcpfast.meta.errors import ApiError
from kcpfast.meta.texts import embedded
from kcpfast.patch.fieldset import FieldSet, difference
from kcpfast.patch.managers import FieldWriter
from kcpfast.patch.merge_type import MergeNode
from kcpfast.patch.owned_fields import Object, compare, fields_of
from kcpfast.patch.path_element import literal
from kcpfast.patch.typed_check import check_applied

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"
MAX_ANNOTATION_BYTES = 256 * 1024


def last_applied_fields(live: Object, node: MergeNode, writer: FieldWriter) -> FieldSet:
    """Return the fields that client-side apply set last and that still have these values.

    None of them if the annotation is missing, unreadable, or of another version.
    """
    annotations = live.get("metadata", {}).get("annotations") or {}
    try:
        last = embedded(annotations.get(LAST_APPLIED) or "null", dict)
        if last is None or last.get("apiVersion") != writer.api_version:
            return {}
        check_applied(last, node)
        fields = fields_of(last, node)
        changed, removed = compare(last, live, node)
    except (ApiError, ValueError, RecursionError):
        return {}
    return difference(difference(fields, changed), removed)


def renew_last_applied(annotations: dict[str, str], applied: Object) -> None:
    """Bring the annotation up to date, or drop it if annotations would become too large."""
    last = copy_json(applied)
    metadata = last.get("metadata") or {}
    (metadata.get("annotations") or {}).pop(LAST_APPLIED, None)
    annotations[LAST_APPLIED] = literal(last) + "\n"
    size = sum(len(key.encode()) + len(text.encode()) for key, text in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        del annotations[LAST_APPLIED]
