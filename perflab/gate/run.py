"""Measure two commits beside each other: everything that a gate can, or what is wanted of it.

Rule: order of work and time; the measuring itself is in `counts.py`, `seeds.py`, `waits/` and
`paired_rounds.py`, the judgement in `perflab/gate/judge.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random, SystemRandom

from benchmarks.common.children import ChildError
from benchmarks.common.processors import look, warning
from benchmarks.micro.catalogue import MICROS
from perflab.gate import counts as gate_counts
from perflab.gate import paired_rounds, seeds
from perflab.gate.builds import BuildError, build, same_core
from perflab.gate.cause.trees import TraceError
from perflab.gate.clock import BudgetClock
from perflab.gate.disk import DISK_METRICS, take_disk
from perflab.gate.edge import EDGE_METRICS, KEPT_METRICS, take_edge
from perflab.gate.imports import IMPORT_METRICS, take_imports
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.lives import LIFE_METRICS, take_lives
from perflab.gate.policy import Policy
from perflab.gate.populations import POPULATION_METRICS, take_populations
from perflab.gate.reach import FIRST_S, SLOW, first_figures, reach_of, seconds_of
from perflab.gate.recorder import Recorder
from perflab.gate.sizes import SIZE_METRICS, take_sizes
from perflab.gate.waits.figures import WAIT_METRICS
from perflab.gate.waits.take import take_waits
from perflab.results.checkout import CheckoutError, Commit

__all__ = ["COUNTING", "METRICS", "compare", "judged", "take_all"]

COUNTING = 0.7  # of the budget; the rest is for processor time, which takes what is left
STAGES = {
    "operations": gate_counts.OPERATION_METRICS,
    "seeds": seeds.SEEDED_METRICS,
    "memory": gate_counts.MEMORY_METRICS,
    "disk": DISK_METRICS,
    "edge": (*EDGE_METRICS, *KEPT_METRICS),
    "instructions": tuple(f"instructions.{name}" for name in MICROS),
    "sizes": SIZE_METRICS,
    "imports": IMPORT_METRICS,
    "populations": POPULATION_METRICS,
    "lives": LIFE_METRICS,
    "sockets": WAIT_METRICS,
    "rounds": tuple(paired_rounds.PREFIX + name for name in MICROS),
}
"""What is measured together, by the stage's name in `clock.py`."""
Take = Callable[[gate_counts.Sheets, Sequence[str], Callable[[], bool]], None]
EXACT: dict[str, tuple[str, Take]] = {
    "operations": (
        "counting operations: messages, bytes, calls, allocations",
        gate_counts.take_operations,
    ),
    "memory": ("counting bytes that nodes, clients and records keep", gate_counts.take_memory),
    "disk": ("counting what a group of durable records costs the disk, by strace", take_disk),
    "edge": ("counting what the edge does, over wires in memory on both loops", take_edge),
    "instructions": (
        "counting instructions of functions by callgrind",
        lambda sheets, cores, left: gate_counts.take_instructions(
            sheets,
            cores,
            [each for each in MICROS if sheets[0].wanted(f"instructions.{each}")],
            left,
        ),
    ),
    "sizes": (
        "counting instructions at the edge and of values of all sizes",
        lambda sheets, cores, left: take_sizes(sheets, cores, sheets[0].wanted, left),
    ),
    "imports": (
        "counting modules and instructions of an import",
        lambda sheets, cores, left: take_imports(sheets, cores, sheets[0].wanted, left),
    ),
    "populations": ("counting what many records, links and contacts cost", take_populations),
    "lives": ("counting lives of records and clients, and what they leave behind", take_lives),
}
"""Stages whose figures are exact, in their order: what is told, and who takes them."""
NOTHING: frozenset[str] = frozenset()
NAMED = 3  # of what is slower, in a line
METRICS = tuple(name for names in STAGES.values() for name in names)
"""Every benchmark that a gate can measure."""


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
    take_all(root, (base, head), commits, policy, BudgetClock(budget_s), wanted, anyway=True)
    return judge(base.measured(), head.measured(), policy, datetime.date.today())


def take_all(
    root: Path,
    sheets: tuple[Recorder, Recorder],
    commits: tuple[Commit, Commit],
    policy: Policy,
    clock: BudgetClock,
    wanted: Callable[[str], bool],
    *,
    anyway: bool,
    by_reach: bool = False,
) -> None:
    """Everything that is wanted, of two commits that build; nothing where they have the same core,
    unless it shall be measured `anyway`. `by_reach`: what reaches the change comes first."""
    clock.expect(_stages(wanted))
    cores = _build_both(root, sheets, commits, clock)
    if len(cores) < 2:
        return
    if not anyway and same_core(root, commits, cores):
        for sheet in sheets:
            sheet.same()
        return
    if crowd := warning(look()):
        _say(crowd)
    base, head = map(str, cores)
    first = _first(root, commits, base, wanted, clock) if by_reach else NOTHING
    if first:
        _take_exact(sheets, (base, head), clock, first.__contains__)
        _tell_first(sheets, policy, clock)
        clock.expect(_stages(lambda name: wanted(name) and name not in first))
    _take_exact(sheets, (base, head), clock, lambda name: wanted(name) and name not in first)
    if any(map(wanted, seeds.SEEDED_METRICS)):
        clock.begin("seeds")
        told = partial(_progress, clock)
        seeds.take_seeds(sheets, (base, head), policy, clock.left(COUNTING), told)
    coin = Random(int(sheets[0].noted("coin") or SystemRandom().getrandbits(32)))
    if any(map(wanted, WAIT_METRICS)):
        clock.begin("sockets")
        told = partial(_progress, clock)
        take_waits(sheets, (base, head), policy, coin, clock.left(), told)
    micros = [name for name in MICROS if wanted(paired_rounds.PREFIX + name)]
    if micros:
        clock.begin("rounds")
        _take_rounds(sheets, (base, head), micros, policy, coin, clock)


def _take_exact(
    sheets: tuple[Recorder, Recorder],
    cores: tuple[str, str],
    clock: BudgetClock,
    wanted: Callable[[str], bool],
) -> None:
    """Every exact figure that is wanted, a stage after the other."""
    with sheets[0].taking(wanted), sheets[1].taking(wanted):
        for stage, (words, take) in EXACT.items():
            if any(map(wanted, STAGES[stage])):
                _begin(clock, stage, words)
                take(sheets, cores, clock.left(COUNTING))


def _first(
    root: Path, commits: tuple[Commit, Commit], base: str, wanted: Callable[[str], bool],
    clock: BudgetClock,
) -> frozenset[str]:  # fmt: skip
    """The figures that come first, for the change reaches them; none where that is not known, or
    all of them are soon there."""
    slow = {name for stage in SLOW for name in STAGES[stage]}
    asked = [name for name in METRICS if wanted(name) and name not in slow]
    if seconds_of(asked, STAGES) <= FIRST_S:
        return NOTHING
    clock.end()
    _progress(clock, "looking for the figures that the change reaches")
    try:
        reach = reach_of(root, commits[0], base, asked)
        first = first_figures(root, commits, reach, STAGES, wanted)
    except (CheckoutError, ChildError, TraceError) as error:
        _say(f"!! the usual order, for what the change reaches is not known: {error}")
        return NOTHING
    part = f"{len(first.names)} of {first.reached} figures that the change reaches"
    _say(f"== first {part}" if first.names else "== no counted figure reaches the change")
    return first.names


def _tell_first(sheets: tuple[Recorder, Recorder], policy: Policy, clock: BudgetClock) -> None:
    """What is known before the rest is measured."""
    clock.end()
    base, head = (sheet.measured() for sheet in sheets)
    red = judge(base, head, policy, datetime.date.today()).regressions
    named = ", ".join(each.name for each in red[:NAMED])
    more = f" and {len(red) - NAMED} more" if len(red) > NAMED else ""
    said = f"slower are {named}{more}" if red else "none of them is slower"
    _progress(clock, f"first verdict: {said}; the rest follows")


def _stages(wanted: Callable[[str], bool]) -> Iterator[tuple[str, float]]:
    """What there will be to do, each with the part of it that is wanted."""
    yield "build", 1.0
    for stage, names in STAGES.items():
        part = sum(map(wanted, names)) / len(names)
        if part:
            yield stage, part


def _build_both(
    root: Path,
    sheets: tuple[Recorder, Recorder],
    commits: tuple[Commit, Commit],
    clock: BudgetClock,
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
    coin: Random,
    clock: BudgetClock,
) -> None:
    rounds = paired_rounds.PairedRounds(sheets, cores, coin)
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


def _begin(clock: BudgetClock, stage: str, text: str) -> None:
    clock.begin(stage)
    _progress(clock, text)


def _progress(clock: BudgetClock, text: str) -> None:
    _say(f"== {clock.told()}: {text}")


def _say(text: str) -> None:
    print(text, flush=True)
