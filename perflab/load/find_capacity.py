"""The highest rate at which a target keeps a service level objective (SLO).

The search. A trial offers one rate, evenly spaced, for TRIAL_S after a second of warm-up, and keeps
the SLO if its P99 and its share of successes do. The generator's own lag is in the P99: what is
kept is kept, but a trial may miss it through the generator alone, and then it says so. Rates are
doubled from the first one on until one is not kept (or halved until one is), then the interval
between the highest kept and the lowest missed is halved, on a logarithmic scale. A trial that is
missed is made once more and counts only if it is missed again: a shared machine has slow spells,
and never fast ones. The search stops when the two rates are within RESOLUTION of each other, or
after MOST_TRIALS.

Rule: decides which rate comes next; a trial is a `LoadRun`, with a record of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from msgspec import structs

from perflab.load.figures import figures, judged
from perflab.load.patterns import ConstantPattern, LoadPattern
from perflab.load.plan import LoadPlan
from perflab.load.record import CAPACITY, FORMAT, VERSION, Capacity, Trial
from perflab.load.run import LoadRun
from perflab.load.target import Target
from perflab.load.view import PlainView

__all__ = ["Slo", "find_capacity", "search"]

TRIAL_S = 5.0
WARM_UP_S = 1.0
RESOLUTION = 1.1
MOST_TRIALS = 24
LEAST_PER_S, MOST_PER_S = 1.0, 100_000.0


@dataclass(frozen=True, kw_only=True)
class Slo:
    """What has to be kept: at most so many milliseconds, at least such a share."""

    p99_ms: float
    success: float


class _Quiet(PlainView):
    """Trials are told in a line each, when they are over."""

    def say(self, text: str) -> None:
        """Not now."""

    def event(self, event: object) -> None:
        """Not now."""

    def tick(self, now_s: float) -> None:
        """Not now."""


def search(begin_per_s: float, trial: Callable[[float], Trial]) -> tuple[list[Trial], str]:
    """Make trials until the capacity is known; all of them, and why the search stopped."""
    trials: list[Trial] = []
    kept, missed = 0.0, math.inf

    def attempt(rate: float) -> bool:
        for _ in range(2):
            trials.append(trial(rate))
            if trials[-1].kept:
                return True
        return False

    rate = begin_per_s
    while len(trials) < MOST_TRIALS:
        if attempt(rate):
            kept = max(kept, rate)
        else:
            missed = min(missed, rate)
        if kept >= MOST_PER_S or missed <= LEAST_PER_S:
            return trials, f"the rates end at {LEAST_PER_S:g} and {MOST_PER_S:g} per second"
        if kept and missed / kept <= RESOLUTION:
            return trials, f"kept and missed rates are within {RESOLUTION - 1:.0%} of each other"
        if not kept:
            rate = max(LEAST_PER_S, missed / 2)
        elif math.isinf(missed):
            rate = min(MOST_PER_S, kept * 2)
        else:
            rate = math.sqrt(kept * missed)
    return trials, f"{MOST_TRIALS} trials were made"


def find_capacity(
    plan: LoadPlan, target: Target, slo: Slo, begin_per_s: float, say: Callable[[str], None]
) -> Capacity:
    """Search, with a record for each trial and one of the search in the plan's directory.

    The scenario gives the load; its phases and faults do not count. KeyboardInterrupt after Ctrl-C.
    """
    number = 0

    def trial(rate: float) -> Trial:
        nonlocal number
        number += 1
        phases: list[LoadPattern] = [
            ConstantPattern(rate=rate, seconds=WARM_UP_S, warm_up=True),
            ConstantPattern(rate=rate, seconds=TRIAL_S),
        ]
        scenario = structs.replace(plan.scenario, phase=phases, fault=[])
        directory = plan.directory / f"trial-{number:02}"
        directory.mkdir()
        made = _trial(replace(plan, scenario=scenario, directory=directory), target, rate, slo)
        say(_told(made))
        return made

    trials, why = search(begin_per_s, trial)
    kept = [each.rate for each in trials if each.kept]
    best = max(kept, default=0.0)
    above = [each for each in trials if not each.kept and each.rate > best]
    found = Capacity(
        format=FORMAT,
        version=VERSION,
        p99_ms=slo.p99_ms,
        success=slo.success,
        rate=best or None,
        missed_rate=min((each.rate for each in above), default=None),
        generator_bound=bool(above) and min(above, key=lambda each: each.rate).generator_bound,
        stopped=why,
        trials=trials,
    )
    _write(plan.directory / CAPACITY, found)
    return found


def _trial(plan: LoadPlan, target: Target, rate: float, slo: Slo) -> Trial:
    record = LoadRun(plan, target, _Quiet()).run()
    result = record.result
    assert result is not None
    if result.end == "interrupted":
        raise KeyboardInterrupt
    found = figures(judged(record), record.errors, TRIAL_S)
    p99_s = found.latency_s["p99"]
    fast = p99_s is not None and p99_s * 1e3 <= slo.p99_ms
    kept = fast and found.success >= slo.success
    return Trial(
        rate=rate,
        kept=kept and result.end == "complete",
        p99_s=p99_s,
        success=found.success,
        generator_bound=result.generator_bound,
        directory=plan.directory.name,
        message="; ".join([*result.generator_reasons, *[result.message] * bool(result.message)]),
    )


def _told(trial: Trial) -> str:
    p99 = "-" if trial.p99_s is None else f"{trial.p99_s * 1e3:.1f} ms"
    words = f"{trial.rate:9,.0f}/s  P99 {p99:>10}  success {trial.success:8.3%}  "
    return words + ("kept" if trial.kept else "NOT kept") + (
        f" ({trial.message})" if trial.message else ""
    )  # fmt: skip


def _write(path: Path, found: Capacity) -> None:
    """There whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(asdict(found), indent=1, allow_nan=False) + "\n", "utf-8")
    part.replace(path)
