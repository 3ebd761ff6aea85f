"""Memory and processor time of this process, read from where the figure can be trusted.

Two traps are avoided here. `ru_maxrss`, which asv's peak memory reads, survives `exec` on Linux: a
process that was started by a fat one never shows less than that one's peak, so a benchmark that is
smaller than asv itself would show asv. `VmHWM` belongs to the program alone and can be
reset. And resident memory moves in pages and arenas; what malloc says is in use is exact, and
with PYTHONMALLOC=malloc it covers Python's objects, OpenSSL's and libuv's alike.

Rule: reads this process only.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

__all__ = [
    "counts_everything",
    "heap_bytes",
    "peak_bytes",
    "reset_peak",
    "resident_bytes",
    "trust_own_peak",
    "usage",
]

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): resets VmHWM to the current resident size


class _MallInfo2(ctypes.Structure):
    """glibc's struct mallinfo2: ten sizes in bytes, of which two are of use here (malloc.h)."""

    _fields_ = [
        ("arena_to_hblks", ctypes.c_size_t * 4),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks_to_fsmblks", ctypes.c_size_t * 2),
        ("uordblks", ctypes.c_size_t),
        ("fordblks_to_keepcost", ctypes.c_size_t * 2),
    ]


def heap_bytes(*, collect: bool = True) -> int | None:
    """Bytes that malloc has handed out and not got back, mapped ones included; None without glibc.

    Garbage that only the collector can free is collected first, for it is no leak; without
    `collect` nothing is disturbed, and it counts until the collector comes by itself.
    """
    mallinfo2 = _mallinfo2()
    if mallinfo2 is None:
        return None
    if collect:
        gc.collect()
    info = mallinfo2()
    return int(info.uordblks) + int(info.hblkhd)


@cache
def _mallinfo2() -> Callable[[], _MallInfo2] | None:
    """glibc's function; found once, for each ctypes.CDLL is a cycle that has to be collected."""
    try:
        found = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return None
    found.restype = _MallInfo2
    return cast("Callable[[], _MallInfo2]", found)


def counts_everything() -> bool:
    """Whether `heap_bytes` covers Python's small objects too: under PYTHONMALLOC=malloc, on glibc.

    Python's own allocator takes its arenas straight from the system.
    """
    return os.environ.get("PYTHONMALLOC") == "malloc" and heap_bytes(collect=False) is not None


def resident_bytes() -> int:
    """Bytes of this process that are in memory now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The most that was resident since this program began or `reset_peak` was called."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        if name == "VmHWM":
            return int(rest.split()[0]) * 1024
    raise OSError(f"{_STATUS} has no VmHWM")


def reset_peak() -> None:
    """Begin a new peak at what is resident now, where the system lets a process do that."""
    import contextlib

    with contextlib.suppress(OSError):
        _CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")


def trust_own_peak() -> None:
    """Make asv's peakmem_* read `peak_bytes`; elsewhere than on Linux its own reading stays."""
    if sys.platform == "linux":
        from asv_runner.benchmarks import peakmem

        peakmem.get_maxrss = peak_bytes


def usage() -> dict[str, int | float]:
    """Processor seconds and resident bytes of this process, and heap bytes where they are known."""
    row: dict[str, int | float] = {
        "cpu_s": time.process_time(),
        "resident_bytes": resident_bytes(),
    }
    heap = heap_bytes()
    return row if heap is None else row | {"heap_bytes": heap}
