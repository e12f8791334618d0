"""ws tree: the drawing, and the browser's moves."""

import curses
from pathlib import Path
from typing import Any

import pytest

from kcpfast.cli.client.connect import connect
from kcpfast.cli.ws import screen
from kcpfast.cli.ws.browser import KEYS, Browser, BrowserNode
from kcpfast.cli.ws.tree import Branch, draw
from tests.fix_cli import Cli, Fake, status, target, workspace, workspaces

TREE = """\
.
└── root
    ├── a
    │   ├── b
    │   │   └── c
    │   └── d
    ├── m [m]
    └── z

"""
FORBIDDEN = (403, status(403, "Forbidden", "not you"))


@pytest.fixture(autouse=True)
def forest(fake: Fake, config: Path) -> None:
    def listed(path: str, *items: dict[str, Any]) -> None:
        fake.answers[f"GET {workspaces(path)}?limit=500"] = {"items": list(items)}

    mount = workspace(fake, "root:m")
    mount["spec"] |= {"mount": {"ref": {}}, "URL": "https://elsewhere/x"}
    going = workspace(fake, "root:going", phase="Deleting")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    listed("root", workspace(fake, "root:a"), mount, going, workspace(fake, "root:z"))
    listed("root:a", workspace(fake, "root:a:b"), workspace(fake, "root:a:d"))
    listed("root:a:b", workspace(fake, "root:a:b:c"))
    fake.answers[f"GET {workspaces('root:z')}?limit=500"] = FORBIDDEN


def test_tree_is_drawn(cli: Cli) -> None:
    assert cli("ws", "tree") == (0, TREE, "")


@pytest.mark.parametrize(
    ("flags", "lines"),
    [
        ("--full -w a:b", ["└── root:a:b", "    └── root:a:b:c"]),
        ("-f -w a", ["└── root:a", "    ├── root:a:b"]),
        ("-w a", ["└── a", "    ├── b"]),
    ],
)
def test_tree_of_another_workspace(flags: str, lines: list[str], cli: Cli) -> None:
    assert cli("ws", "tree", *flags.split()).out.splitlines()[1:3] == lines


def test_wide_tree_tells_phases(fake: Fake, cli: Cli) -> None:
    cluster = "/clusters/root:a/apis/core.kcp.io/v1alpha1/logicalclusters/cluster"
    fake.answers[f"GET {cluster}"] = {"status": {"phase": "Initializing"}}
    lines = cli("ws", "tree", "--wide").out.splitlines()
    assert "└── root  ws=-  lc=-" in lines
    assert "    ├── a  ws=Ready  lc=Initializing" in lines
    assert "    ├── m [m]  ws=Ready  lc=-" in lines


def test_a_long_list_comes_in_pages(fake: Fake, cli: Cli) -> None:
    first = f"GET {workspaces('root')}?limit=500"
    fake.answers[first]["metadata"] = {"continue": "a+b"}
    more = {"items": [workspace(fake, "root:zz")]}
    fake.answers[f"{first}&continue=a%2Bb"] = more
    assert "    └── zz" in cli("ws", "tree").out


def test_tree_fails_where_one_may_not_look(cli: Cli) -> None:
    assert cli("ws", "tree", "-w", "z") == (1, "", "Error: not you\n")


def test_tree_of_a_mount_begins_at_root(fake: Fake, cli: Cli) -> None:
    result = cli("ws", "tree", "-s", fake.url)
    assert result.out == TREE
    assert "does not point directly to a kcp workspace" in result.err


def test_draw_nothing_below() -> None:
    assert draw(Branch("root", [])) == [".", "└── root"]


# ------------------------------------------------------------------------------- browser


def browser() -> Browser:
    """Return root (open) with a (closed, with b below) and m, which cannot be entered."""
    root, a = BrowserNode("root", "root"), BrowserNode("root:a", "a")
    a.below = [BrowserNode("root:a:b", "b")]
    root.below = [a, BrowserNode("root:m", "m [m]", enterable=False)]
    root.open = True
    return Browser(root)


@pytest.mark.parametrize(
    ("keys", "cursor", "visible"),
    [
        ("", "root", "root a m"),
        ("j", "root:a", "root a m"),
        ("jjjj", "root:m", "root a m"),
        ("jjk", "root:a", "root a m"),
        ("k", "root", "root a m"),
        ("jl", "root:a", "root a b m"),
        ("jlj", "root:a:b", "root a b m"),
        ("jlh", "root:a", "root a m"),
        ("j ", "root:a", "root a b m"),
        ("j  ", "root:a", "root a m"),
        ("h", "root", "root"),
    ],
)
def test_browser_moves(keys: str, cursor: str, visible: str) -> None:
    seen = browser()
    for key in keys:
        seen.act(KEYS[key])
    assert seen.cursor.path == cursor
    assert " ".join(node.label[:4].split()[0] for _, node in seen.root.visible()) == visible
    assert not seen.done


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ("\n", "root"),
        ("j\n", "root:a"),
        ("q", None),
        ("\x1b", None),
        ("jj\n", ""),
        ("jjk\r", "root:a"),
    ],
)
def test_browser_chooses(keys: str, chosen: str | None) -> None:
    seen = browser()
    for key in keys:
        seen.act(KEYS[key])
    assert seen.chosen == chosen


@pytest.mark.parametrize(
    ("moves", "height", "labels"),
    [(0, 2, "0 1"), (3, 2, "2 3"), (9, 3, "7 8 9"), (4, 99, "0 1 2 3 4 5 6 7 8 9")],
)
def test_browser_window_follows_the_cursor(moves: int, height: int, labels: str) -> None:
    root = BrowserNode("0", "0")
    root.below = [BrowserNode(str(number), str(number)) for number in range(1, 10)]
    root.open = True
    seen = Browser(root)
    for _ in range(moves):
        seen.act("down")
        seen.window(height)
    assert " ".join(node.label for _, node in seen.window(height)) == labels


class Window:
    """A curses window of 12 lines, on which keys are pressed."""

    def __init__(self, keys: str) -> None:
        self.keys = list(keys)
        self.lines: dict[int, str] = {}

    def getkey(self) -> str:
        return self.keys.pop(0)

    def getmaxyx(self) -> tuple[int, int]:
        return 12, 60

    def addnstr(self, line: int, _column: int, text: str, width: int, _style: int) -> None:
        assert line < 12
        self.lines[line] = text[:width].rstrip()

    def erase(self) -> None:
        self.lines.clear()

    def refresh(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    ("keys", "current", "chosen", "line"),
    [
        ("q", "root", None, "▼ root"),
        ("j\n", "root", "root:a", "  ▶ a"),
        ("jlj\n", "root", "root:a:b", "    ▶ b"),
        ("\n", "root:a:b", "root:a:b", "    ▼ b"),
        ("jj\nq", "root", None, "    m [m]"),
    ],
)
def test_choose_on_a_screen(
    keys: str, current: str, chosen: str | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(keys)
    monkeypatch.setattr(curses, "curs_set", lambda _: None)
    monkeypatch.setattr(curses, "wrapper", lambda loop, on: loop(window, on))
    with connect(target()) as session:
        assert screen.choose(session, "root", current) == chosen
    assert window.lines[0] == "kcp Workspaces"
    assert line in window.lines.values()
