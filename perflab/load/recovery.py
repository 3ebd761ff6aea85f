"""Whether a network served its clients again after a fault as it did before, and when.

"As before" is held against the run's own noise. What was due in the BEFORE_S before the fault is
cut into slices of SLICE_S. A later slice is *good* if the share of operations that succeeded is
not below the least of those slices, and its P95 not above 2 * max - median of their P95s: the
highest that was seen, and as much again as it lay above the middle. The network has come back when
HOLD slices in a row are good. One slice alone would be within such bounds by chance too easily, and
a bound at the highest seen alone would fail one in twenty of healthy slices. With fewer than
LEAST_BEFORE slices before the fault, or HOLD after, in which anything was due, nothing is judged.

Rule: looks at rows; opens no file.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perflab.load.record import FaultResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BEFORE_S", "HOLD", "SLICE_S", "Happened", "recoveries"]

SLICE_S = 0.5
BEFORE_S = 10.0
LEAST_BEFORE = 4  # slices: fewer have no noise to speak of
HOLD = 4


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A fault as it was carried out; seconds since the schedule began."""

    fault: int
    kind: str
    begin_s: float
    healed_s: float | None
    """None for a fault that is not healed."""
    seen_by_nodes_s: float | None
    until_s: float
    """The next fault, or the end of the schedule."""
    recover_within_s: float


@dataclass(frozen=True)
class _Slice:
    begin_s: float
    success: float
    p95_s: float
    """Infinite if so many failed that it is not among those that succeeded."""


def recoveries(
    rows: NDArray[np.void], faults: Iterable[Happened], since_s: float
) -> list[FaultResult]:
    """What faults, in the order of time, did to the operations of a run, all of whose rows these
    are. The run is undisturbed before them from `since_s` on, when its warm-up is over; what
    follows a fault is so again once the network has come back from it."""
    found: list[FaultResult] = []
    for each in faults:
        result = _recovery(rows, each, since_s)
        found.append(result)
        if result.recovered_after_heal_s is not None and result.healed_s is not None:
            since_s = each.begin_s + result.healed_s + result.recovered_after_heal_s
        elif result.recovered and result.recovered_s is not None:
            since_s = each.begin_s + result.recovered_s
        else:
            since_s = each.until_s
    return found


def _recovery(rows: NDArray[np.void], happened: Happened, since_s: float) -> FaultResult:
    begin_s = happened.begin_s
    before = _slices(rows, max(since_s, begin_s - BEFORE_S), begin_s)
    healed_s = begin_s if happened.healed_s is None else happened.healed_s
    limit_s = min(healed_s + happened.recover_within_s, happened.until_s)
    after = _slices(rows, begin_s, happened.until_s)
    if len(before) < LEAST_BEFORE:
        return _result(
            rows, happened, None, None, None,
            f"only {len(before)} slices of {SLICE_S} s lie undisturbed before it; "
            f"{LEAST_BEFORE} have to",
            judged=False,
        )  # fmt: skip
    least = min(each.success for each in before)
    times = [each.p95_s for each in before]
    most_s = 2 * max(times) - statistics.median(times)

    def good(each: _Slice) -> bool:
        return each.success >= least and each.p95_s <= most_s

    def back(from_s: float) -> float | None:
        """When the first HOLD good slices in a row begin, from then on."""
        row = 0
        later = [each for each in after if each.begin_s >= from_s - SLICE_S / 2]
        for place, each in enumerate(later):
            row = row + 1 if good(each) else 0
            if row == HOLD:
                return later[place - HOLD + 1].begin_s
        return None

    hit_s = next((each.begin_s for each in after if not good(each)), None)
    again_s = begin_s if hit_s is None else back(hit_s)
    at_last_s = back(healed_s)
    words = (
        f"before: at least {least:.2%} succeeded and the P95 was at most {most_s * 1e3:.1f} ms in "
        f"{len(before)} slices of {SLICE_S} s"
    )
    left = sum(each.begin_s >= healed_s - SLICE_S / 2 for each in after)
    if left < HOLD:
        return _result(
            rows, happened, hit_s, again_s, None,
            f"{words}; operations were due in {left} such slices after it, {HOLD} have to be",
            judged=False,
        )  # fmt: skip
    if at_last_s is None or at_last_s > limit_s:
        worst = [each for each in after if each.begin_s >= healed_s and not good(each)][-1:]
        words += "; not so again within the limit" + "".join(
            f", last seen {each.success:.2%} and {each.p95_s * 1e3:.1f} ms" for each in worst
        )
        at_last_s = None
    return _result(rows, happened, hit_s, again_s, at_last_s, words)


def _result(
    rows: NDArray[np.void],
    happened: Happened,
    hit_s: float | None,
    again_s: float | None,
    at_last_s: float | None,
    words: str,
    *,
    judged: bool = True,
) -> FaultResult:
    begin_s, healed_s = happened.begin_s, happened.healed_s
    end_s = happened.until_s if again_s is None else max(again_s, begin_s)
    if at_last_s is not None:
        end_s = max(end_s, at_last_s)
    due_s = rows["due_ns"] / 1e9
    lost = rows[(due_s >= begin_s) & (due_s < end_s) & (rows["outcome"] != 0)]
    return FaultResult(
        fault=happened.fault,
        kind=happened.kind,
        at_s=begin_s,
        healed_s=None if healed_s is None else healed_s - begin_s,
        seen_by_nodes_s=happened.seen_by_nodes_s,
        seen_by_clients_s=None if hit_s is None else hit_s - begin_s,
        recovered_s=None if again_s is None else again_s - begin_s,
        recovered_after_heal_s=(
            None if at_last_s is None or healed_s is None else max(0.0, at_last_s - healed_s)
        ),
        operations_lost=len(lost),
        recovered=at_last_s is not None,
        reason=words,
        judged=judged,
    )


def _slices(rows: NDArray[np.void], begin_s: float, end_s: float) -> list[_Slice]:
    """Whole slices from the first instant on; those in which nothing was due are left out."""
    import numpy as np

    found = []
    due_ns = rows["due_ns"]
    for number in range(int((end_s - begin_s) / SLICE_S + 1e-9)):
        at_s = begin_s + number * SLICE_S
        own = rows[
            np.searchsorted(due_ns, round(at_s * 1e9)) : np.searchsorted(
                due_ns, round((at_s + SLICE_S) * 1e9)
            )
        ]
        if not len(own):
            continue
        good = own[own["outcome"] == 0]
        took_ns = np.sort(good["ended_ns"] - good["due_ns"])
        place = -(-len(own) * 95 // 100) - 1
        p95_s = float(took_ns[place]) / 1e9 if place < len(took_ns) else float("inf")
        found.append(_Slice(at_s, len(good) / len(own), p95_s))
    return found
