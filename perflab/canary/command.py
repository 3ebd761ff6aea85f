"""`python -m perflab canary` and `ab`: is the candidate as good as the baseline?

Rule: reads options, prints, files, decides on exit codes; the run is `run.py`'s.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, get_args

from benchmarks.common import subject
from benchmarks.common.children import ChildError
from benchmarks.common.records import LoopKind, filed, now_utc, this_machine
from benchmarks.common.swarm import SwarmError
from benchmarks.common.switches import switches
from perflab.canary import calibrate
from perflab.canary.judge import FIGURES, CanaryJudge
from perflab.canary.plan import CanaryPlan, CanaryPlanError
from perflab.canary.record import (
    FORMAT,
    PAIRS,
    VERSION,
    CanaryResult,
    PairOfSlots,
    read_pairs,
    write_canary,
    write_pair,
)
from perflab.canary.report import canary_html, canary_markdown
from perflab.canary.run import CanaryError, CanaryRun
from perflab.canary.sides import CanarySide, RunningSide, ServedSide, SideGoneError
from perflab.canary.view import CanaryLines, CanaryTable, CanaryView
from perflab.gate.builds import BuildError, build
from perflab.load.target import LoadTargetError, RunningNetwork, network_of_key_file
from perflab.processes.interrupts import interrupts
from perflab.results.checkout import Source, commit_of, source_of

__all__ = ["EPILOG", "HOLD", "ab_main", "add_ab_arguments", "add_arguments", "main"]

HOLD = 3
CODES = {"promote": 0, "roll back": 1, "hold": HOLD}
INTERRUPTED = 130
MOST_NODES = 16
EPILOG = """\
exit codes: 0 promote, 1 roll back, 2 could not be measured or the arguments are wrong, 3 hold (time
was over before it was clear; the report says what could have been seen), 130 interrupted

  python -m perflab canary --baseline main~1 --candidate main
  python -m perflab canary --baseline 10.0.0.1:4100 --candidate 10.0.0.2:4100 \\
      --network-key-file network.key
  python -m perflab ab hedge_budget=0
  python -m perflab canary --calibrate"""


class CanaryUsageError(ValueError):
    """Arguments that do not go together; one line."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A question, ready to be measured."""

    words: str
    name: str
    """In the name of the run's directory."""
    plan: CanaryPlan
    figures: list[str]
    sides: Callable[[], tuple[CanarySide, CanarySide]]
    settings: dict[str, Any] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `canary`."""
    sides = parser.add_argument_group("who", "both by commits, or both by addresses")
    for side in ("--baseline", "--candidate"):
        sides.add_argument(side, metavar="COMMIT|HOST:PORT", help="commits are built and "
            "served here; addresses of one network have commas between"
        )  # fmt: skip
    for pid in ("--baseline-pid", "--candidate-pid"):
        sides.add_argument(pid, type=int, action="append", default=[], metavar="PID",
            help="a process of that running network, on this machine, whose processor time "
            "counts; again for more"
        )  # fmt: skip
    sides.add_argument(
        "--network-key-file", type=Path, metavar="FILE", help="the key of both running networks"
    )
    sides.add_argument(
        "--candidate-network-key-file", type=Path, metavar="FILE", help="the candidate's, if it "
        "has another"
    )  # fmt: skip
    _add_plan(parser)
    calibrate.add_arguments(parser)


def add_ab_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `ab`."""
    names = ", ".join(switches())
    parser.add_argument(
        "feature", metavar="FEATURE[=VALUE]", help="a setting; one that is on or off is turned "
        f"over, others need a value: {names}"
    )  # fmt: skip
    _add_plan(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    usual = CanaryPlan()
    group = parser.add_argument_group("what both are asked")
    for name, kind, words in (
        ("rate", float, "operations per second while it is a side's turn"),
        ("seconds", float, "the most that it takes"),
        ("warm_up_s", float, "whose times do not count"),
        ("reads", float, "share of operations that read, 0.5 to 0.98"),
        ("records", int, "with a time to live of an hour beyond the run"),
        ("value_bytes", int, "of each record"),
        ("timeout_s", float, "deadline of an operation"),
        ("slot_s", float, "how long a turn lasts"),
        ("seed", int, "decides keys and times"),
    ):
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(usual, name),
            metavar="N" if kind is int else "X",
            help=f"{words} (default: %(default)s)",
        )
    group.add_argument(
        "--nodes", type=int, default=3, metavar="N", help="of each network that is served here"
    )
    parser.add_argument(
        "--loop", choices=get_args(LoopKind), help="event loop (default: uvloop where it exists)"
    )
    parser.add_argument("--plain", action="store_true", help="lines, in a terminal too")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the record goes (default: "
        ".asv/canary/MACHINE/COMMIT-NAME-TIME); it must not exist"
    )  # fmt: skip


def main(options: argparse.Namespace, root: Path) -> int:
    """Run a canary, or its calibration; the exit code as EPILOG says."""
    if options.calibrate:
        return calibrate.main(options, root)
    return _answered(options, root, lambda run: _asked(options, root, run))


def ab_main(options: argparse.Namespace, root: Path) -> int:
    """Run one setting against another."""
    return _answered(options, root, lambda run: _asked_ab(options, run))


def _answered(options: argparse.Namespace, root: Path, ask: Callable[[str], _Asked]) -> int:
    try:
        asked = ask(os.urandom(4).hex())
        source = source_of(Path(subject.core_dir()))
        directory = options.out or filed(root, "canary", source.commit, asked.name)
        if directory.exists():
            raise CanaryUsageError(f"{directory} is there already; --out names another directory")
        return _measured(options, asked, directory, source)
    except (
        BuildError, CanaryError, CanaryPlanError, CanaryUsageError, ChildError, LoadTargetError,
        OSError, SideGoneError, SwarmError,
    ) as error:  # fmt: skip
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _measured(options: argparse.Namespace, asked: _Asked, directory: Path, source: Source) -> int:
    began = now_utc()
    live = sys.stdout.isatty() and not options.plain
    view = CanaryTable(asked.words, asked.plan.seconds) if live else CanaryLines()
    view.say(asked.words)
    with ExitStack() as stack:
        stop = stack.enter_context(interrupts())
        stack.callback(view.end)
        baseline, candidate = (stack.enter_context(each) for each in asked.sides())
        directory.mkdir(parents=True)
        file = stack.enter_context((directory / PAIRS).open("wb", 0))
        run = CanaryRun(
            plan=asked.plan,
            baseline=baseline,
            candidate=candidate,
            judge=CanaryJudge(asked.figures),
            watcher=_Watcher(view, file),
            stop=stop,
        )
        ruling = run.run()
        names = (baseline.name, candidate.name)
        interrupted = stop.is_set()
    result = CanaryResult(
        format=FORMAT,
        version=VERSION,
        began=began,
        command=" ".join(["python -m perflab", *sys.argv[1:]]),
        commit=source.commit,
        question=asked.words,
        baseline=names[0],
        candidate=names[1],
        seed=asked.plan.seed,
        settings=asdict(asked.plan) | asked.settings,
        machine=asdict(this_machine()),
        versions=subject.identity(options.loop or subject.default_loop()).versions(),
        interrupted=interrupted,
        ruling=ruling,
        figures=run.judge.standings(),
        operations=run.operations,
        uncommitted=list(source.uncommitted),
    )
    return _filed(result, directory)


def _filed(result: CanaryResult, directory: Path) -> int:
    write_canary(result, directory)
    text = canary_markdown(result)
    (directory / "report.md").write_text(text, encoding="utf-8")
    page = canary_html(result, list(read_pairs(directory)))
    (directory / "report.html").write_text(page, encoding="utf-8")
    print(f"{text}\nrecord: {directory}")
    return INTERRUPTED if result.interrupted else CODES[result.ruling.verdict]


class _Watcher:
    """Shows each pair, and files it."""

    def __init__(self, view: CanaryView, file: IO[bytes]) -> None:
        self.say, self._view, self._file = view.say, view, file

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        write_pair(pair, self._file)
        self._view.pair(pair, judge)


def _asked(options: argparse.Namespace, root: Path, run: str) -> _Asked:
    given = (options.baseline, options.candidate)
    if None in given:
        raise CanaryUsageError("--baseline and --candidate are both needed, or --calibrate")
    running = [":" in each for each in given]
    if running[0] != running[1]:
        raise CanaryUsageError(f"both are commits or both addresses, not {' and '.join(given)}")
    words = f"candidate {given[1]} beside baseline {given[0]}"
    if running[0]:
        return _asked_running(options, words, run)
    if options.baseline_pid or options.candidate_pid or options.network_key_file:
        raise CanaryUsageError("process ids and key files are of running networks, not of commits")
    commits = [commit_of(root, each) for each in given]

    def sides() -> tuple[CanarySide, CanarySide]:
        cores = [build(root, commit, root / ".asv" / "gate" / "builds") for commit in commits]
        baseline, candidate = (
            _served(options, str(commit), str(core), run, {})
            for commit, core in zip(commits, cores, strict=True)
        )
        return baseline, candidate

    return _Asked(
        words=f"candidate {commits[1]} beside baseline {commits[0]}",
        name=f"{commits[1].hash[:8]}",
        plan=_plan(options),
        figures=list(FIGURES),
        sides=sides,
        settings={"commits": [commit.hash for commit in commits], "nodes": options.nodes},
    )


def _asked_running(options: argparse.Namespace, words: str, run: str) -> _Asked:
    pids = (options.baseline_pid, options.candidate_pid)
    if bool(pids[0]) != bool(pids[1]):
        raise CanaryUsageError("the processes of both networks are named, or of neither")
    key_files = (
        options.network_key_file,
        options.candidate_network_key_file or options.network_key_file,
    )
    if None in key_files:
        raise CanaryUsageError("running networks need --network-key-file")
    networks = [network_of_key_file(file) for file in key_files]
    plan, loop = _plan(options), options.loop or subject.default_loop()

    def sides() -> tuple[CanarySide, CanarySide]:
        for given, network in zip((options.baseline, options.candidate), networks, strict=True):
            with RunningNetwork(given.split(","), network):
                pass  # it is there, and lets us in
        baseline, candidate = (
            RunningSide(given.split(","), network, plan, run=run, loop=loop, pids=each)
            for given, network, each in zip(
                (options.baseline, options.candidate), networks, pids, strict=True
            )
        )
        return baseline, candidate

    # The same client serves both: its processor time says nothing of the candidate.
    unseen = {"client-cpu"} | (set() if pids[0] else {"cpu"})
    figures = [name for name in FIGURES if name not in unseen]
    return _Asked(words=words, name="running", plan=plan, figures=figures, sides=sides)


def _asked_ab(options: argparse.Namespace, run: str) -> _Asked:
    name, value = _switched(options.feature)
    switch = switches()[name]
    core = subject.core_dir()

    def sides() -> tuple[CanarySide, CanarySide]:
        baseline, candidate = (
            _served(options, f"{name}={each}", core, run, {of: {name: each} for of in switch.of})
            for each in (switch.default, value)
        )
        return baseline, candidate

    return _Asked(
        words=f"candidate {name}={value} beside baseline {name}={switch.default}",
        name=f"ab-{name.replace('_', '-')}",
        plan=_plan(options),
        figures=list(FIGURES),
        sides=sides,
        settings={"feature": f"{name}={value}", "nodes": options.nodes},
    )


def _switched(feature: str) -> tuple[str, bool | int | float]:
    """The setting and the value that the candidate has."""
    name, equals, text = feature.partition("=")
    known = switches()
    if name not in known:
        raise CanaryUsageError(f"no setting is called {name!r}; there are {', '.join(known)}")
    default = known[name].default
    if isinstance(default, bool):
        words = {"": not default, "true": True, "false": False}
        if text.lower() not in words:
            raise CanaryUsageError(f"{name} is True or False, not {text!r}")
        value: bool | int | float = words[text.lower()]
    elif not equals:
        raise CanaryUsageError(f"{name} is {default} by default and needs a value: {name}=VALUE")
    else:
        try:
            value = type(default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise CanaryUsageError(f"{name} is {kind}, not {text!r}") from None
    if value == default:
        raise CanaryUsageError(f"{name} is {default} by default: nothing to compare")
    return name, value


def _served(
    options: argparse.Namespace,
    name: str,
    core: str,
    run: str,
    settings: Mapping[str, Mapping[str, Any]],
) -> ServedSide:
    if not 1 <= options.nodes <= MOST_NODES:
        raise CanaryUsageError(f"--nodes is 1 to {MOST_NODES}, not {options.nodes}")
    loop = options.loop or subject.default_loop()
    plan = _plan(options)
    return ServedSide(name, core, plan, run=run, nodes=options.nodes, loop=loop, switches=settings)


def _plan(options: argparse.Namespace) -> CanaryPlan:
    return CanaryPlan(**{name: getattr(options, name) for name in CanaryPlan.__dataclass_fields__})
