"""How the C library hands out memory."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of ``mallopt``, as ``malloc.h`` numbers them."""
_NEVER = -1


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for the next tensor of that size.

    glibc gives blocks above 32 MiB back to the system as soon as they are freed, and the system clears each page of the
    next one. The activations of training steps come and go in such blocks. What memory a process has at most grows by
    some per cent, and by more where blocks of many sizes alternate, as where a prediction compares engines. It counts
    for the whole process, so that it is for programs to call, at their start, and never for the library.

    Returns:
        Whether it was done; other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _NEVER))
