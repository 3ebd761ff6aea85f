"""How many seconds each suite may take per commit, and whether what asv recorded keeps to it.

The table is here and nowhere else: docs/suite.md repeats it, `make bench` takes its short
selection from it, and tests add it up. A row is what a suite takes on two cores that little else
uses, with some headroom; crowded, a machine needs up to three times as long, so a row that is
passed once says less than one that is passed every time.

Rule: reads files and judges; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from perflab.results.asv_results import StoredResults, current_versions, setup_caches, stored

__all__ = [
    "BUILD_S",
    "SHORT_S",
    "SUITES",
    "WHOLE_S",
    "Budget",
    "BudgetJudgement",
    "judge",
    "report",
]

WHOLE_S = 540.0
"""design.md §4: the whole suite, per commit."""
SHORT_S = 90.0
"""design.md §4: the short selection, per commit."""
BUILD_S = 15.0
"""What asv itself needs for a commit: to build, install, discover and start processes."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A suite's row."""

    seconds: float
    """For one commit, its preparation included."""
    short: bool = False
    """Whether it is in the short selection."""


SUITES: Mapping[str, Budget] = {
    "baseline": Budget(9, short=True),
    "chaos": Budget(24),
    "concurrency": Budget(12, short=True),
    "counts": Budget(34, short=True),
    "detection": Budget(11),
    "durable": Budget(14),
    "hotpath": Budget(92),
    "latency": Budget(37),
    "load": Budget(60),
    "memory": Budget(8, short=True),
    "overload": Budget(33),
    "scale": Budget(16),
    "simulated": Budget(120),
    "situations": Budget(1),
    "startup": Budget(32),
    "tail": Budget(22),
}


@dataclass(frozen=True, slots=True)
class BudgetJudgement:
    """What one commit's file says about the table."""

    recorded_s: Mapping[str, float]
    """By suite, those that were measured whole."""
    over: tuple[str, ...]
    """A sentence for each row or sum that is passed."""
    unknown: tuple[str, ...]
    """A sentence for each suite that cannot be judged: not measured whole, or without a row."""


def judge(results: Path, file: StoredResults) -> BudgetJudgement:
    """Hold asv's recorded durations against the table.

    `results` is asv's results folder: its benchmarks.json says which benchmarks there are.
    """
    recorded = _recorded_s(results, file)
    measured = {suite: seconds for suite, seconds in recorded.items() if seconds is not None}
    unknown = [f"{suite} has no row in the table" for suite in recorded if suite not in SUITES]
    unknown += [f"{suite} was not measured whole" for suite in recorded if suite not in measured]
    if not recorded:
        unknown.append("asv has not discovered any suite")
    build_s = file.shared_seconds.get("<build>", 0.0)
    short = [seconds for suite, seconds in measured.items() if _is_short(suite)]
    limits = [
        (suite, seconds, SUITES[suite].seconds)
        for suite, seconds in measured.items()
        if suite in SUITES
    ]
    limits.append(("the build", build_s, BUILD_S))
    limits.append(("the short selection", build_s + sum(short), SHORT_S))
    limits.append(("the whole suite", build_s + sum(measured.values()), WHOLE_S))
    over = [
        f"{name} took {seconds:.1f} s, its budget is {limit:.0f} s"
        for name, seconds, limit in limits
        if not seconds <= limit  # NaN is no pass
    ]
    return BudgetJudgement(measured, tuple(over), tuple(unknown))


def report(results: Path, write: Callable[[str], None]) -> int:
    """Print the table beside the newest results; 0 within, 1 over, 2 not everything known."""
    files = [path for path in results.glob("*/*.json") if path.name != "machine.json"]
    if not files:
        write("error: nothing has been measured yet: run `make bench FULL=1` first")
        return 2
    path = max(files, key=lambda path: path.stat().st_mtime)
    judgement = judge(results, stored(path))
    write(f"recorded by asv: commit {path.name[:8]} on {path.parent.name}")
    write(f"{'suite':12} {'budget s':>9} {'recorded s':>11}  selection")
    for suite in sorted({*SUITES, *judgement.recorded_s}):
        budget, recorded = SUITES.get(suite), judgement.recorded_s.get(suite)
        write(
            f"{suite:12} {'-' if budget is None else f'{budget.seconds:.0f}':>9} "
            f"{'-' if recorded is None else f'{recorded:.1f}':>11}  "
            f"{'short' if _is_short(suite) else 'whole'}"
        )
    for sentence in judgement.over:
        write(f"OVER: {sentence}")
    for sentence in judgement.unknown:
        write(f"NOT JUDGED: {sentence}")
    if judgement.unknown:
        return 2
    return 1 if judgement.over else 0


def _recorded_s(results: Path, file: StoredResults) -> dict[str, float | None]:
    """Seconds of each suite there is, or None if a result of it or its preparation is missing."""
    versions, caches = current_versions(results), setup_caches(results)
    missing = {*file.lacking(versions), *file.failed(versions)}
    found: dict[str, float | None] = {}
    for suite in sorted({name.split(".")[0] for name in versions}):
        names = {name for name in versions if name.split(".")[0] == suite}
        # A file may hold the preparation of earlier versions too: only the present keys count.
        keys = {f"<setup_cache {caches[name]}>" for name in names if caches[name] is not None}
        if missing & names or keys - file.shared_seconds.keys():
            found[suite] = None
        else:
            found[suite] = sum(file.shared_seconds[key] for key in keys) + sum(
                file.records[name].seconds for name in names
            )
    return found


def _is_short(suite: str) -> bool:
    return suite in SUITES and SUITES[suite].short
