"""Virtual time: a heap of what is to happen, keyed by (when, in which order it was planned).

Rule: knows nothing of networks. An event is an action and three arguments, not a closure: one
tuple per event is all that is allocated.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["Action", "Engine", "StillError"]

Action = Callable[[Any, Any, Any], object]


class StillError(Exception):
    """What was waited for did not happen: no event is left, or its time is over."""


class Engine:
    """The clock of a world, and what will happen in it.

    Args:
        start_ns: where virtual time begins.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self.now_ns = start_ns
        self.executed = 0  # events so far
        self.halted = False  # an event may set it, for `run_until_halted`
        self.events: list[tuple[int, int, Action, Any, Any, Any]] = []
        self._sequence = 0

    def at(self, due_ns: int, action: Action, a: Any = None, b: Any = None, c: Any = None) -> None:
        """Plan `action(a, b, c)`; what is planned first happens first among what is due at once."""
        self._sequence += 1
        heappush(self.events, (due_ns, self._sequence, action, a, b, c))

    def run_to(self, end_ns: int) -> None:
        """Let everything happen that is due until `end_ns`, which is the time afterwards."""
        events = self.events
        executed = 0
        try:
            while events and events[0][0] <= end_ns:
                self.now_ns, _, action, a, b, c = heappop(events)
                executed += 1
                action(a, b, c)
        finally:
            self.executed += executed
        self.now_ns = max(self.now_ns, end_ns)

    def run_until(self, condition: Callable[[], bool], end_ns: int) -> None:
        """Let events happen one by one until the condition holds.

        Raises:
            StillError: it does not hold by `end_ns`, or nothing is left that could happen.
        """
        while not condition():
            self.halted = True  # after each event
            self.run_until_halted(end_ns)

    def run_until_halted(self, end_ns: int) -> None:
        """Let events happen until one of them has set `halted`; at least one does happen.

        Raises:
            StillError: none has by `end_ns`, or nothing is left that could happen.
        """
        events = self.events
        executed = 0
        try:
            while events:
                if events[0][0] > end_ns:
                    self.now_ns = end_ns
                    raise StillError("it did not happen in time")
                self.now_ns, _, action, a, b, c = heappop(events)
                executed += 1
                action(a, b, c)
                if self.halted:
                    return
            raise StillError("nothing will happen any more")
        finally:
            self.executed += executed
