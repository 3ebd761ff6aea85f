"""What it costs to sync a little, now, where a durable peer has its data.

A disk's sync costs 0.1 ms in one minute and 4 ms in another, and a durable store can do no better;
so its figures say nothing without the sync cost of the same minute.

Rule: writes one file and removes it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["SYNCS", "file_system", "sync_cost_s"]

SYNCS = 50
BYTES = 1024


def sync_cost_s(folder: Path, syncs: int = SYNCS) -> list[float]:
    """Seconds of each of so many fdatasync calls, each after 1 KiB more at the end of a file."""
    file = folder / "sync-cost"
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        return [_timed(handle) for _ in range(syncs)]
    finally:
        os.close(handle)
        file.unlink()


def _timed(handle: int) -> float:
    os.write(handle, bytes(BYTES))
    begin = time.perf_counter()
    os.fdatasync(handle)
    return time.perf_counter() - begin


def file_system(folder: Path, mounts: str | None = None) -> str:
    """The kind of file system that a folder is on ("ext4", "tmpfs"); "unknown" without /proc."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        except OSError:
            return "unknown"
    place, best, kind = folder.resolve(), -1, "unknown"
    for line in mounts.splitlines():
        _, at, this, *_ = line.split(" ")
        if place.is_relative_to(at) and len(at) >= best:  # a later mount hides an earlier one
            best, kind = len(at), this
    return kind
