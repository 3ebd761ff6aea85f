"""`python -m perflab tune`: which settings serve an objective best, and what they bring.

Rule: reads options, prints, files, decides on exit codes; the search is `search.py`'s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev

from msgspec import to_builtins

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.records import now_utc, this_machine
from perflab.cluster.station import about
from perflab.forms import one_line
from perflab.results.checkout import source_of
from perflab.stats.slope import student_quantile
from perflab.tables import known
from perflab.tune.objective import SHIPPED, TuneObjective, read_objective
from perflab.tune.record import (
    STUDY,
    TuneError,
    TuneInterval,
    TunePlan,
    TuneResult,
    WorthRow,
    agree_on_plan,
    write_result,
)
from perflab.tune.report import tune_html, tune_markdown
from perflab.tune.search import Seeds, SettingSearch, TrialRow, importance_of, open_study
from perflab.tune.situations import Bench, Measured, simulator
from perflab.tune.sockets import on_sockets
from perflab.tune.tunables import DETUNED, Value, defaults, read_base, write_files
from perflab.usage import Command

__all__ = ["COMMAND", "add_arguments", "main"]

ROOT = Path(__file__).parents[2]
CONFIDENCE = 0.95
RECOVERED = 0.9  # of the loss, or a detuned configuration was not found again
SEARCH_SEEDS, WORTH_SEEDS, FRESH_SEEDS = 2, 6, 10
MOST_TRIALS = 10_000
EPILOG = """\
What was tried is kept: the same call goes on where the last one ended, by Ctrl-C or --minutes.

  python -m perflab tune                                 (P99 of reads beside a slow node)
  python -m perflab tune --objective balanced --trials 120
  python -m perflab tune --objective cpu --trials 30     (on sockets: minutes, a quiet machine)
  python -m perflab tune --detuned hedges                (finds again what was spoilt on purpose)
  p2pcore serve --config DIR/serve.toml                  (DIR is said at the end)

exit codes: 0 a configuration was found (with --detuned: 90 % of the loss was recovered), or the
base is as good; 1 not so, or it breaks a rail on fresh seeds; 2 it could not be measured or the
arguments are wrong; 130 interrupted"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tune`."""
    add = parser.add_argument
    add("--objective", metavar="NAME", help="what to make small: read-p99 (the default), "
        "read-p999, goodput, messages, recovery, balanced, cpu, or one of "
        "--objectives")  # fmt: skip
    add("--objectives", type=Path, default=SHIPPED, metavar="FILE", help="a TOML with objectives "
        "of your own, in the form of perflab/tune/objectives.toml")  # fmt: skip
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--base", type=Path, metavar="FILE", help="a TOML with settings that are "
        "used now, by name; the search begins there (default: the core's defaults)")  # fmt: skip
    start.add_argument("--detuned", choices=DETUNED, metavar="NAME", help="begin with settings "
        "that are bad on purpose, and see if it finds good ones: "
        f"{', '.join(DETUNED)}")  # fmt: skip
    add("--trials", type=int, default=60, metavar="N", help="how many (default: %(default)s)")
    add("--minutes", type=float, metavar="X", help="begin no trial after so many minutes, and "
        "say what was found by then (default: go on to the last)")  # fmt: skip
    add("--seed", type=int, default=1, metavar="N", help="decides what is drawn, and on which "
        "seeds it is played (default: %(default)s)")  # fmt: skip
    for name, value, words in (
        ("search", SEARCH_SEEDS, "of each trial"),
        ("worth", WORTH_SEEDS, "for what each value is worth"),
        ("fresh", FRESH_SEEDS, "for the verdict, which nothing before has seen"),
    ):
        add(f"--{name}-seeds", type=int, default=value, metavar="N",
            help=f"seeds {words} (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="where all is filed, and was before (default: "
        ".asv/tune/OBJECTIVE-…, by plan and code)")  # fmt: skip


def main(options: argparse.Namespace, root: Path = ROOT) -> int:
    """Search, decide, tell; the exit code as EPILOG has it."""
    begin_s = time.monotonic()
    try:
        _check(options)
        objective, plan = _plan(options)
        directory = options.out or _directory(plan, root)
        agree_on_plan(plan, directory)
        with _bench(objective) as bench:
            result = _tuned(options, objective, plan, bench, directory, begin_s)
    except (ChildError, NotImplementedError, OSError, RuntimeError, TuneError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    write_result(result, directory)
    (directory / "report.html").write_text(tune_html(result), encoding="utf-8")
    (directory / "report.md").write_text(tune_markdown(result), encoding="utf-8")
    print(tune_markdown(result))
    bad = result.recovered is not None and result.recovered.value < RECOVERED
    return 1 if bad or result.broken else 0


def _check(options: argparse.Namespace) -> None:
    least = {"trials": 1, "search_seeds": 1, "worth_seeds": 2, "fresh_seeds": 3, "seed": 0}
    for name, low in least.items():
        value = getattr(options, name)
        if not low <= value <= MOST_TRIALS:
            option = "--" + name.replace("_", "-")
            raise TuneError(f"{option} takes {low} to {MOST_TRIALS:,}, not {value}")
    if options.minutes is not None and not options.minutes > 0:
        raise TuneError(f"--minutes is above 0, not {options.minutes:g}")


def _plan(options: argparse.Namespace) -> tuple[TuneObjective, TunePlan]:
    reference = base = defaults()
    name = options.objective or "read-p99"
    if options.detuned:
        its_objective, spoilt = DETUNED[options.detuned]
        name = options.objective or its_objective
        base = {**reference, **{n: value for n, value in spoilt.items() if n in reference}}
    elif options.base is not None:
        reference = base = read_base(options.base)
    objective = read_objective(name, options.objectives)
    for each in objective.settings:
        known(each, defaults(), f"setting of {name}", TuneError)
    seeds = Seeds.of(options.seed, options.search_seeds, options.worth_seeds, options.fresh_seeds)
    plan = TunePlan(
        objective=name,
        about=objective.about,
        weights=objective.weights,
        rails=[to_builtins(rail) for rail in objective.rails],
        place="sockets" if "sockets" in objective.situations else "simulator",
        base=base,
        reference=reference,
        seed=options.seed,
        seeds={each: list(values) for each, values in asdict(seeds).items()},
        package=about(SUITE_PARENT, subject.core_dir())["package"],
    )
    return objective, plan


def _directory(plan: TunePlan, root: Path) -> Path:
    """One for each question that can be asked of this code."""
    asked = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode()).hexdigest()
    return root / ".asv" / "tune" / f"{plan.objective}-{asked[:12]}"


def _bench(objective: TuneObjective) -> AbstractContextManager[Bench]:
    if "sockets" in objective.situations:
        return nullcontext(on_sockets)
    subject.require("simulator")
    return simulator(objective.situations)


def _tuned(
    options: argparse.Namespace,
    objective: TuneObjective,
    plan: TunePlan,
    bench: Bench,
    directory: Path,
    begin_s: float,
) -> TuneResult:
    began, seeds = now_utc(), Seeds(**{name: tuple(each) for name, each in plan.seeds.items()})
    study = open_study(directory / STUDY)
    search = SettingSearch(objective, bench, base=plan.base, reference=plan.reference, seeds=seeds,
                    seed=plan.seed)  # fmt: skip
    print(f"{plan.objective}: {plan.about}; {options.trials} trials on the {plan.place}; "
          f"all is kept in {directory}", flush=True)  # fmt: skip
    ends_s = begin_s + 60 * (options.minutes or math.inf)
    told = _Told(options.trials)
    rows = search.run(study, options.trials, ends_s, told.trial)
    best = search.sound(rows)
    if best is None:
        raise TuneError(f"the best of {len(rows)} trials break rails; more --trials may find one")
    _say(f"best: {_percent(best.score)} beside the reference; what is each value worth?")
    found, worth = search.simplified(best.configuration)
    _say(f"on {len(seeds.fresh)} fresh seeds")
    asked = [plan.base, found, plan.reference]
    of_base, of_found, of_reference = search.measured(asked, seeds.fresh)
    before, after = (search.scores(each, of_reference) for each in (of_base, of_found))
    importance = importance_of(study)
    source = source_of(Path(subject.core_dir()))
    words = f"{plan.objective}, {len(rows)} trials on the {plan.place}, {source.commit[:8]}"
    broken = objective.broken(of_found, of_reference)
    files = {} if broken else write_files(found, f"Found by `perflab tune`: {words}.", directory)
    return TuneResult(
        began=began,
        command=" ".join(["python -m perflab", *sys.argv[1:]]),
        commit=source.commit,
        uncommitted=list(source.uncommitted),
        machine=asdict(this_machine()),
        versions=subject.identity(subject.default_loop()).versions(),
        seed=plan.seed,
        plan=plan,
        detuned=options.detuned or "",
        trials=len(rows),
        seconds=time.monotonic() - begin_s,
        scores=[None if row.rails else math.expm1(row.score) for row in rows],
        found=found,
        gain=_ratio([b - a for a, b in zip(before, after, strict=True)]),
        recovered=_recovered(before, after) if options.detuned else None,
        broken=broken,
        figures=_means(objective, of_base, of_found, of_reference),
        worth=[
            WorthRow(
                name=each.name, base=each.base, found=each.found, lost=_ratio(each.lost),
                rails=each.rails, kept=each.kept, importance=importance.get(each.name),
            )
            for each in worth
        ],
        files=[str(path) for path in files.values()],
    )  # fmt: skip


def _means(objective: TuneObjective, *measured: Sequence[Measured]) -> dict[str, list[float]]:
    return {
        figure: [fmean(each[figure] for each in found) for found in measured]
        for figure in objective.figures
    }


def _ratio(logarithms: Sequence[float]) -> TuneInterval:
    """Their mean with its interval, as a ratio less one."""
    mean, reach = fmean(logarithms), _reach(logarithms)
    low, value, high = (math.expm1(each) for each in (mean - reach, mean, mean + reach))
    return TuneInterval(value=value, low=low, high=high)


def _recovered(before: Sequence[float], after: Sequence[float]) -> TuneInterval:
    """Which part of the loss, in logarithms, is gone: each seed's gain over the mean loss."""
    loss = fmean(before)
    if loss <= 0:
        raise TuneError("the detuned configuration loses nothing on the fresh seeds")
    parts = [(b - a) / loss for b, a in zip(before, after, strict=True)]
    mean, reach = fmean(parts), _reach(parts)
    return TuneInterval(value=mean, low=mean - reach, high=mean + reach)


def _reach(values: Sequence[float]) -> float:
    """Half the interval of their mean, by Student's distribution."""
    freedom = len(values) - 1
    return student_quantile(CONFIDENCE, freedom) * stdev(values) / math.sqrt(len(values))


class _Told:
    """A line for each trial that is better than all before, and now and then for others."""

    EVERY_S = 10.0

    def __init__(self, trials: int) -> None:
        self._trials, self._best, self._begin_s = trials, math.inf, time.monotonic()
        self._said_s = self._begin_s
        self._first: int | None = None

    def trial(self, row: TrialRow, done: int) -> None:
        now_s = time.monotonic()
        self._first = done - 1 if self._first is None else self._first
        better = not row.rails and row.score < self._best
        if not better and now_s - self._said_s < self.EVERY_S:
            return
        self._best, self._said_s = (row.score if better else self._best), now_s
        left_s = (now_s - self._begin_s) / (done - self._first) * (self._trials - done)
        broken = f", breaks {', '.join(row.rails)}" if row.rails else ""
        best = "" if math.isinf(self._best) else f"; best {_percent(self._best)}"
        changed = " ".join(f"{name}={_short(value)}" for name, value in row.configuration.items())
        _say(f"trial {done} of {self._trials}: {_percent(row.score)}{broken}{best}; "
             f"{left_s / 60:.1f} minutes left{'  ' + changed if better else ''}")  # fmt: skip


def _percent(score: float) -> str:
    return f"{100 * math.expm1(score):+.3g} %"


def _short(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _say(text: str) -> None:
    print(text, flush=True)


COMMAND = Command(
    "tune",
    "find settings that serve an objective, and show what they bring",
    "Draw configurations, play them in simulated networks (or on sockets), keep to guard rails, "
    "and hold what was found against the base on fresh seeds.",
    add_arguments,
    main,
    EPILOG,
)
