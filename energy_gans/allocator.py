r"""What the C library does with memory that a process has freed.

glibc gives large blocks back to the system as soon as they are free. Each step of a training on
CPUs asks for them again, and the system clears every page anew. A process that keeps them spares
this work; its peak of memory is the same.

References:
    mallopt(3), https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes
import os

# The parameters of mallopt, by their names in malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# mallopt takes 32 bits. Older versions of glibc refuse a larger second number than 32 MiB.
_TRIM_BYTES, _MMAP_BYTES = 2**31 - 1, (2**30, 2**25)
_OWN_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_freed_memory() -> bool:
    r"""Makes this process keep freed memory for its next allocations, where the C library can.

    Settings in the user's environment, such as `MALLOC_TRIM_THRESHOLD_` or those in
    `GLIBC_TUNABLES`, stay as they are.

    Returns:
        Whether it does.
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc" in tunables or any(name in os.environ for name in _OWN_SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = any(mallopt(_MMAP_THRESHOLD, number) for number in _MMAP_BYTES)
    return kept and bool(mallopt(_TRIM_THRESHOLD, _TRIM_BYTES))
