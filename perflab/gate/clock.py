"""How long a gate may still take, and how long it probably will.

Theory of operation. Each stage has the seconds that it takes on a quiet machine of two cores.
This machine is so much slower or faster as the stages measured so far took longer or shorter: the
pace. What is left is that pace times the seconds of what is to come, and never more than what the
budget leaves. Before anything was measured, nothing is said.

Rule: reads a clock; measures and prints nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from perflab.results.asv_process import minutes

__all__ = ["USUAL_S", "BudgetClock"]

USUAL_S = {
    "build": 5.0,
    "operations": 11.0,
    "memory": 4.0,
    "disk": 1.5,
    "edge": 5.0,
    "instructions": 90.0,
    "sizes": 40.0,
    "imports": 30.0,
    "populations": 30.0,
    "lives": 12.0,
    "seeds": 26.0,
    "sockets": 80.0,
    "rounds": 66.0,
}
"""What each stage takes for both sides, where nothing has to be measured again: the processor time
of its processes on 28 November 2026, two at a time but for the rounds."""


class BudgetClock:
    """The budget of one gate, from now on."""

    def __init__(self, budget_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.budget_s = budget_s
        self._now = now
        self._begin_s = now()
        self._to_come: dict[str, float] = {}
        self._usual_s = self._took_s = 0.0  # of what is done
        self._stage, self._stage_begin_s = "", 0.0

    def elapsed_s(self) -> float:
        """Since the gate began."""
        return self._now() - self._begin_s

    def left(self, share: float = 1.0) -> Callable[[], bool]:
        """Whether so much of the budget is not used up yet."""
        return lambda: self.elapsed_s() < share * self.budget_s

    def expect(self, stages: Iterable[tuple[str, float]]) -> None:
        """Which stages there will be, each with the part of its usual work (1 for all of it)."""
        self._to_come = {stage: part * USUAL_S[stage] for stage, part in stages}

    def begin(self, stage: str) -> None:
        """The next stage begins; the one before is done."""
        self.end()
        self._stage, self._stage_begin_s = stage, self._now()

    def end(self) -> None:
        """The stage that was begun is done."""
        if self._stage:
            self._usual_s += self._to_come.pop(self._stage, 0.0)
            self._took_s += self._now() - self._stage_begin_s
            self._stage = ""

    def to_go_s(self) -> float | None:
        """Seconds that are probably left; None if nothing can be said: nothing was measured so far,
        or the last stage takes longer than usual."""
        if not self._usual_s:
            return None
        running_s = self._now() - self._stage_begin_s if self._stage else 0.0
        pace = self._took_s / self._usual_s
        usual_s = sum(self._to_come.values())
        to_go_s = min(pace * usual_s - running_s, self.budget_s - self.elapsed_s())
        return to_go_s if to_go_s > 0 else None

    def told(self) -> str:
        """Where it is: "2:10 of 10:00 at most, about 4:00 to go"."""
        to_go_s = self.to_go_s()
        guess = "" if to_go_s is None else f", about {minutes(to_go_s)} to go"
        return f"{minutes(self.elapsed_s())} of {minutes(self.budget_s)} at most{guess}"
