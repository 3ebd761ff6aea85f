"""When a read asks one replica more than it needs: later than nearly all reads take.

Theory of operation. A read that is not over when 95 of 100 like it are asks another replica, from
the moment at which it began; whichever answer comes first counts. That removes the waits for a
replica that stands still for a moment, which nobody can know before. How long it waits is this
machine's own P95, followed by small steps: up when a read took longer, down (19 times less) when it
did not. While a replica is slow the P95 rises by what hedges themselves take: so it is held
between 1.5 and 3 medians, and above LEAST_NS, since less saves nobody anything.

Where the budget has no token, the read waits for three times the P99, PATIENCE_NS at least, and
then asks all that are left. That is the wait before *asking others*; a link is given up much later
(`session/timeouts.py`).

How large a value is shows only in the answer. So the P95 of single reads is over all sizes, which
is the very thing that makes one in twenty ask again; reads of many keys have a P95 for each factor
of four in their number.

Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013, "hedged requests".

Rule: keeps the time; whom to ask, the read itself knows.
"""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from p2pcore.effects import Instant, earliest

__all__ = ["FIRST", "LEAST_NS", "PATIENCE_NS", "Hedgeable", "Hedges", "Pace"]

LEAST_NS = 1_000_000  # a read that is over sooner is not worth a request
PATIENCE_NS = 20_000_000  # what a reader still takes for quick
FIRST = 32  # reads before anything is known
STEP = 0.05  # by which a quantile follows
RECKON = 16  # reads between reckonings of how long to wait


class Hedgeable(Protocol):
    """A read in flight."""

    id: int
    hedge_ns: int
    """When it asks another replica, in monotonic ns."""

    def hedge(self, now: Instant, *, patient: bool) -> bool:
        """Ask another; `patient`: whatever it costs. Returns whether it is to be woken again."""
        ...


class Pace:
    """How long reads of one kind take, and so how long one waits before it asks another."""

    __slots__ = ("_count", "_first", "_median", "_p95", "_p99", "patience_ns", "wait_ns")

    def __init__(self) -> None:
        self.wait_ns = 0  # 0: not known yet
        self.patience_ns = 0
        self._first: list[int] = []
        self._count = RECKON
        self._median = self._p95 = self._p99 = 0.0

    def observe(self, took_ns: int) -> None:
        """A read is over."""
        if took_ns > self._p95:
            self._on_slow(took_ns)
        else:
            self._p95 *= 1 - STEP * 0.05
        if took_ns > self._median:
            self._median *= 1 + STEP / 2
        else:
            self._median *= 1 - STEP / 2
        self._count -= 1
        if not self._count:
            self._reckon()

    def _on_slow(self, took_ns: int) -> None:
        if not self.wait_ns:
            self._begin(took_ns)
            return
        self._p95 *= 1 + STEP * 0.95
        self._p99 *= 1 + STEP * 0.8 if took_ns > self._p99 else 1 - STEP * 0.2

    def _begin(self, took_ns: int) -> None:
        first = self._first
        first.append(took_ns)
        if len(first) == FIRST:
            first.sort()
            self._median, self._p95, self._p99 = first[FIRST // 2], first[-2], first[-1]
            self._reckon()
            self._first = []

    def _reckon(self) -> None:
        self._count = RECKON
        if self._median:
            wait = max(LEAST_NS, min(max(self._p95, 1.5 * self._median), 3 * self._median))
            self.wait_ns = round(wait)
            self.patience_ns = max(PATIENCE_NS, self.wait_ns, round(3 * self._p99))


class Hedges:
    """The reads of one machine that may ask another replica.

    Args:
        calls: those in flight, by id; their owner keeps them.
        enabled: False: none ever does, before its round is over.
    """

    __slots__ = ("_calls", "_enabled", "_patient", "_waiting", "wake_at_ns")

    def __init__(self, calls: Mapping[int, object], *, enabled: bool) -> None:
        self._calls = calls
        self._enabled = enabled
        self._waiting: deque[Hedgeable] = deque()  # by and large in the order of `hedge_ns`
        self._patient: deque[Hedgeable] = deque()  # those that had no token
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    def follow(self, read: Hedgeable, pace: Pace, began_ns: int) -> None:
        """A read was begun: let it ask another when its time comes."""
        if not pace.wait_ns or not self._enabled:
            return
        waiting, calls = self._waiting, self._calls
        while waiting and calls.get(waiting[0].id) is not waiting[0]:
            waiting.popleft()
        waiting.append(read)
        read.hedge_ns = due_ns = began_ns + pace.wait_ns
        if self.wake_at_ns is None or due_ns < self.wake_at_ns:
            self.wake_at_ns = due_ns

    def handle_timer(self, now: Instant) -> None:
        """Let the reads ask others whose time has come."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        waiting, patient, calls = self._waiting, self._patient, self._calls
        while waiting:
            read = waiting[0]
            in_flight = calls.get(read.id) is read
            if in_flight and read.hedge_ns > now.mono_ns:
                break
            waiting.popleft()
            if in_flight and read.hedge(now, patient=False):
                patient.append(read)
        while patient:
            read = patient[0]
            in_flight = calls.get(read.id) is read
            if in_flight and read.hedge_ns > now.mono_ns:
                break
            patient.popleft()
            if in_flight:
                read.hedge(now, patient=True)
        self.wake_at_ns = earliest(
            waiting[0].hedge_ns if waiting else None, patient[0].hedge_ns if patient else None
        )
