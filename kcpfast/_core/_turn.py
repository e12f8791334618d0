"""A moment in which another thread may have the interpreter, for kernels that take long.

Not compiled: a function of the interpreter asks, as it begins, whether anybody waits, and only then
lets go. To let go of the lock without being asked (`with nogil`) is worse than not to: whoever
waits for it is woken each time, finds it taken again, and begins anew to count the milliseconds
after which it may ask.
"""


def turn() -> None:
    """Let another thread have the interpreter lock, if one has asked for it."""
