"""When a read asks one replica more than it needs: later than nearly all reads take.

Theory of operation. A read that is not over when 95 of 100 like it are asks another replica, from
the moment at which it began; whichever answer comes first counts. That removes the waits for a
replica that stands still for a moment, which nobody can know before. How long it waits is this
machine's own P95, followed by small steps: up when a read took longer, down (19 times less) when it
did not. While a replica is slow the P95 rises by what hedges themselves take: so it is held
between 1.25 and 3 medians, and above LEAST_NS, since less saves nobody anything.

It asks another only if one that it waits for has said nothing at all since it began. A replica that
answers others meanwhile is busy; its keys' other replicas are likely to be, and hedges would make
them busier: at 85 % of three nodes' capacity they raised the P99 by a third (decision 0017).

Where the budget has no token, the read waits for three times the P99, PATIENCE_NS at least, and
then asks all that are left, if the debt has room for it. That is the wait before *asking others*; a
link is given up much later (`session/timeouts.py`).

How large a value is shows only in the answer. So the P95 is over all sizes, which is the very thing
that makes one read in twenty ask again. Reads of many keys ask slow replicas last, and have a time
of their own (`replication/batch_read.py`).

Source: Dean and Barroso, "The Tail at Scale", CACM 56(2), 2013, "hedged requests".

Rule: keeps the time; whom to ask, the read itself knows.
"""

from collections.abc import Mapping

from p2pcore.effects import Instant
from p2pcore.session.link import Call

__all__ = ["FIRST", "LEAST_NS", "PATIENCE_NS", "HedgeableCall", "Hedges", "Pace"]

LEAST_NS = 1_000_000  # a read that is over sooner is not worth a request
PATIENCE_NS = 20_000_000  # what a reader still takes for quick
FIRST = 32  # reads before anything is known
MOST = 8.0  # the P99 against the P95: only what is above the P95 moves it, which is seldom
STEP = 0.05  # by which a quantile follows
RECKON = 16  # of these between reckonings of how long to wait
ONE_IN = 4  # reads are looked at, once something is known
LOOK_NS = 2_000  # for each call that was looked at: so looking takes a small part of the time


class HedgeableCall(Call):
    """A read in flight. Calls in flight stand in the order in which they were begun."""

    __slots__ = ("hedge_ns", "hedged")

    def __init__(self, call_id: int, due_ns: int) -> None:
        # What `Call` does, without another call for each operation.
        self.question = None
        self.id = call_id
        self.due_ns = due_ns
        self.units = 0
        self.outstanding = {}
        self.hedge_ns = 0  # when it asks another replica, in monotonic ns; 0: never
        self.hedged = False  # whether that time has come before

    def hedge(self, now: Instant) -> None:
        """Ask another, or be patient, and so set `hedge_ns` anew."""
        raise NotImplementedError


class Pace:
    """How long reads of one kind take, and so how long one waits before it asks another."""

    __slots__ = ("_count", "_first", "_median", "_p95", "_p99", "patience_ns", "turn", "wait_ns")

    def __init__(self, *, enabled: bool) -> None:
        self.wait_ns = 0  # 0: not known yet, or not enabled
        self.patience_ns = 0
        self.turn = (
            1 if enabled else -1
        )  # of one that is over; at 0, `observe` is told how long it took
        self._first: list[int] = []
        self._count = RECKON
        self._median = self._p95 = self._p99 = 0.0

    def observe(self, took_ns: int) -> None:
        """A read is over, and its turn has come."""
        self.turn = ONE_IN if self.wait_ns else 1
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
            self._p99 = min(max(self._p99, self._p95), MOST * self._p95)
            wait = max(LEAST_NS, min(max(self._p95, 1.25 * self._median), 3 * self._median))
            self.wait_ns = round(wait)
            self.patience_ns = max(PATIENCE_NS, self.wait_ns, round(3 * self._p99))


class Hedges:
    """Lets the reads of one machine ask another replica.

    Args:
        calls: those in flight, by id, in the order of their beginnings; their owner keeps them.
    """

    __slots__ = ("_calls", "wake_at_ns")

    def __init__(self, calls: Mapping[int, Call]) -> None:
        self._calls = calls
        self.wake_at_ns: int | None = None
        """When `handle_timer` has work, in monotonic ns: not after the first read's time. Whoever
        begins a read sets it where it is None."""

    def handle_timer(self, now: Instant) -> None:
        """Let the reads ask others whose time has come."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        due, next_ns, looked = self._look(now.mono_ns)
        self.wake_at_ns = next_ns and max(next_ns, now.mono_ns + LOOK_NS * looked)
        for read in due:
            if self._calls.get(read.id) is read:
                read.hedge(now)
                if read.hedge_ns:
                    self.wake_at_ns = min(self.wake_at_ns or read.hedge_ns, read.hedge_ns)

    def _look(self, now_ns: int) -> tuple[list[HedgeableCall], int | None, int]:
        """Those that are due, when the next one is, and how many were looked at."""
        due: list[HedgeableCall] = []
        next_ns: int | None = None
        looked = 0
        for call in self._calls.values():
            looked += 1
            if not isinstance(call, HedgeableCall) or not call.hedge_ns:
                continue
            if call.hedge_ns <= now_ns:
                due.append(call)
                continue
            if next_ns is None or call.hedge_ns < next_ns:
                next_ns = call.hedge_ns
            if not call.hedged:
                break  # those behind it were begun later
        return due, next_ns, looked
