def fix(mapped: int, top: int, arenas: int) -> None:
    """Have blocks from `mapped` bytes on go back to the system as soon as they are free.

    So does the free end of the heap from `top` bytes on. Threads share so many heaps.
    """

def trim() -> None:
    """Give back to the system whatever is free."""
