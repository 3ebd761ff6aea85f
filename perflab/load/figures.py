"""What the rows of a load run come to: rates, outcomes, percentiles; over the run or a part of it.

Latency counts from the moment an operation was due, and percentiles are nearest rank over those
that succeeded. Beside them stands what did not: with a share of failures above 1 - p, the
percentile p of all would be a failure, and `latency_s` says so by None.

Rule: looks at rows; opens no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perflab.load.record import OUTCOMES, LoadRecord
from perflab.load.starvation import starved

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LATE_NS",
    "PER_MILLE",
    "LoadFigures",
    "figures",
    "generator_reasons",
    "judged",
    "warm_ups",
]

LATE_NS = 2_000_000
PER_MILLE = {"p50": 500.0, "p95": 950.0, "p99": 990.0, "p999": 999.0, "p9999": 999.9}
# On a crowded machine every process waits some milliseconds for a core. Latencies include that, so
# they are never too good; a generator that cannot keep its schedule is late by much more.
MOST_LAG_S = 0.010
MOST_LAG_SHARE = 0.5  # of the P99 of latency: beyond it, most of what it shows is the generator
BUSY_CORE = 0.9  # of a core, by a process with one thread: it has no time left
MOST_LATE_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class LoadFigures:
    """Counts of operations, rates per second, latencies in seconds."""

    seconds: float
    scheduled: int
    ok: int
    dropped: int
    missed: int
    timed_out: int
    refused: int
    failed: int
    wrong: int
    late: int
    errors: dict[str, int]
    """Operations that did not succeed, by the name of their exception."""
    latency_s: dict[str, float | None]
    """"p50" … "p9999" and "max" of those that succeeded; None if so many did not that the
    percentile of all is a failure, or if there are none."""
    lag_p99_s: float
    """From due to begun."""
    lag_max_s: float

    @property
    def rate_asked(self) -> float:
        return self.scheduled / self.seconds

    @property
    def rate_reached(self) -> float:
        """Goodput: operations that succeeded, per second in which they were due."""
        return self.ok / self.seconds

    @property
    def success(self) -> float:
        """The share that succeeded, of all that were due; 0 if none was."""
        return self.ok / self.scheduled if self.scheduled else 0.0


def judged(record: LoadRecord) -> NDArray[np.void]:
    """The rows that figures of a run are made of: those that were due outside its warm-ups."""
    import numpy as np

    rows = record.rows
    keep = np.ones(len(rows), bool)
    for begin_ns, end_ns in warm_ups(record):
        keep &= (rows["due_ns"] < begin_ns) | (rows["due_ns"] >= end_ns)
    return rows[keep]


def warm_ups(record: LoadRecord) -> list[tuple[float, float]]:
    """When each phase that figures leave out begins and ends, in ns."""
    phases = zip(record.manifest.scenario["phase"], record.manifest.phases, strict=True)
    return [
        (begin_s * 1e9, end_s * 1e9) for phase, (_, begin_s, end_s) in phases if phase["warm_up"]
    ]


def figures(rows: NDArray[np.void], errors: Sequence[str], seconds: float) -> LoadFigures:
    """The figures of some rows, due within so many seconds."""
    import numpy as np

    counts = np.bincount(rows["outcome"], minlength=len(OUTCOMES)).tolist()
    bad = rows[rows["outcome"] != 0]
    names = Counter(errors[number] for number in bad["error"].tolist() if number)
    good = rows[rows["outcome"] == 0]
    latency_ns = np.sort(good["ended_ns"] - good["due_ns"])
    begun = rows[rows["begun_ns"] >= 0]
    lag_ns = np.sort(begun["begun_ns"] - begun["due_ns"])
    latency_s: dict[str, float | None] = {
        name: _rank(latency_ns, len(rows), per_mille) for name, per_mille in PER_MILLE.items()
    }
    latency_s["max"] = float(latency_ns[-1]) / 1e9 if len(latency_ns) else None
    return LoadFigures(
        seconds=seconds,
        scheduled=len(rows),
        late=int((lag_ns > LATE_NS).sum()),
        errors=dict(names),
        latency_s=latency_s,
        lag_p99_s=_rank(lag_ns, len(lag_ns), 990.0) or 0.0,
        lag_max_s=float(lag_ns[-1]) / 1e9 if len(lag_ns) else 0.0,
        **dict(zip(OUTCOMES, counts, strict=True)),
    )


def _rank(ordered_ns: NDArray[np.int64], total: int, per_mille: float) -> float | None:
    """Nearest rank, where what is missing from `total` counts as longer than everything."""
    place = -(-total * round(per_mille * 10) // 10_000) - 1
    return float(ordered_ns[place]) / 1e9 if 0 <= place < len(ordered_ns) else None


def generator_reasons(record: LoadRecord) -> list[str]:
    """Why the generator was the bottleneck of a run, in words; none if it was not.

    Either operations were missed; or starts were late while a process of it was kept from the
    processor (`starvation`); or the lag of its starts is most of the latency that it shows
    (P99 of the lag above 10 ms and above half the P99 of the latency, of those that succeeded); or
    more than 1 % of the starts were late while a process of it used more than 90 % of a core.
    """
    rows = judged(record)
    found = figures(rows, record.errors, record.manifest.phases[-1][2])
    reasons = []
    if found.missed:
        reasons.append(f"{found.missed} operations were not begun before their deadline")
    reasons += [str(each) for each in starved(record, rows)]
    ok = figures(rows[rows["outcome"] == 0], record.errors, found.seconds)
    p99_s, lag_s = ok.latency_s["p99"], found.lag_p99_s
    if p99_s is not None and lag_s > MOST_LAG_S and lag_s > MOST_LAG_SHARE * p99_s:
        reasons.append(
            f"the P99 of the start lag is {lag_s * 1e3:.1f} ms, that of the latency, which "
            f"includes it, {p99_s * 1e3:.1f} ms"
        )
    begun = found.scheduled - found.dropped - found.missed
    if found.late > MOST_LATE_SHARE * begun:
        reasons += [
            f"client process {number} used {share:.0%} of a core, and {found.late} of {begun} "
            "operations began late"
            for number, share in enumerate(_cpu_shares(record))
            if share > BUSY_CORE
        ]
    return reasons


def _cpu_shares(record: LoadRecord) -> list[float]:
    """The processor time of each client process, as a share of the time that passed."""
    shares = []
    for number in range(record.manifest.clients):
        own = [each for each in record.intervals if each.process == number]
        shares.append(own[-1].cpu_s / (own[-1].at_ns / 1e9) if own and own[-1].at_ns else 0.0)
    return shares
