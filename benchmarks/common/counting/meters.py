"""What the core does while it is called, counted exactly: calls and allocations.

A meter makes the calls into the core for whoever drives it (`meter(function, …)` instead of
`function(…)`) and counts what happens inside, not what the driver does around them. Both counts
depend on the program alone: not on the machine, its load, the hash seed or the addresses of
objects. They do differ between versions of Python, which compile and cache differently.

Rule: knows nothing of p2pcore; counts this thread, in a process that does nothing else.
"""

from __future__ import annotations

import operator
import os
import sys
from collections import deque
from collections.abc import Callable
from itertools import repeat
from types import FrameType
from typing import Any, TypeVar

from benchmarks.common.counting.call_tree import CallTree

__all__ = [
    "METERS",
    "AllocationMeter",
    "CallMeter",
    "CountMeter",
    "LineMeter",
    "MeterFullError",
    "TreeMeter",
]

Result = TypeVar("Result")

FEW_ALLOCATIONS = 1024  # in one call into the core; reading the meter takes as many steps


class MeterFullError(Exception):
    """One call took more than the meter can count."""


class CountMeter:
    """Counts nothing: for warming up, and for what is not to be counted."""

    names: tuple[str, ...] = ()
    """What is counted, one name for each of `counts`."""

    def __init__(self) -> None:
        self.counts = [0 for _ in self.names]

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Call the function; counts add up until somebody sets them back.

        Raises:
            MeterFullError: the call took more than this meter can count, and was broken off: what
                was called is in no state to go on. Begin anew with `larger()`.
        """
        return function(*arguments, **named)

    def larger(self) -> CountMeter:
        """One that can count more in one call."""
        return self


class CallMeter(CountMeter):
    """Counts calls of functions written in Python and, apart from them, of those written in C.

    By `sys.setprofile`: a comprehension is a call in Python 3.11 and none from 3.12 on, resuming a
    generator is a call, operators and calls made within C are none.
    """

    names = ("python_calls", "c_calls")

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        counts = self.counts

        def profile(frame: FrameType, event: str, argument: object) -> None:
            if event == "call":
                counts[0] += 1
            elif event == "c_call" and argument is not sys.setprofile:
                counts[1] += 1

        sys.setprofile(profile)
        try:
            return function(*arguments, **named)
        finally:
            sys.setprofile(None)


class LineMeter(CountMeter):
    """Counts lines of Python code that are run, and the most that one call into the core takes: how
    long it lets everything else wait.

    By `sys.settrace`: each round of a loop is a line at least; loops within C are none.
    """

    names = ("lines", "longest")

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        lines = 0

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal lines
            lines += event == "line"
            return trace

        sys.settrace(trace)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(None)
            self.counts[0] += lines
            self.counts[1] = max(self.counts[1], lines)


class AllocationMeter(CountMeter):
    """Counts blocks of memory that Python and its extensions ask for: new ones and resized ones.

    By the hook with which CPython tests itself against running out of memory: it lets a given
    number of allocations pass and refuses the next. So the call is made, then blocks are asked for
    until one is refused, and the difference to the number given is what the call took. Objects
    that CPython keeps for re-use (small tuples, lists, frames) come without an allocation.

    Args:
        limit: the most that one call into the core may take.

    Raises:
        NotImplementedError: this Python has no such hook, or hands out small blocks by itself,
            where larger ones would count twice. Start it with PYTHONMALLOC=malloc.
    """

    names = ("allocations",)

    def __init__(self, limit: int = FEW_ALLOCATIONS) -> None:
        super().__init__()
        self._limit = limit
        try:
            import _testcapi  # type: ignore[import-not-found]
        except ImportError as error:
            raise NotImplementedError(
                f"counting allocations needs CPython's {error.name}"
            ) from None
        if os.environ.get("PYTHONMALLOC") != "malloc":
            raise NotImplementedError("counting allocations needs PYTHONMALLOC=malloc")
        self._begin = _testcapi.set_nomemory
        self._end = _testcapi.remove_mem_hooks
        self._own = 0  # what reading the meter takes by itself
        for _ in range(2):  # the first reading meets cold caches
            self.counts[0] = 0
            self(_nothing)
        self._own, self.counts[0] = self.counts[0], 0

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        left = repeat(b"AB", self._limit)
        blocks = map(bytes.lower, left)  # each takes one block, and gives it back
        finished = False
        self._begin(self._limit, self._limit + 1)
        try:
            result = function(*arguments, **named)
            finished = True
            deque(blocks, maxlen=0)
        except MemoryError:
            if not finished:
                raise MeterFullError(f"{self._limit} or more in one call") from None
        finally:
            self._end()
        self.counts[0] += operator.length_hint(left) - self._own
        return result

    def larger(self) -> AllocationMeter:
        return AllocationMeter(self._limit * 4)


class TreeMeter(CountMeter):
    """Counts nothing, and takes down who calls whom (`tree`)."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = CallTree()

    def __call__(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        with self.tree:
            return function(*arguments, **named)


def _nothing() -> None:
    """What a meter must count as nothing."""


METERS: dict[str, type[CountMeter]] = {
    "nothing": CountMeter,
    "calls": CallMeter,
    "allocations": AllocationMeter,
    "lines": LineMeter,
    "tree": TreeMeter,
}
