"""One canary, from its two sides to the ruling.

Theory of operation. Slots of the schedule go to one side and then, the same slot, to the other; a
coin says which is first. While a side has its turn, the other one idles: they do not take each
other's processors, and both meet the same spell of the machine. A pair takes a few tenths of a
second, and is judged as soon as it is there.

Rule: asks the sides, and the judge; shows and files through whoever is given.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any, Protocol

from benchmarks.common.children import ChildError
from benchmarks.common.records import nearest_rank
from perflab.canary.judge import CanaryJudge
from perflab.canary.plan import CanaryPlan
from perflab.canary.record import SIDES, PairOfSlots, Ruling, Side, SlotFigures
from perflab.canary.sides import CanarySide, SideGoneError
from perflab.canary.tail import PooledTail

__all__ = ["CanaryError", "CanaryRun", "CanaryWatcher"]


class CanaryError(RuntimeError):
    """A canary that cannot go on, which says nothing of the candidate; one line."""


class CanaryWatcher(Protocol):
    """Who is shown a run, and files it."""

    def say(self, text: str) -> None:
        """One line of progress."""

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        """A pair was done, and judged."""


@dataclass(kw_only=True)
class CanaryRun:
    """A run on two sides that were entered."""

    plan: CanaryPlan
    baseline: CanarySide
    candidate: CanarySide
    judge: CanaryJudge
    watcher: CanaryWatcher
    stop: threading.Event
    """Set: no pair begins any more."""
    coin: Random = field(default_factory=lambda: Random(SystemRandom().getrandbits(64)))
    """Says who is first in each pair; by default one that nobody can know before."""
    operations: int = 0
    """Of each side, so far."""

    def run(self) -> Ruling:
        """Fill, pairs until there is a ruling or time is over, and read all back.

        Raises:
            CanaryError: the baseline cannot be measured.
        """
        try:
            self._require_two_networks()
            self._fill()
            ruling = self._pairs()
            return ruling if self.stop.is_set() else self._read_back(ruling)
        except SideGoneError as error:
            return self.judge.gone(str(error))

    def _side(self, which: Side) -> CanarySide:
        return self.baseline if which == "baseline" else self.candidate

    def _require_two_networks(self) -> None:
        """Records of one that are found through the other would be taken for broken ones."""
        name = f"mark-{os.urandom(8).hex()}"
        self._asked("baseline", "mark", name)
        if self._asked("candidate", "knows", name):
            raise CanaryError(
                f"{self.baseline.name} and {self.candidate.name} are members of one network; a "
                "canary compares two"
            )

    def _fill(self) -> None:
        self.watcher.say(f"storing {self.plan.records:,} records on each side")
        for which in SIDES:
            self._asked(which, "fill")

    def _pairs(self) -> Ruling:
        plan, tail = self.plan, PooledTail()
        begin_s, number = time.monotonic(), 0
        while not self.stop.is_set():
            now_s = time.monotonic() - begin_s
            if now_s >= plan.seconds:
                return self.judge.end(f"no ruling within {plan.seconds:g} s")
            pair = self._pair(number, self.coin.choice(SIDES), now_s, begin_s, tail)
            self.operations += plan.count
            ruling = self.judge.take(pair)
            self.watcher.pair(pair, self.judge)
            if ruling is not None:
                return ruling
            number += 1
        return self.judge.end("interrupted")

    def _pair(
        self, number: int, first: Side, now_s: float, begin_s: float, tail: PooledTail
    ) -> PairOfSlots:
        threshold_s = tail.threshold_s()
        slots: dict[str, SlotFigures] = {}
        for which in (first, *(each for each in SIDES if each != first)):
            at_s = time.monotonic() - begin_s
            before = self._cpu_s(which)
            told = self._asked(which, "slot", number)
            after = self._cpu_s(which)
            latencies_s = [math.inf if us < 0 else us / 1e6 for us in told["latencies_us"]]
            tail.add(latencies_s)
            cpu_s = None if before is None or after is None else after - before
            slots[which] = _figures(told, at_s, latencies_s, threshold_s, cpu_s)
        warm_up = now_s < self.plan.warm_up_s
        return PairOfSlots(number=number, first=first, warm_up=warm_up, **slots)

    def _read_back(self, ruling: Ruling) -> Ruling:
        """A promise that is broken only now overrules."""
        self.watcher.say("reading every record again")
        for which in SIDES:
            broken, unread = self._asked(which, "read_back")
            if broken and ruling.decided_by != "records":
                ruling = self.judge.broken_after_all(which, broken)
            if unread:
                self.watcher.say(f"{unread} records of the {which} could not be read again")
        return ruling

    def _cpu_s(self, which: Side) -> float | None:
        try:
            return self._side(which).cpu_s()
        except SideGoneError as error:
            raise self._gone(which, error) from error

    def _asked(self, which: Side, what: str, *arguments: Any) -> Any:
        try:
            return getattr(self._side(which).client, what)(*arguments)
        except ChildError as error:
            raise self._gone(which, error) from error

    def _gone(self, which: Side, error: Exception) -> Exception:
        """What it means that a side is no longer there."""
        words = " ".join(str(error).split())
        if which == "candidate":
            return SideGoneError(words)
        return CanaryError(f"the baseline cannot be measured: {words}")


def _figures(
    told: dict[str, Any],
    at_s: float,
    latencies_s: Sequence[float],
    threshold_s: float,
    cpu_s: float | None,
) -> SlotFigures:
    p50_s = nearest_rank(sorted(latencies_s), 500)
    return SlotFigures(
        begin_s=round(at_s, 6),
        seconds=round(told["seconds"], 6),
        operations=len(latencies_s),
        failed=sum(told["errors"].values()),
        p50_s=None if math.isinf(p50_s) else p50_s,
        beyond=sum(each > threshold_s or math.isinf(each) for each in latencies_s),
        cpu_s=cpu_s if cpu_s is None else round(cpu_s, 9),
        client_cpu_s=round(told["cpu_s"], 9),
        errors=told["errors"],
        broken=told["broken"],
    )
