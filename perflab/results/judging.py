"""How far the judging of many series is, for who waits for it.

Rule: words on standard error; nothing where it is quick.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["judging"]

PROGRESS_S = 5.0  # until anything is told about how far it is, and between lines where none moves
LIVE_S = 0.2  # between two looks on a terminal


@contextlib.contextmanager
def judging(series: int) -> Iterator[Callable[[int], None]]:
    """Says on standard error how many series have been read, if that takes a while."""
    live = sys.stderr.isatty()
    begun_s = told_s = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s < (LIVE_S if live and told_s > begun_s else PROGRESS_S):
            return
        told_s = now_s
        text = f"== {done} of {series} series read, {now_s - begun_s:.0f} s"
        print(f"\r\x1b[K{text}" if live else text, end="" if live else "\n", file=sys.stderr)
        sys.stderr.flush()

    try:
        yield tell
    finally:
        if live and told_s > begun_s:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
