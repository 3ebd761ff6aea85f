"""`python -m perflab gate BASE HEAD`: is this change slower?

The base's gate measures and judges (`change.py`). It builds both commits, measures them beside each
other until the answer is clear or the time is over, and leaves what it measured and what that means
in a directory. Files of an earlier gate are judged again without measuring.

Rule: who measures, and files; the measuring is in `run.py`, the judgement in `judge.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from random import SystemRandom

from perflab.gate import calibrate, change, end_to_end, order_trial, report
from perflab.gate.cause import trial
from perflab.gate.cause.find import explained
from perflab.gate.clock import BudgetClock
from perflab.gate.instructions import end_with
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.policy import POLICY, Policy, PolicyError, load_policy
from perflab.gate.record import Measured, MeasuredError, apart, load
from perflab.gate.recorder import Recorder
from perflab.gate.rulers import FORM, Ruler, run_gate
from perflab.gate.run import COUNTING, METRICS, STAGES, compare, judged, take_all
from perflab.gate.two_rulers import merged
from perflab.results.checkout import CheckoutError, Commit, commit_of
from perflab.usage import BAD_USAGE, BadUsageError, budget_s

__all__ = [
    "EPILOG",
    "METRICS",
    "RULER_FORM",
    "add_arguments",
    "compare",
    "judged",
    "main",
]

ROOT = Path(__file__).parents[2]
RULER_FORM = FORM
"""Other checkouts may hand this gate a change."""

EPILOG = """\
exit codes:
  0  pass: nothing is slower, and everything could be decided; or both commits have the same core
  1  regression: at least one benchmark is slower, and no line of the policy accepts it
  2  not everything could be measured or decided: a commit that does not build, a benchmark that
     disappeared, fails or has no number, one that could be slower than the tolerance, or a change
     that takes benchmarks off the list or accepts more of itself than it may
  3  bad usage: an unknown commit, a policy with an error, wrong arguments, files of two gates
130  interrupted; what was measured is kept

examples:
  python -m perflab gate main HEAD                      # a branch against where it goes
  python -m perflab gate HEAD~1 HEAD --only 'cpu.*'     # processor time alone
  python -m perflab gate base.json head.json --all      # judge files again, show all of it
  python -m perflab gate --calibrate --minutes 60       # how often is the gate itself wrong?

Commits are measured, uncommitted changes are not. docs/gate.md says how to read the answer.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `gate`."""
    parser.add_argument(
        "base", nargs="?", metavar="BASE", help="commit to compare with, or a .json file"
    )
    parser.add_argument("head", nargs="?", metavar="HEAD", help="commit to judge, or a .json file")
    parser.add_argument(
        "--budget",
        default="10m",
        metavar="TIME",
        help="how long to measure at most, such as 90s, 10m, 1h (default: %(default)s)",
    )
    parser.add_argument(
        "--only", default="*", metavar="GLOB", help="benchmarks to measure, such as 'cpu.encode_*'"
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="floors and accepted changes (default: BASE's, and what HEAD accepts in bounds)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the files go (default: in .asv/gate/)"
    )
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="measure though both commits have the same core, of which nothing can be slower",
    )
    parser.add_argument("--all", action="store_true", help="show the unchanged benchmarks too")
    parser.add_argument(
        "--ruler",
        choices=("base", "own"),
        default="base",
        help="whose gate measures and judges: that of BASE, so that a change cannot bend its own "
        "ruler, or the one of this checkout (default: %(default)s)",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the repository (default: this checkout)"
    )
    parser.add_argument("--ends-with", type=int, help=argparse.SUPPRESS)  # a process of this id
    calibrate.add_arguments(parser)


def main(options: argparse.Namespace) -> int:
    """Measure, judge, tell; the exit code of EPILOG."""
    try:
        if options.ends_with is not None:
            end_with(options.ends_with)
        if options.calibrate:
            policy = load_policy(options.policy or POLICY)
            whole_s = budget_s(options.budget)
            if options.causes:
                return trial.main(ROOT, trial.SEEDS, trial.DEFECTS_DRAWN, options.output)
            if options.order:
                return order_trial.main(ROOT, STAGES)
            if options.end_to_end:
                gate = partial(judged, policy=policy, budget_s=whole_s)
                return end_to_end.main(ROOT, gate, options.output)
            return calibrate.main(options, ROOT, policy, (1 - COUNTING) * whole_s)
        if options.base is None or options.head is None:
            raise BadUsageError("it takes two commits, BASE and HEAD, such as 'gate main HEAD'")
        if options.base.endswith(".json") and options.head.endswith(".json"):
            base, head = _filed(Path(options.base), Path(options.head))
            policy = load_policy(options.policy or POLICY)
            outcome, place = judge(base, head, policy, datetime.date.today()), options.output
        else:
            return _gate(options)
    except (
        BadUsageError,
        PolicyError,
        CheckoutError,
        MeasuredError,
        calibrate.CalibrateError,
    ) as error:
        print(f"gate: {error}", file=sys.stderr)
        return BAD_USAGE
    return _told(outcome, options, place)


def _told(outcome: GateOutcome, options: argparse.Namespace, place: Path | None) -> int:
    """The verdict for everybody who waits for it; the exit code."""
    _say(report.as_table(outcome, everything=options.all))
    if place is not None:
        _file(outcome, place)
    _tell_github(outcome)
    return outcome.code


def _filed(*files: Path) -> tuple[Measured, Measured]:
    """Base and head of an earlier gate. Raises UsageError if they are of two."""
    base, head = (load(file) for file in files)
    difference = apart(base, head)
    if difference:
        names = " and ".join(map(str, files))
        raise BadUsageError(f"{names} are of different gates, which are no pair: {difference}")
    return base, head


@dataclass(frozen=True, kw_only=True)
class _Order:
    """One gate, as it was asked for."""

    options: argparse.Namespace
    root: Path
    commits: tuple[Commit, Commit]

    def wanted(self, name: str) -> bool:
        return fnmatchcase(name, self.options.only)

    def handed(self, place: Path | None, *more: str) -> list[str]:
        """The same, as arguments for another tree's gate."""
        options = self.options
        given = [*(commit.hash for commit in self.commits), "--root", str(self.root.resolve())]
        given += ["--budget", options.budget, "--only", options.only, *more]
        given += [f"--{name}" for name in ("all", "anyway") if getattr(options, name)]
        given += ["--policy", str(options.policy.resolve())] if options.policy else []
        return [*given, *(["--output", str(place.resolve())] if place else [])]


def _gate(options: argparse.Namespace) -> int:
    """Two commits: by the gate of base, wherever that is not the one here."""
    clock, root = BudgetClock(budget_s(options.budget)), options.root or ROOT
    commits = commit_of(root, options.base), commit_of(root, options.head)
    order = _Order(options=options, root=root, commits=commits)
    asked = load_policy(options.policy) if options.policy else None
    theirs = change.other_judge(root, commits[0]) if options.ruler == "base" else None
    if theirs is not None:
        _say(f"== the gate here is not the base's: that of {commits[0]} measures and judges")
        return run_gate(theirs, order.handed(options.output))
    plan = change.plan(root, commits, asked, METRICS)
    if not any(map(order.wanted, plan.figures)):
        known = f"there are {METRICS[0]} … {METRICS[-1]}"
        raise BadUsageError(f"no benchmark matches '{options.only}'; {known}")
    place = options.output or _place(root, *commits)
    place.mkdir(parents=True, exist_ok=True)
    _say(f"== files: {place}")
    for notice in plan.notices:
        _say(f"!! {notice}")
    base, head = _measure(order, plan, place, clock)
    outcome = judge(base, head, plan.policy, datetime.date.today())
    if plan.second is not None and options.ruler == "base" and not outcome.same_core:
        outcome = _by_both(outcome, order, plan.second, plan.policy, place)
    if outcome.regressions:
        _say("== slower: looking for what is behind it, some 20 s at most")
        outcome = explained(root, commits, outcome)
    code = _told(outcome, options, place)
    if outcome.regressions:
        _say(f"== the worst on one page: python -m perflab explain {shlex.quote(str(place))}")
    return code


def _by_both(
    outcome: GateOutcome, order: _Order, ruler: Ruler, policy: Policy, place: Path
) -> GateOutcome:
    """The verdict of the base's ruler, and that of the head's on what it measures now."""
    _say("== the change alters the ruler: now the head's measures, judged by the same policy")
    files = place / "by-heads-ruler"
    code = run_gate(ruler, order.handed(files, "--ruler", "own"), aside=True)
    try:
        base, head = _filed(files / "base.json", files / "head.json")
    except (MeasuredError, BadUsageError) as error:
        problem = f"the head's ruler ended with {code}: {error}"
        return replace(outcome, problems=(*outcome.problems, problem))
    base, head = (replace(side, notices=(), problems=()) for side in (base, head))
    return merged(outcome, judge(base, head, policy, datetime.date.today()))


def _measure(
    order: _Order, plan: change.Plan, place: Path, clock: BudgetClock
) -> tuple[Measured, Measured]:
    """Both commits by the ruler here, with their files in `place`."""
    about = _about(order.options)
    base, head = (Recorder(commit, about, order.wanted) for commit in order.commits)
    head.tell(plan.notices, plan.problems)
    if plan.own_figures is not None:
        base.measured_by_another(plan.own_figures)
    anyway = order.options.anyway
    with _kept((base, head), place):
        take_all(
            order.root, (base, head), order.commits, plan.policy, clock, order.wanted,
            anyway=anyway, by_reach=True,
        )  # fmt: skip
    return base.measured(), head.measured()


@contextlib.contextmanager
def _kept(sheets: tuple[Recorder, Recorder], place: Path) -> Iterator[None]:
    """Whatever happens, what was measured is in files."""
    try:
        yield
    finally:
        for name, sheet in zip(("base", "head"), sheets, strict=True):
            sheet.write(place / f"{name}.json")


def _place(root: Path, base: Commit, head: Commit) -> Path:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / ".asv" / "gate" / "runs" / f"{moment}-{base.hash[:8]}-{head.hash[:8]}"


def _about(options: argparse.Namespace) -> dict[str, str]:
    return {
        "machine": platform.node(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "packages": ", ".join(sorted({f"{each.name} {each.version}" for each in distributions()})),
        "coin": str(SystemRandom().getrandbits(32)),
        "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "budget": options.budget,
        "only": options.only,
    }


def _file(outcome: GateOutcome, place: Path) -> None:
    """The verdict beside the measurements, in every form."""
    place.mkdir(parents=True, exist_ok=True)
    forms = {
        "verdict.json": report.as_json,
        "verdict.md": report.as_markdown,
        "junit.xml": report.as_junit,
    }
    for name, form in forms.items():
        (place / name).write_text(form(outcome), encoding="utf-8")


def _tell_github(outcome: GateOutcome) -> None:
    """Annotations and the step's summary, when a GitHub workflow runs this."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for line in report.as_annotations(outcome):
        _say(line)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(report.as_markdown(outcome))


def _say(text: str) -> None:
    print(text, flush=True)
