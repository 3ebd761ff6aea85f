"""A load run as OpenMetrics with timestamps, of which promtool makes blocks for Prometheus.

Theory of operation. The core's own metrics of operations, as a client that was scraped each second
would have told them: counters only grow, and every series is there from the start of the schedule,
so that rates are right from the first second. What was due in a warm-up is left out, as in the
report. A duration counts from when the operation was due. What was never begun has none; what the
generator missed is its own doing, and counts for nothing. Kinds of operations that only a load has
(insert, scan, modify) keep their names as `op`.

Rule: reads a record and writes text; names and buckets are the core's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common import subject
from perflab.load.figures import judged
from perflab.load.record import KINDS, OUTCOMES, LoadRecord, LoadRecordError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["JOB", "RESULT_OF", "openmetrics", "write_openmetrics"]

JOB = "load"
STEP_NS = 1_000_000_000  # a scrape each second
RESULT_OF: Mapping[str, str] = {
    "ok": "ok",
    "dropped": "busy",
    "timed_out": "deadline",
    "refused": "refused",
    "failed": "error",
    "wrong": "error",
    "missed": "cancelled",
}
"""By outcome, the core's result: dropped is what waited for room in vain."""


def write_openmetrics(record: LoadRecord, path: Path) -> None:
    """Write the run's figures; LoadRecordError if it measured nothing, or OSError."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in openmetrics(record))


def openmetrics(record: LoadRecord) -> Iterator[str]:
    """The lines of the file."""
    import numpy as np

    rows = judged(record)
    if not len(rows):
        raise LoadRecordError(f"{record.directory}: no operation was due outside its warm-ups")
    # What was never begun is known to be lost when it was due.
    known_ns = np.maximum(rows["ended_ns"], rows["due_ns"])
    at_ns = np.arange(0, int(known_ns.max()) + STEP_NS, STEP_NS) + STEP_NS
    at_ns = np.concatenate([[0], at_ns])
    stamps = [f"{(record.manifest.zero_wall_ns + int(each)) / 1e9:.3f}" for each in at_ns]
    scenario = "".join(c for c in record.manifest.scenario["name"] if c not in '"\\\n')
    common = f'job="{JOB}",instance="{scenario}"'
    kinds = [(number, KINDS[number]) for number in np.unique(rows["kind"]).tolist()]
    yield from _operations(rows, known_ns, kinds, at_ns, stamps, common)
    yield from _durations(rows, kinds, at_ns, stamps, common)
    yield "# EOF"


def _operations(
    rows: NDArray[np.void],
    known_ns: NDArray[np.int64],
    kinds: list[tuple[int, str]],
    at_ns: NDArray[np.int64],
    stamps: list[str],
    common: str,
) -> Iterator[str]:
    import numpy as np

    results = np.array([RESULT_OF[outcome] for outcome in OUTCOMES])[rows["outcome"]]
    yield from _head("p2pcore_operations_total", "counter")
    for number, kind in kinds:
        for result in dict.fromkeys(RESULT_OF.values()):
            times = known_ns[(rows["kind"] == number) & (results == result)]
            labels = f'{common},op="{kind}",result="{result}"'
            yield from _counter(f"p2pcore_operations_total{{{labels}}}", times, at_ns, stamps)


def _durations(
    rows: NDArray[np.void],
    kinds: list[tuple[int, str]],
    at_ns: NDArray[np.int64],
    stamps: list[str],
    common: str,
) -> Iterator[str]:
    name = "p2pcore_operation_duration_seconds"
    bounds_s: tuple[float, ...] = subject.part("metrics.table", "BOUNDS_S")
    missed = OUTCOMES.index("missed")
    ended = rows[(rows["ended_ns"] >= 0) & (rows["outcome"] != missed)]
    yield from _head(name, "histogram")
    for number, kind in kinds:
        own = ended[ended["kind"] == number]
        took_s, times = (own["ended_ns"] - own["due_ns"]) / 1e9, own["ended_ns"]
        labels = f'{common},op="{kind}"'
        columns = [
            _counter(
                f'{name}_bucket{{{labels},le="{bound!r}"}}', times[took_s <= bound], at_ns, stamps
            )
            for bound in bounds_s
        ]
        columns += [
            _counter(series, times, at_ns, stamps)
            for series in (f'{name}_bucket{{{labels},le="+Inf"}}', f"{name}_count{{{labels}}}")
        ]
        columns.append(_counter(f"{name}_sum{{{labels}}}", times, at_ns, stamps, took_s))
        for moment in zip(*columns, strict=True):  # one moment's buckets stand together
            yield from moment


def _head(name: str, kind: str) -> Iterator[str]:
    families = subject.part("metrics.table", "FAMILIES")
    family = next(each for each in families if each.name == name)
    base = name.removesuffix("_total")
    yield f"# TYPE {base} {kind}"
    yield f"# HELP {base} {family.help}"


def _counter(
    series: str,
    times_ns: NDArray[np.int64],
    at_ns: NDArray[np.int64],
    stamps: list[str],
    values: NDArray[np.float64] | None = None,
) -> Iterator[str]:
    """What has come up to each moment: events, or the sum of their values."""
    import numpy as np

    order = np.argsort(times_ns, kind="stable")
    upto = np.searchsorted(times_ns[order], at_ns, side="right")
    if values is None:
        found = [str(each) for each in upto.tolist()]
    else:
        sums = np.concatenate([[0.0], np.cumsum(values[order])])
        found = [f"{each:.9g}" for each in sums[upto].tolist()]
    for value, stamp in zip(found, stamps, strict=True):
        yield f"{series} {value} {stamp}"
