"""`python -m perflab canary --calibrate`: how often is the canary itself wrong?

Theory of operation. Runs are simulated (`noise.py`) and judged pair by pair, as they would be, by
the judge as it is. The first seed is drawn anew each time unless it is given: figures that were
tuned on some seeds are worth nothing on these. Wrong is a roll back of an equal candidate, and a
promotion of one that is worse.

Rule: order of work, words and files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import SystemRandom

from benchmarks.common.records import filed, now_utc
from perflab.canary.judge import ERROR, FIGURES, CanaryJudge
from perflab.canary.noise import EFFECTS, CanaryEffect, MachineTemper, simulated_pairs
from perflab.canary.plan import CanaryPlan
from perflab.canary.record import Ruling, Verdict
from perflab.stats.rates import Rate

__all__ = ["TEMPERS", "WANTED", "CalibratedRow", "add_arguments", "calibrated", "main", "wrong"]

MOST_RUNS = 10_000
PROMISED_FOUND = 0.95
TEMPERS = {
    "usual": MachineTemper(),
    "crowded": replace(
        MachineTemper(), drift=0.15, slot_latency=0.16, slot_cpu=0.06, spells_per_s=1 / 8
    ),
}
WANTED: dict[str, Verdict] = {
    each.name: "roll back" if each.name not in (EFFECTS[0].name, EFFECTS[-1].name) else "promote"
    for each in EFFECTS
}


@dataclass(frozen=True, kw_only=True)
class CalibratedRow:
    """What was said of runs of one kind."""

    machine: str
    effect: str
    wanted: Verdict
    runs: int
    promoted: int
    rolled_back: int
    held: int
    decided_by: dict[str, int]
    """Of those rolled back, by figure."""
    seconds: float | None
    """The median time to the verdict that was wanted; null if it never came."""
    slow_seconds: float | None
    """19 of 20 of these came within this time."""

    @property
    def right(self) -> Rate:
        """The verdict that was wanted."""
        found = self.rolled_back if self.wanted == "roll back" else self.promoted
        return Rate(found, self.runs)

    @property
    def wrong(self) -> Rate:
        """The opposite."""
        found = self.promoted if self.wanted == "roll back" else self.rolled_back
        return Rate(found, self.runs)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `canary` that belong to --calibrate."""
    group = parser.add_argument_group(
        "how good is the canary itself",
        "Exit code 0: equal candidates are rolled back in no more runs than promised, and +10 % "
        "processor time in 95 of 100; 1: not so.",
    )
    group.add_argument("--calibrate", action="store_true", help="judge simulated runs instead")
    group.add_argument(
        "--runs", type=int, default=200, metavar="N", help="of each kind (default: %(default)s)"
    )
    group.add_argument(
        "--kind", default="", metavar="TEXT", help="only candidates in whose name this is: "
        + ", ".join(f"'{each.name}'" for each in EFFECTS).replace("%", "%%")
    )  # fmt: skip
    group.add_argument(
        "--first-seed", type=int, metavar="N", help="of the simulated runs (default: drawn anew)"
    )


def main(options: argparse.Namespace, root: Path) -> int:
    """Simulate, judge, file and tell; 0 as promised, 1 not, 2 bad arguments."""
    if not 1 <= options.runs <= MOST_RUNS:
        print(f"error: --runs is 1 to {MOST_RUNS}, not {options.runs}", file=sys.stderr)
        return 2
    first = options.first_seed
    if first is None:
        first = SystemRandom().randrange(2**32)
    if first < 0:
        print(f"error: --first-seed is 0 or more, not {first}", file=sys.stderr)
        return 2
    effects = [each for each in EFFECTS if options.kind in each.name]
    if not effects:
        print(f"error: --kind: no candidate has {options.kind!r} in its name", file=sys.stderr)
        return 2
    plan = CanaryPlan(seconds=options.seconds, warm_up_s=options.warm_up_s)
    rows = [
        calibrated(machine, temper, effect, range(first, first + options.runs), plan, _say)
        for machine, temper in TEMPERS.items()
        for effect in effects
    ]
    text = _markdown(rows, first, plan)
    place = options.out or filed(root, "canary", "", "calibration")
    place.mkdir(parents=True, exist_ok=True)
    (place / "calibration.md").write_text(text, encoding="utf-8")
    content = {"began": now_utc(), "first_seed": first, "rows": [asdict(row) for row in rows]}
    (place / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{text}\nfiles: {place}")
    return 1 if wrong(rows) else 0


def calibrated(
    machine: str,
    temper: MachineTemper,
    effect: CanaryEffect,
    seeds: Sequence[int],
    plan: CanaryPlan,
    say: Callable[[str], None],
) -> CalibratedRow:
    """Runs of these seeds, each judged until there is a ruling or its time is over."""
    wanted = WANTED[effect.name]
    rulings = []
    for seed in seeds:
        rulings.append(_ruled(temper, effect, seed, plan))
        if len(rulings) % 50 == 0:
            say(f"{machine}, {effect.name}: {len(rulings)} of {len(seeds)} runs")
    said = Counter(each.verdict for each in rulings)
    times = sorted(each.seconds for each in rulings if each.verdict == wanted)
    return CalibratedRow(
        machine=machine,
        effect=effect.name,
        wanted=wanted,
        runs=len(rulings),
        promoted=said["promote"],
        rolled_back=said["roll back"],
        held=said["hold"],
        decided_by=dict(
            Counter(each.decided_by for each in rulings if each.verdict == "roll back")
        ),
        seconds=round(statistics.median(times), 2) if times else None,
        slow_seconds=round(times[int(0.95 * (len(times) - 1))], 2) if times else None,
    )


def wrong(rows: Sequence[CalibratedRow]) -> list[str]:
    """What is not as promised, in words."""
    found = []
    for row in rows:
        if row.effect == EFFECTS[0].name and row.wrong.share > ERROR:
            found.append(f"{row.machine}: equal candidates rolled back in {row.wrong}")
        if row.effect == EFFECTS[1].name and row.right.share < PROMISED_FOUND:
            found.append(f"{row.machine}: {row.effect} rolled back in {row.right} only")
    return found


def _ruled(temper: MachineTemper, effect: CanaryEffect, seed: int, plan: CanaryPlan) -> Ruling:
    judge = CanaryJudge(FIGURES)
    for pair in simulated_pairs(temper, effect, seed, plan.seconds, plan.warm_up_s):
        if ruling := judge.take(pair):
            return ruling
    return judge.end("time is over")


def _markdown(rows: Sequence[CalibratedRow], first: int, plan: CanaryPlan) -> str:
    lines = [
        f"{rows[0].runs} runs of each kind, {plan.seconds:g} s at most with {plan.warm_up_s:g} s "
        f"warm-up, first seed {first}; intervals of 95 %.",
        "",
        "| machine | candidate differs by | wanted | said so | the opposite | held "
        "| median, 95 % s | decided by |",
        "| " + "--- | " * 8,
    ]
    for row in rows:
        names = ", ".join(f"{name} {count}" for name, count in sorted(row.decided_by.items()))
        times = "–" if row.seconds is None else f"{row.seconds:.1f}, {row.slow_seconds:.1f}"
        lines.append(
            f"| {row.machine} | {row.effect} | {row.wanted} | {row.right} | {row.wrong} "
            f"| {row.held} | {times} | {names} |"
        )
    lines += ["", *(f"**Not as promised:** {each}" for each in wrong(rows))]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
