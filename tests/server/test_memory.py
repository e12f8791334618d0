"""How much memory a server gives itself: told by a flag, or found in what the system says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcpfast.server import memory
from tests.harness.process import refused

MI, GI = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("512Mi", 512 * MI),
        ("2Gi", 2 * GI),
        ("3G", 3 * 10**9),
        ("7k", 7000),
        ("1.5Gi", 1536 * MI),
    ],
)
def test_quantity_is_read(text: str, size: int) -> None:
    assert memory.parse(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "-1", "1.5", "1m", "1MiB", "1 Gi", "1iM", "1GiMi", "٣"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of bytes"):
        memory.parse(text)


GROUPS = [
    # /proc/self/cgroup, limits by file; the memory of which a quarter is taken (128 MiB at least)
    ("", {}, 8 * GI),
    ("0::/\n", {}, 8 * GI),
    ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": str(2 * GI)}, 2 * GI),
    ("0::/a/b\n", {"a/b/memory.max": str(GI), "a/memory.max": str(2 * GI)}, GI),
    ("0::/a\n", {"memory.max": str(64 * GI)}, 8 * GI),
    ("5:cpu,memory:/a\n1:cpu:/b\n", {"memory/a/memory.limit_in_bytes": str(GI)}, GI),
    ("5:cpu:/a\n", {"memory/a/memory.limit_in_bytes": str(GI)}, 8 * GI),
    ("5:memory:/a\n", {"memory/memory.limit_in_bytes": str(GI)}, GI),
    ("0::/small\n", {"small/memory.max": str(256 * MI)}, 512 * MI),
]


@pytest.mark.parametrize(("groups", "limits", "whole"), GROUPS)
def test_a_quarter_of_what_there_is(
    tmp_path: Path, groups: str, limits: dict[str, str], whole: int
) -> None:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal:  {8 * GI // 1024} kB\nMemFree: 1 kB\n")
    if groups:
        (proc / "self/cgroup").write_text(groups)
    for name, text in limits.items():
        path = cgroups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert memory.usual(proc, cgroups) == whole // 4


def test_clients_get_what_the_process_does_not_take(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text(f"VmPeak: 1 kB\nVmRSS:\t{40 * 1024} kB\n")
    assert memory.ceiling(104 * MI, tmp_path) == 32 * MI
    with pytest.raises(ValueError, match="71 MiB are too little, it takes 73Mi at least"):
        memory.ceiling(71 * MI, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [("much", "much is no number of bytes"), ("40Mi", "40 MiB are too little, it takes")],
)
def test_a_server_does_not_start_with_less_than_it_takes(
    tmp_path: Path, given: str, said: str
) -> None:
    error = refused(tmp_path / "root", "--max-memory", given).error
    assert error.startswith(f"kcpfast: --max-memory: {said}")
    assert error.count("\n") == 1


def test_free_memory_is_given_back_when_it_has_grown(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    statm = tmp_path / "self/statm"
    statm.write_text("0 5000 1000 0 0 0 0\n")
    heap = memory.Heap(tmp_path)
    pages = 8 * MI // os.sysconf("SC_PAGE_SIZE")
    trims = []
    for private in (4000, 4000 + pages, 4001 + pages):
        statm.write_text(f"0 {private + 1000} 1000 0 0 0 0\n")
        heap.tidy_growth()
        trims.append(heap.trims)
    heap.tidy_growth()  # it has not grown since
    trims.append(heap.trims)
    heap.tidy()
    assert [*trims, heap.trims] == [0, 0, 1, 1, 2]
