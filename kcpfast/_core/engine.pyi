def load(path: str) -> None:
    """Find LMDB's functions in a shared library; ImportError if they are not there."""

def digest(data: bytes, seed: int = 0) -> int:
    """Return the XXH64 of some bytes."""

def sound(key: bytes, value: bytes) -> bool:
    """Tell whether an entry, its seal in front, is as it was written."""
