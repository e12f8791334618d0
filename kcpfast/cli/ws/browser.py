"""The tree browser without a screen: what is shown, and what each key does to it.

The caller loads what is missing (`wanted`) and draws what is visible.
"""

from __future__ import annotations

from collections.abc import Iterator

UP, DOWN, OPEN, CLOSE, TOGGLE, CHOOSE, QUIT = (
    "up",
    "down",
    "open",
    "close",
    "toggle",
    "choose",
    "quit",
)
# what a key is called -> what it does
KEYS = {
    "KEY_UP": UP,
    "k": UP,
    "KEY_DOWN": DOWN,
    "j": DOWN,
    "KEY_RIGHT": OPEN,
    "l": OPEN,
    "KEY_LEFT": CLOSE,
    "h": CLOSE,
    "KEY_BACKSPACE": CLOSE,
    "\x7f": CLOSE,
    " ": TOGGLE,
    "\n": CHOOSE,
    "\r": CHOOSE,
    "KEY_ENTER": CHOOSE,
    "q": QUIT,
    "\x1b": QUIT,
    "\x03": QUIT,
}


class BrowserNode:
    """A workspace in the browser. `below` is None until it was asked for."""

    def __init__(self, path: str, label: str, *, enterable: bool = True) -> None:
        """Make a closed node."""
        self.path = path
        self.label = label
        self.enterable = enterable
        self.open = False
        self.below: list[BrowserNode] | None = None if enterable else []

    def visible(self, depth: int = 0) -> Iterator[tuple[int, BrowserNode]]:
        """Return the node and what is open below it, with how deep it is."""
        yield depth, self
        if self.open:
            for node in self.below or ():
                yield from node.visible(depth + 1)


class Browser:
    """A tree, the node under the cursor, and what was chosen ("" so far, None once given up)."""

    def __init__(self, root: BrowserNode) -> None:
        """Stand on the root."""
        self.root = root
        self.cursor = root
        self.chosen: str | None = ""
        self.top = 0

    @property
    def done(self) -> bool:
        """Whether something was chosen or the user gave up."""
        return self.chosen != ""

    def act(self, action: str) -> None:
        """Do what a key means."""
        nodes = [node for _, node in self.root.visible()]
        position = nodes.index(self.cursor)
        if action == UP:
            self.cursor = nodes[max(position - 1, 0)]
        elif action == DOWN:
            self.cursor = nodes[min(position + 1, len(nodes) - 1)]
        elif action == QUIT:
            self.chosen = None
        elif action == CHOOSE:
            self.chosen = self.cursor.path if self.cursor.enterable else ""
        else:
            self.cursor.open = action == OPEN or (action == TOGGLE and not self.cursor.open)

    def window(self, height: int) -> list[tuple[int, BrowserNode]]:
        """Return the lines that fit into a height, moved so that the cursor is among them."""
        lines = list(self.root.visible())
        position = next(number for number, (_, node) in enumerate(lines) if node is self.cursor)
        self.top = max(min(self.top, position, len(lines) - height), position - height + 1, 0)
        return lines[self.top : self.top + height]
