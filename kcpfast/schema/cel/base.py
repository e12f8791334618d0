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
    """Collects the mistakes in one source and words them as cel-go does."""

    def __init__(self, source: str) -> None:
        """Begin with none."""
        self.source = source
        self.found: list[tuple[int, str]] = []

    def note(self, pos: int, message: str) -> None:
        """Note one at a source offset; past MAX_ERRORS the rest is dropped."""
        if len(self.found) < MAX_CEL_ERRORS:
            self.found.append((pos, message))

    def raise_if_any(self, stage: str = COMPILATION) -> None:
        """Raise them all as one CelError, in the order of the source."""
        if not self.found:
            return
        self.found.sort(key=lambda mistake: mistake[0])
        places = [self._place(pos) for pos, _ in self.found]
        texts = [
            f"ERROR: <input>:{line}:{column + 1}: {message}" + _snippet(source_line, column)
            for (line, column, source_line), (_, message) in zip(places, self.found, strict=True)
        ]
        line, column, _ = places[0]
        raise CelError("\n".join(texts), line, column + 1, stage=stage)

    def _place(self, pos: int) -> tuple[int, int, str]:
        start = self.source.rfind("\n", 0, pos) + 1
        end = self.source.find("\n", pos)
        source_line = self.source[start : end if end >= 0 else len(self.source)]
        return self.source.count("\n", 0, pos) + 1, pos - start, source_line


def _snippet(line: str, column: int) -> str:
    if len(line) > _MAX_SNIPPET:
        return ""
    # Wide characters get a wide dot and caret, so that the caret stands below its place.
    dots = "".join("." if ord(char) < 0x1100 else "\uff0e" for char in line[:column])
    wide = column < len(line) and ord(line[column]) >= 0x1100
    return f"\n | {line.replace(chr(9), ' ')}\n | {dots}{chr(0xFF3E) if wide else '^'}"
