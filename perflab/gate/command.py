"""`python -m perflab gate BASE HEAD`: is this change slower?

Builds both commits, measures them beside each other until the answer is clear or the time is over,
and leaves what it measured and what that means in a directory. Files of an earlier gate are judged
again without measuring.

Rule: order of work, time and files; the measuring is in `counts.py`, `seeds.py` and
`paired_rounds.py`, the judgement in `perflab/gate/judge.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from random import Random, SystemRandom

from benchmarks.micro.catalogue import MICROS
from perflab.gate import calibrate, end_to_end, paired_rounds, report, seeds
from perflab.gate import counts as gate_counts
from perflab.gate.builds import BuildError, build, same_core
from perflab.gate.clock import Clock
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.policy import POLICY, Policy, PolicyError, load_policy
from perflab.gate.record import Measured, MeasuredError, apart, load
from perflab.gate.recorder import Recorder
from perflab.results.checkout import CheckoutError, Commit, commit_of
from perflab.usage import BAD_USAGE, BadUsageError, budget_s

__all__ = [
    "EPILOG",
    "METRICS",
    "add_arguments",
    "compare",
    "judged",
    "main",
]

ROOT = Path(__file__).parents[2]
COUNTING = 0.7  # of the budget; the rest is for processor time, which takes what is left
STAGES = {
    "operations": gate_counts.OPERATION_METRICS,
    "seeds": seeds.SEEDED_METRICS,
    "memory": gate_counts.MEMORY_METRICS,
    "instructions": tuple(f"instructions.{name}" for name in MICROS),
    "rounds": tuple(paired_rounds.PREFIX + name for name in MICROS),
}
"""What is measured together, by the stage's name in `clock.py`."""
METRICS = tuple(name for names in STAGES.values() for name in names)
"""Every benchmark that a gate can measure."""

EPILOG = """\
exit codes:
  0  pass: nothing is slower, and everything could be decided; or both commits have the same core
  1  regression: at least one benchmark is slower, and no line of the policy accepts it
  2  not everything could be measured or decided: a commit that does not build, a benchmark that
     disappeared, fails or has no number, or one that could be slower than the tolerance
  3  bad usage: an unknown commit, a policy with an error, wrong arguments
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
        "--policy", type=Path, default=POLICY, metavar="FILE", help="floors and accepted changes"
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
    calibrate.add_arguments(parser)


def main(options: argparse.Namespace) -> int:
    """Measure, judge, tell; the exit code of EPILOG."""
    try:
        policy = load_policy(options.policy)
        if options.calibrate:
            whole_s = budget_s(options.budget)
            if options.end_to_end:
                gate = partial(judged, policy=policy, budget_s=whole_s)
                return end_to_end.main(ROOT, gate, options.output)
            return calibrate.main(options, ROOT, policy, (1 - COUNTING) * whole_s)
        if options.base is None or options.head is None:
            raise BadUsageError("it takes two commits, BASE and HEAD, such as 'gate main HEAD'")
        if options.base.endswith(".json") and options.head.endswith(".json"):
            base, head = _filed(Path(options.base), Path(options.head))
            place = options.output
        else:
            base, head, place = _measure(options, policy)
    except (
        BadUsageError,
        PolicyError,
        CheckoutError,
        MeasuredError,
        calibrate.CalibrateError,
    ) as error:
        print(f"gate: {error}", file=sys.stderr)
        return BAD_USAGE
    outcome = judge(base, head, policy, datetime.date.today())
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


def _measure(options: argparse.Namespace, policy: Policy) -> tuple[Measured, Measured, Path]:
    clock = Clock(budget_s(options.budget))
    commits = commit_of(ROOT, options.base), commit_of(ROOT, options.head)

    def wanted(name: str) -> bool:
        return fnmatchcase(name, options.only)

    if not any(map(wanted, METRICS)):
        known = f"there are {METRICS[0]} … {METRICS[-1]}"
        raise BadUsageError(f"no benchmark matches '{options.only}'; {known}")
    place = options.output or _place(*commits)
    place.mkdir(parents=True, exist_ok=True)
    _say(f"== files: {place}")
    about = _about(options)
    base, head = (Recorder(commit, about, wanted) for commit in commits)
    with _kept((base, head), place):
        _take_all(ROOT, (base, head), commits, policy, clock, wanted, anyway=options.anyway)
    return base.measured(), head.measured(), place


def compare(
    root: Path, commits: tuple[Commit, Commit], name: str, policy: Policy, budget_s: float
) -> GateOutcome:
    """Measure one benchmark of two commits and judge it; no files."""
    return judged(root, commits, lambda each: each == name, policy, budget_s)


def judged(
    root: Path,
    commits: tuple[Commit, Commit],
    wanted: Callable[[str], bool],
    policy: Policy,
    budget_s: float,
) -> GateOutcome:
    """Measure and judge the wanted benchmarks of two commits of the repository at `root`."""
    base, head = (Recorder(commit, None, wanted) for commit in commits)
    _take_all(root, (base, head), commits, policy, Clock(budget_s), wanted, anyway=True)
    return judge(base.measured(), head.measured(), policy, datetime.date.today())


def _take_all(
    root: Path,
    sheets: tuple[Recorder, Recorder],
    commits: tuple[Commit, Commit],
    policy: Policy,
    clock: Clock,
    wanted: Callable[[str], bool],
    *,
    anyway: bool,
) -> None:
    """Everything that is wanted, of two commits that build; nothing where they have the same core,
    unless it shall be measured `anyway`."""
    clock.expect(_stages(wanted))
    cores = _build_both(root, sheets, commits, clock)
    if len(cores) < 2:
        return
    if not anyway and same_core(root, commits, cores):
        for sheet in sheets:
            sheet.same()
        return
    base, head = map(str, cores)
    if any(map(wanted, gate_counts.OPERATION_METRICS)):
        _begin(clock, "operations", "counting operations: messages, bytes, calls, allocations")
        gate_counts.take_operations(sheets, (base, head), clock.left(COUNTING))
    if any(map(wanted, gate_counts.MEMORY_METRICS)):
        _begin(clock, "memory", "counting bytes that nodes, clients and records keep")
        gate_counts.take_memory(sheets, (base, head), clock.left(COUNTING))
    micros = [name for name in MICROS if wanted(f"instructions.{name}")]
    if micros:
        what = f"counting instructions of {_functions(micros)} by callgrind"
        _begin(clock, "instructions", what)
        gate_counts.take_instructions(sheets, (base, head), micros, clock.left(COUNTING))
    if any(map(wanted, seeds.SEEDED_METRICS)):
        clock.begin("seeds")
        told = partial(_progress, clock)
        seeds.take_seeds(sheets, (base, head), policy, clock.left(COUNTING), told)
    micros = [name for name in MICROS if wanted(paired_rounds.PREFIX + name)]
    if micros:
        clock.begin("rounds")
        _take_rounds(sheets, (base, head), micros, policy, clock)


def _stages(wanted: Callable[[str], bool]) -> Iterator[tuple[str, float]]:
    """What there will be to do, each with the part of it that is wanted."""
    yield "build", 1.0
    for stage, names in STAGES.items():
        part = sum(map(wanted, names)) / len(names)
        if part:
            yield stage, part


def _build_both(
    root: Path, sheets: tuple[Recorder, Recorder], commits: tuple[Commit, Commit], clock: Clock
) -> list[Path]:
    """The directories of those that build; a sheet says why its commit does not."""
    cores = []
    clock.begin("build")
    for side, sheet, commit in zip(("base", "head"), sheets, commits, strict=True):
        _progress(clock, f"building {side}: {commit}")
        try:
            cores.append(build(root, commit, root / ".asv" / "gate" / "builds"))
        except BuildError as error:
            sheet.fail(str(error))
    return cores


def _take_rounds(
    sheets: tuple[Recorder, Recorder],
    cores: tuple[str, str],
    micros: list[str],
    policy: Policy,
    clock: Clock,
) -> None:
    coin = sheets[0].noted("coin") or SystemRandom().getrandbits(32)
    rounds = paired_rounds.PairedRounds(sheets, cores, Random(int(coin)))
    told = [(-1, 0)]

    def measure(names: paired_rounds.Names, stage: int) -> None:
        if (stage, len(names)) != told[-1]:
            again = f"again: {', '.join(names[:6])}{' …' * (len(names) > 6)}" if stage else ""
            _progress(clock, f"timing {_functions(names)} in rounds {again}".rstrip())
            told.append((stage, len(names)))
        rounds.measure(names, stage)

    paired_rounds.decide(sheets, micros, policy, measure, clock.left())
    paired_rounds.note_unmeasured(sheets, micros)
    clock.end()
    _progress(clock, "measured")


def _functions(names: Sequence[str]) -> str:
    return f"{len(names)} function{'s' * (len(names) != 1)}"


@contextlib.contextmanager
def _kept(sheets: tuple[Recorder, Recorder], place: Path) -> Iterator[None]:
    """Whatever happens, what was measured is in files."""
    try:
        yield
    finally:
        for name, sheet in zip(("base", "head"), sheets, strict=True):
            sheet.write(place / f"{name}.json")


def _place(base: Commit, head: Commit) -> Path:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return ROOT / ".asv" / "gate" / "runs" / f"{moment}-{base.hash[:8]}-{head.hash[:8]}"


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


def _begin(clock: Clock, stage: str, text: str) -> None:
    clock.begin(stage)
    _progress(clock, text)


def _progress(clock: Clock, text: str) -> None:
    _say(f"== {clock.told()}: {text}")


def _say(text: str) -> None:
    print(text, flush=True)
