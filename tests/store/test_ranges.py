"""Several ranges as one list: as one scan of everything, with what is not wanted left out."""

import pytest

from kcpfast.store.contract import Item, Put, Store
from kcpfast.store.ranges import scan_within

KEYS = [
    b"s\0%b\0%b" % (cluster, name) for cluster in (b"a", b"b", b"bb", b"c") for name in (b"x", b"y")
]
RANGES = [[], [b"s\0a\0"], [b"s\0a\0", b"s\0c\0"], [b"s\0b\0", b"s\0bb\0", b"s\0d\0"]]


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("after", [b"", *KEYS])
@pytest.mark.parametrize("limit", [0, 1, 3])
async def test_ranges_are_one_list(
    store: Store, ranges: list[bytes], after: bytes, limit: int
) -> None:
    await store.commit([Put(key, b"old") for key in KEYS])
    await store.commit([Put(key, b"new") for key in KEYS[::2]] + [Put(KEYS[1], None)])
    for at in (0, 1):
        found = scan_within(store, ranges, after, limit, at)
        wanted = [
            item
            for item in store.scan(b"s\0", after, at_revision=at).items
            if item.key.startswith(tuple(ranges))
        ]
        assert (found.revision, found.items) == (at or 2, wanted[: limit or None])


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("budget", [1, 40, 1000])
async def test_ranges_are_read_in_pieces(store: Store, ranges: list[bytes], budget: int) -> None:
    await store.commit([Put(key, b"value") for key in KEYS])
    found: list[Item] = []
    after = b""
    while True:
        page = scan_within(store, ranges, after, budget=budget)
        found += page.items
        after = page.last
        if not after:
            break
    assert found == scan_within(store, ranges).items
