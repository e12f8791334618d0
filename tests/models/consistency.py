"""What the index must say, by reading every object: the program has it for `kcpfast check`."""

from kcpfast.server.consistency import problems, problems_of, unfinished

__all__ = ["problems", "problems_of", "unfinished"]
