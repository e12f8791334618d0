"""What every part of the room shares: the one error, the collector of mistakes, the budget."""

from __future__ import annotations

from typing import NoReturn

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
UINT_MAX = 2**64 - 1

# k8s.io/apiserver/pkg/apis/cel: PerCallLimit and RuntimeCELCostBudget.
PER_CALL_LIMIT = 1_000_000
PER_OBJECT_LIMIT = 10_000_000

COMPILATION = "compilation failed"
INSTANTIATION = "program instantiation failed"


class CelError(Exception):
    """An expression that does not compile, or an evaluation that has no value.

    `message` is the text as cel-go words it. Of a compile error it holds one paragraph for each
    mistake, source line and caret included, and `line` and `column` (from 1) are those of the
    first; of an evaluation they are 0. `stage` is what Kubernetes puts before a compile error
    (COMPILATION or INSTANTIATION), empty for an evaluation. `cancelled` tells that the cost limit
    ended the evaluation: no operator may swallow such an error.
    """

    def __init__(
        self,
        message: str,
        line: int = 0,
        column: int = 0,
        *,
        stage: str = "",
        cancelled: bool = False,
    ) -> None:
        """Keep what the caller will report."""
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.stage = stage
        self.cancelled = cancelled


class Budget:
    """Counts what evaluations cost, in cel-go's units, and stops them at a limit.

    `limit` bounds the sum over all evaluations that share this object, `per_call` each of them.
    """

    __slots__ = ("limit", "per_call", "stop_at", "used")

    def __init__(self, limit: int = PER_OBJECT_LIMIT, per_call: int = PER_CALL_LIMIT) -> None:
        """Begin at cost 0."""
        self.limit = limit
        self.per_call = per_call
        self.used = 0
        self.stop_at = limit

    @property
    def remaining(self) -> int:
        """What the shared limit still allows; 0 when it is spent."""
        return max(0, self.limit - self.used)

    def charge(self, cost: int) -> None:
        """Count `cost`; raise the cancelled CelError when that passes the limit."""
        self.used += cost
        if self.used > self.stop_at:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise the error of a spent budget."""
        raise CelError("operation cancelled: actual cost limit exceeded", cancelled=True)

    def open(self) -> int:
        """Begin one evaluation (they may nest); give the result to `close`."""
        before = self.stop_at
        self.stop_at = min(self.limit, self.used + self.per_call)
        return before

    def close(self, before: int) -> None:
        """End the evaluation that `open` began."""
        self.stop_at = before


# cel-go reports at most so many, and shows no longer lines than this.
MAX_CEL_ERRORS = 100
_MAX_SNIPPET = 2000


class SyntaxStop(Exception):
    """The source cannot be read any further; the mistake is already noted."""


class Mistakes:
    """Collects the mistakes in one source and words them as cel-go does (common/errors.go)."""

    def __init__(self, source: str) -> None:
        """Begin with none."""
        self.source = source
        self.noted: list[tuple[int, str]] = []

    def note(self, pos: int, message: str) -> None:
        """Note one at a source offset; past MAX_CEL_ERRORS the rest is dropped."""
        if len(self.noted) < MAX_CEL_ERRORS:
            self.noted.append((pos, message))

    def raise_if_any(self, stage: str = COMPILATION) -> None:
        """Raise them all as one CelError, in the order of the source."""
        if not self.noted:
            return
        self.noted.sort(key=lambda mistake: mistake[0])
        texts = [self._text(pos, message) for pos, message in self.noted]
        line, column, _ = self._place(self.noted[0][0])
        raise CelError("\n".join(texts), line, column + 1, stage=stage)

    def _text(self, pos: int, message: str) -> str:
        line, column, source_line = self._place(pos)
        snippet = _snippet(source_line, column)
        return f"ERROR: <input>:{line}:{column + 1}: {message}{snippet}"

    def _place(self, pos: int) -> tuple[int, int, str]:
        """Return the line (from 1), the column (from 0) and the text of the line at an offset."""
        start = self.source.rfind("\n", 0, pos) + 1
        end = self.source.find("\n", pos)
        source_line = self.source[start : end if end >= 0 else len(self.source)]
        return self.source.count("\n", 0, pos) + 1, pos - start, source_line


def _snippet(line: str, column: int) -> str:
    """Return a source line with a caret below a column, "" for a line too long to show."""
    if len(line) > _MAX_SNIPPET:
        return ""
    # Wide characters get a wide dot and caret, so that the caret stands below its place.
    dots = "".join("\uff0e" if _is_wide(char) else "." for char in line[:column])
    caret = "\uff3e" if _is_wide(line[column : column + 1]) else "^"
    source_line = line.replace("\t", " ")
    return f"\n | {source_line}\n | {dots}{caret}"


def _is_wide(char: str) -> bool:
    return char >= "\u1100"
