"""Where this process' memory grows: the lines of source whose allocations are still held.

tracemalloc makes every allocation dearer, two to four times, so it is off until it is asked for,
and what is measured in the meantime is no figure.

Rule: reads this process only.
"""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import Any

__all__ = ["trace_begin", "trace_end"]

MOST = 10  # sites that are told
_OWN = (tracemalloc.__file__, __file__)

_before: list[tracemalloc.Snapshot] = []


def trace_begin() -> None:
    """Begin to trace, or, when that has begun, begin the comparison anew.

    Garbage is collected first, so that only what is held counts. What was allocated before the
    first call is unknown: let it be replaced, and call again.
    """
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    _before[:] = [tracemalloc.take_snapshot()]


def trace_end() -> list[dict[str, Any]]:
    """Stop tracing: the sites that hold more than at the beginning, the largest growth first.

    Each is {"place": "directory/file.py:line", "size_bytes": int, "blocks": int}.
    """
    if not _before:
        raise RuntimeError("allocations are not being traced")
    gc.collect()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    own = [tracemalloc.Filter(False, name) for name in _OWN]
    grown = after.filter_traces(own).compare_to(_before.pop().filter_traces(own), "lineno")
    rows = []
    for row in sorted(grown, key=lambda row: row.size_diff, reverse=True)[:MOST]:
        if row.size_diff > 0:
            frame = row.traceback[0]
            place = "/".join(Path(frame.filename).parts[-2:])
            rows.append(
                {
                    "place": f"{place}:{frame.lineno}",
                    "size_bytes": row.size_diff,
                    "blocks": row.count_diff,
                }
            )
    return rows
