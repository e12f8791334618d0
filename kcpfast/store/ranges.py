"""Several ranges of objects read as one list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from kcpfast.store.contract import Item, Page, Store


def scan_within(
    store: Store,
    ranges: Sequence[bytes],
    after: bytes = b"",
    limit: int = 0,
    at_revision: int = 0,
    budget: int = 0,
) -> Page:
    """Return objects as `Store.scan` does, those with one of the prefixes given.

    `ranges` are sorted, and none begins with another. All of them are read at one revision.
    """
    revision = at_revision or store.revision()
    items: list[Item] = []
    first = max(bisect_right(ranges, after) - 1, 0) if after else 0
    for prefix in ranges[first:]:
        if prefix < after and not after.startswith(prefix):
            continue
        behind = after if after.startswith(prefix) else b""
        page = store.scan(prefix, behind, limit and limit - len(items), revision, budget)
        items += page.items
        budget = budget and max(budget - sum(map(_size, page.items)), 1)
        if page.last:
            return Page(revision, items, page.last)
    return Page(revision, items)


def _size(item: Item) -> int:
    return len(item.key) + len(item.value)
