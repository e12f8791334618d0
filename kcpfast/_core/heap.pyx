# cython: language_level=3
"""Tells the C library's allocator what to keep of memory that is free.

The allocator of glibc learns from what is freed: after the first body of megabytes it takes such
blocks out of its heap, which then grows with holes in it that never come back. Told once how it
is, it learns nothing. Other C libraries have no such switch, and need none.

See mallopt(3) and malloc_trim(3).
"""

cdef extern from *:
    """
    #include <stdlib.h>
    #ifdef __GLIBC__
    #include <malloc.h>
    static void kcpfast_fix(int mapped, int top, int arenas) {
        mallopt(M_MMAP_THRESHOLD, mapped);
        mallopt(M_TRIM_THRESHOLD, top);
        mallopt(M_ARENA_MAX, arenas);
    }
    static void kcpfast_trim(void) { malloc_trim(0); }
    #else
    static void kcpfast_fix(int mapped, int top, int arenas) { }
    static void kcpfast_trim(void) { }
    #endif
    """
    void kcpfast_fix(int mapped, int top, int arenas) nogil
    void kcpfast_trim() nogil


def fix(int mapped, int top, int arenas):
    """Have blocks from `mapped` bytes on go back to the system as soon as they are free.

    So does the free end of the heap from `top` bytes on. Threads share so many heaps.
    """
    kcpfast_fix(mapped, top, arenas)


def trim():
    """Give back to the system whatever is free."""
    with nogil:
        kcpfast_trim()
