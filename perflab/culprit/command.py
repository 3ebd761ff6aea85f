"""`python -m perflab bisect`: which commit made it slower (or faster)?

Of one benchmark of the gate between two commits, or (`--steps`) of every step that the last
`alerts` has told of the published history. Commits are measured beside the last good one, those
first that can have touched the figure, and no more are built than it takes (`culprit_search.py` has
the theory).

Rule: arguments, what is told, and files; the search is `search.py`'s.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.common.children import ChildError
from perflab.alerts.judge import Finding
from perflab.alerts.report import AlertsError, known_in
from perflab.culprit import trial
from perflab.culprit.measure import answer_of, by_asv, by_gate
from perflab.culprit.prior import weights
from perflab.culprit.search import Answer, OpenStep, percent, search_steps
from perflab.culprit.steps import USUAL_NOISE, figures_of, noises, open_step, searched_findings
from perflab.culprit.table import as_markdown, as_table
from perflab.gate import command as gate
from perflab.gate.builds import BuildError, build
from perflab.gate.cause.trees import TraceError
from perflab.gate.judge import Judgement
from perflab.gate.policy import Policy, load_policy
from perflab.gate.reach import Reach, reach_of, shares_of
from perflab.gate.symbol_edits import EditError
from perflab.results.asv_config import configured_branch
from perflab.results.checkout import Commit, branch_to_publish, commit_of, history, require
from perflab.results.culprits import (
    CULPRITS,
    CulpritsError,
    StepCulprit,
    read_culprits,
    write_culprits,
)
from perflab.results.git import CheckoutError
from perflab.usage import BAD_USAGE, BadUsageError, budget_s

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "main"]

LARGEST = math.log(1e9)  # from zero to something is infinitely more
ONE, ALL = "3m", "30m"
MEASURE_S = 180.0  # that one commit may take, of the budget of all steps
ROUNDS = 2  # of asv, before it is asked anew which commit to measure
SHOWN = 5  # commits that it may be
DESCRIPTION = (
    "Search the commits between GOOD and BAD, or those of every step that alerts told, for the one "
    "that changed a benchmark, measuring the likeliest beside the last good one."
)
EPILOG = """\
exit codes:
  0  found: one commit (with --steps: of each step)
  2  not found: GOOD and BAD do not differ, commits that cannot be measured hide it, noise or the
     budget leave several (they are printed, with their probabilities)
  3  bad usage

examples:
  python -m perflab bisect instructions.encode_store v0.1 HEAD
  python -m perflab bisect --steps                # of what `alerts` told last, 30 minutes at most
  python -m perflab bisect --steps --budget 2h    # it goes on where it was
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bisect`."""
    parser.add_argument("benchmark", nargs="?", metavar="BENCHMARK", help="one name of the gate's")
    parser.add_argument("good", nargs="?", metavar="GOOD", help="commit before the change")
    parser.add_argument(
        "bad", nargs="?", metavar="BAD", help="commit after it, along first parents"
    )
    parser.add_argument(
        "--steps",
        action="store_true",
        help="search every step that `alerts` told of the published history, several at once",
    )
    parser.add_argument(
        "--budget",
        metavar="TIME",
        help=f"per measurement (default: {ONE}); with --steps, for all (default: {ALL})",
    )
    parser.add_argument(
        "--trial",
        nargs="?",
        type=int,
        const=trial.HISTORIES,
        metavar="HISTORIES",
        help="how often is it right? play so many made-up histories of the last 64 commits "
        f"(default: {trial.HISTORIES}), and build three steps for real",
    )
    parser.add_argument("--machine", help="with --steps: those of this machine alone")
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="with --steps: where alerts.json is, and culprits.json goes (default: .asv/alerts)",
    )  # fmt: skip


def main(options: argparse.Namespace) -> int:
    """Search and tell; the exit code of EPILOG."""
    try:
        if options.trial is not None:
            if options.trial < 1:
                raise BadUsageError(f"--trial takes a number from 1 on, not {options.trial}")
            return trial.main(gate.ROOT, options.trial, load_policy())
        if options.steps == (options.bad is not None):
            raise BadUsageError("it takes BENCHMARK, GOOD and BAD, or --steps")
        if options.steps and options.benchmark:
            raise BadUsageError(f"--steps searches what alerts told, not '{options.benchmark}'")
        seconds = budget_s(options.budget or (ALL if options.steps else ONE))
        require(gate.ROOT, whole=True)
        if options.steps:
            return _steps(options, gate.ROOT, seconds)
        _check(options.benchmark)
        good, bad = commit_of(gate.ROOT, options.good), commit_of(gate.ROOT, options.bad)
        commits = history(gate.ROOT, f"{good.hash}..{bad.hash}")[::-1]
        if not commits:
            raise BadUsageError(f"'{options.bad}' does not come after '{options.good}'")
    except (BadUsageError, CheckoutError) as error:
        print(f"bisect: {error}", file=sys.stderr)
        return BAD_USAGE
    except EditError as error:  # of a trial: the core has changed
        print(f"bisect: {error}", file=sys.stderr)
        return 2
    return _one(gate.ROOT, options.benchmark, good, commits, seconds)


def _one(root: Path, figure: str, good: Commit, commits: Sequence[Commit], seconds: float) -> int:
    """One benchmark of the gate."""
    policy = load_policy()
    outcome = gate.compare(root, (good, commits[-1]), figure, policy, seconds)
    for problem in outcome.problems:
        _say(problem.splitlines()[0])
    end = next(iter(outcome.judgements), None)
    if end is None or math.isnan(end.ratio) or end.low <= 1 <= end.high:
        _say(f"GOOD and BAD do not differ, as far as can be told{_found(end)}")
        return 2
    _say(f"BAD differs from GOOD{_found(end)}; {len(commits)} commits to search")
    reach = _reach(root, good, [figure])
    step = OpenStep(
        kind=end.kind,
        good=good,
        commits=commits,
        prior=weights(root, commits, shares_of(reach, figure)),
        step=_step(end.ratio),
        noise=USUAL_NOISE[end.kind],
        culprit=StepCulprit(
            machine="", environment="", series=figure, good=good.hash, last=commits[-1].hash,
            commits=len(commits), measured_by=figure,
        ),
        figure=figure,
    )  # fmt: skip
    step.take(commits[-1], answer_of(outcome, end))

    def measure(_steps: Sequence[OpenStep], commit: Commit) -> Mapping[int, Answer]:
        found = by_gate(root, (good, commit), [figure], policy, seconds)
        _say(f"{commit}: {_answered(step, found[figure])}")
        return {0: found[figure]}

    for _ in search_steps([step], measure, lambda: True, lambda *_: None):
        if not step.exact:
            _say(f"   likeliest: {step.told()}")
    return _concluded(step)


def _step(ratio: float) -> float:
    log = math.log(ratio) if 0 < ratio < math.inf else math.copysign(math.inf, ratio - 1)
    return math.inf if log == math.inf else max(log, -LARGEST)


def _concluded(step: OpenStep) -> int:
    place, probability = step.search.best
    first, last = step.search.left
    if step.search.found and place >= 0:
        sure = "" if first == last else f"  ({percent(probability)})"
        _say(f"found: {step.commits[place]}{sure}")
        return 0
    odds = step.search.probabilities
    likely = sorted(range(len(odds)), key=lambda each: -odds[each])[:SHOWN]
    _say("not found: it is one of these, the likeliest of them")
    for each in sorted(place for place in likely if first <= place <= last):
        _say(f"  {step.commits[each]}  ({percent(odds[each])})")
    if step.search.none > 0.01:
        _say(f"  none of them  ({percent(step.search.none)})")
    return 2


def _answered(step: OpenStep, answer: Answer) -> str:
    if isinstance(answer, str):
        return f"unknown ({answer})"
    middle = sum(answer) / len(answer)
    bad = middle > step.step / 2 if step.step > 0 else middle < step.step / 2
    change = " (from 0)" if math.isinf(middle) else f" ({math.expm1(middle) * 100:+.2f} %)"
    return f"{'as bad' if bad else 'as good'}{change}"


def _found(found: Judgement | None) -> str:
    if found is None:
        return ""
    if math.isnan(found.ratio):
        return f" ({found.why.splitlines()[0] if found.why else found.verdict.value})"
    return " (from 0)" if math.isinf(found.ratio) else f" ({(found.ratio - 1) * 100:+.2f} %)"


def _reach(root: Path, commit: Commit, figures: Sequence[str]) -> Reach:
    """What the figures reach; nothing where it cannot be traced: then all code is as likely."""
    if not figures:
        return {}
    try:
        core = build(root, commit, root / ".asv" / "gate" / "builds")
        return reach_of(root, commit, str(core), figures)
    except (BuildError, ChildError, TraceError, OSError) as error:
        _say(f"!! the diffs say little, for what the figures reach is not known: {error}")
        return {}


def _steps(options: argparse.Namespace, root: Path, seconds: float) -> int:
    """Every step that alerts told."""
    begin_s = time.monotonic()
    place = options.output or root / ".asv" / "alerts"
    try:
        findings = [
            each
            for each in known_in(place / "alerts.json")
            if options.machine in (None, each.machine)
        ]
        known = read_culprits(place / CULPRITS)
    except (AlertsError, CulpritsError) as error:
        print(f"bisect: {error}", file=sys.stderr)
        return 2
    steps = _opened(root, searched_findings(findings), known)
    if not steps:
        _say("bisect: no step of the last alerts has a commit that is not known")
        return 0
    others = [each for each in known if _key(each) not in {_key(one.culprit) for one in steps}]
    file, policy = place / CULPRITS, load_policy()
    _say(f"== {len(steps)} steps to search, {options.budget or ALL} at most; files: {file}")

    def left() -> float:
        return seconds - (time.monotonic() - begin_s)

    def measure(group: Sequence[OpenStep], commit: Commit) -> Mapping[int, Answer]:
        return _measured(root, group, commit, policy, min(MEASURE_S, max(left(), 1.0)))

    def tell(step: OpenStep, commit: Commit, more: int) -> None:
        also = f", for {more} other step{'s' * (more != 1)} too" if more else ""
        _say(f"== {left() / 60:.0f} min left: measuring {commit}{also}")
        _say(f"   {step.culprit.series}, one of {len(step.commits)} commits: {step.told()}")

    try:
        for _ in search_steps(steps, measure, lambda: left() > 0, tell):
            write_culprits(file, [*others, *(each.culprit for each in steps)])
    finally:
        write_culprits(file, [*others, *(each.culprit for each in steps)])
        found = [each.culprit for each in steps]
        _say(as_table(found))
        _summarise(as_markdown(found))
    return 0 if all(each.search.found for each in steps) else 2


def _opened(
    root: Path, findings: Sequence[Finding], known: Sequence[StepCulprit]
) -> list[OpenStep]:
    """The searches, with what is known of each from earlier."""
    if not findings:
        return []
    _say(f"== reading the diffs of the commits that {len(findings)} steps can be")
    branch = branch_to_publish(root, configured_branch(root))
    commits = history(root, branch)[::-1]
    reach = _reach(root, commits[-1], figures_of(findings))
    noise = noises(root, commits)
    earlier = {_key(each): each for each in known}
    steps = []
    for each in findings:
        key = (each.machine, each.environment, each.series, each.good, each.last)
        try:
            step = open_step(root, each, reach, noise, earlier.get(key))
        except CheckoutError as error:
            _say(f"!! {each.series}: {error}")
            continue
        if step is not None:
            steps.append(step)
    return steps


def _key(each: StepCulprit) -> tuple[str, str, str, str, str]:
    return each.machine, each.environment, each.series, each.good, each.last


def _measured(
    root: Path, group: Sequence[OpenStep], commit: Commit, policy: Policy, seconds: float
) -> dict[int, Answer]:
    """One commit for all of these: a run of the gate, or of asv, for each that is good before."""
    found: dict[int, Answer] = {}
    apart: dict[tuple[str, str, str], list[int]] = {}
    for place, each in enumerate(group):
        who = "gate" if each.figure else each.culprit.machine
        apart.setdefault((who, "" if each.figure else "asv", each.good.hash), []).append(place)
    for (machine, asv, _), places in apart.items():
        pair = group[places[0]].good, commit
        names = {place: group[place].figure or group[place].culprit.series for place in places}
        if asv:
            series = {names[place]: group[place].higher_is_better for place in places}
            answers = by_asv(root, machine, pair, series, ROUNDS)
        else:
            answers = by_gate(root, pair, sorted(set(names.values())), policy, seconds)
        found |= {place: answers[name] for place, name in names.items()}
    return found


def _summarise(text: str) -> None:
    """For the summary of a step of a GitHub workflow."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and os.environ.get("GITHUB_ACTIONS") == "true":
        with open(summary, "a", encoding="utf-8") as file:
            file.write(text)


def _check(name: str) -> None:
    if name not in gate.METRICS:
        near = difflib.get_close_matches(name, gate.METRICS, 3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise BadUsageError(f"no benchmark of the gate is called '{name}'{hint}")


def _say(text: str) -> None:
    print(text, flush=True)
