"""The tree browser on a terminal: draws it with curses and asks the server for what is opened."""

from __future__ import annotations

import curses
import os
from typing import TYPE_CHECKING, Any

from kcpfast.cli.client import bindings, workspaces
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.places import place_of
from kcpfast.cli.ws.browser import KEYS, Browser, BrowserNode

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

_TITLE = "kcp Workspaces"
_HELP = "↑/↓: navigate  →/←/Space: expand/collapse  Enter: switch to it  q: quit"
_FRAME = 5
# what is counted of a workspace: the word for it, and the versions it may be served in
_COUNTED = (
    ("exports", "apiexports", (bindings.NEW, bindings.OLD)),
    ("endpointslices", "apiexportendpointslices", (bindings.OLD,)),
    ("bindings", "apibindings", (bindings.NEW, bindings.OLD)),
)


def choose(session: Session, root: str, current: str) -> str | None:
    """Let the user choose a workspace of the tree below `root`; return its path, None if none.

    The browser opens at `current`. Failure if the terminal cannot be drawn on.
    """
    browser = Browser(BrowserNode(root, root))
    _open_at(session, browser, current)
    # Without this the escape key is waited on for a second.
    os.environ.setdefault("ESCDELAY", "25")
    try:
        curses.wrapper(_loop, _Screen(session, browser, current))
    except curses.error as error:
        raise Failure(f"the terminal cannot be drawn on: {error}") from None
    return browser.chosen


def _open_at(session: Session, browser: Browser, current: str) -> None:
    """Open the way down to a workspace and put the cursor on it."""
    node = browser.root
    while True:
        load(session, node)
        node.open = bool(node.below)
        browser.cursor = node
        way = (child for child in node.below or () if f"{current}:".startswith(f"{child.path}:"))
        below = next(way, None)
        if below is None:
            return
        node = below


def load(session: Session, node: BrowserNode) -> None:
    """Ask for what is below a node, once; what may not be seen is nothing."""
    if node.below is not None:
        return
    node.below = []
    try:
        listed = workspaces.children(session, node.path)
    except RequestRefused:
        return
    for workspace in listed:
        if workspace["metadata"].get("deletionTimestamp"):
            continue
        name = workspace["metadata"]["name"]
        url = str((workspace.get("spec") or {}).get("URL") or "")
        child = BrowserNode(f"{node.path}:{name}", name, enterable=place_of(url) is not None)
        if not child.enterable:
            child.label += " [m]"
        node.below.append(child)


def details(session: Session, path: str) -> str:
    """Return one line about a workspace: its path, and how many APIs it offers and uses."""
    parts = [path]
    for word, resource, versions in _COUNTED:
        for served in versions:
            try:
                items = session.get(bindings.collection(path, served, resource)).get("items")
            except RequestRefused:
                continue
            if items:
                parts.append(f"{word}:{len(items)}")
            break
    return " | ".join(parts)


class _Screen:
    """What the loop works on; details are asked for once."""

    def __init__(self, session: Session, browser: Browser, current: str) -> None:
        self.session, self.browser, self.current = session, browser, current
        self._known: dict[str, str] = {}

    def about(self, path: str) -> str:
        if path not in self._known:
            self._known[path] = details(self.session, path)
        return self._known[path]

    def draw(self, window: Any) -> None:
        height, width = window.getmaxyx()
        window.erase()
        lines = [(_TITLE, curses.A_BOLD), (self.about(self.browser.cursor.path), 0), ("", 0)]
        for depth, node in self.browser.window(max(height - _FRAME, 1)):
            sign = "  " if node.below == [] else "▼ " if node.open else "▶ "
            here = curses.A_BOLD if node.path == self.current else 0
            under = curses.A_REVERSE if node is self.browser.cursor else 0
            lines.append((f"{'  ' * depth}{sign}{node.label}", here | under))
        lines += [("", 0), (_HELP, curses.A_DIM)]
        for number, (text, style) in enumerate(lines[:height]):
            # The last column stays free: writing the last cell of the screen is an error.
            window.addnstr(number, 0, text, width - 1, style)
        window.refresh()


def _loop(window: Any, screen: _Screen) -> None:
    curses.curs_set(0)
    browser = screen.browser
    while not browser.done:
        screen.draw(window)
        try:
            action = KEYS.get(window.getkey())
        except KeyboardInterrupt:
            action = KEYS["q"]
        except curses.error:
            continue
        if action:
            browser.act(action)
            if browser.cursor.open:
                load(screen.session, browser.cursor)
