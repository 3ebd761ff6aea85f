"""What a gate counts instead of timing: operations, events, memory, and instructions.

Two processes at a time, for there is nothing that they could disturb. Whatever goes wrong in one of
them is noted where its figures would be.

Rule: counts and notes; what a difference means is the verdict's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

from benchmarks.rig.children import ChildError
from benchmarks.rig.exact.count_lab import CountLab, Counts
from benchmarks.rig.exact.memory_lab import KEEPERS, MemoryLab
from benchmarks.rig.gate.instructions import (
    SEEDS,
    InstructionCount,
    InstructionError,
    count_instructions,
    unavailable,
)
from benchmarks.rig.gate.sheet import HasMeasured, Sheet
from benchmarks.verdict.gate import suspects
from benchmarks.verdict.measured import Kind
from benchmarks.verdict.policy import Policy

__all__ = [
    "EVENTS",
    "EVENT_METRICS",
    "FIRST_SEEDS",
    "MEMORY_METRICS",
    "OPERATIONS",
    "OPERATION_METRICS",
    "count_events",
    "decide_events",
    "most_seeds",
    "side_by_side",
    "take_events",
    "take_instructions",
    "take_memory",
    "take_operations",
]

OPERATIONS = ("store", "retrieve", "delete", "store_many", "retrieve_many", "first_retrieve")
NODES = (8, 32)  # below and above a bucket of 20, beyond which nobody knows everybody
METERS = {
    # Every meter's run counts messages and bytes too; one of them is enough.
    "calls": ("messages", "bytes", "python_calls", "c_calls"),
    "allocations": ("allocations",),
}
QUESTIONS = {
    "upkeep": ("upkeep",),
    "visit": ("join", "upkeep_after_join"),
    "visit_with_records": ("take_over", "leave"),
}
EVENTS = tuple(event for events in QUESTIONS.values() for event in events)
OPERATION_METRICS = tuple(
    f"counts.{what}.{operation}.{nodes}"
    for what in (*METERS["calls"], *METERS["allocations"])
    for operation in OPERATIONS
    for nodes in NODES
)
EVENT_METRICS = tuple(
    f"events.{what}.{event}.{NODES[0]}" for what in METERS["calls"] for event in EVENTS
)
MEMORY_METRICS = tuple(f"memory.{keeper}.{NODES[0]}" for keeper in KEEPERS)
FIRST_SEEDS = range(4)  # a change that shows under none of them is none
NEXT_SEED = 100  # of those that what has moved is counted again under
AT_A_TIME = 2
BEAT_S = 0.5  # between looks at whether the time is over

Sheets = tuple[Sheet, Sheet]
Job = tuple[Any, Callable[[], Any]]


def side_by_side(jobs: Sequence[Job], time_left: Callable[[], bool]) -> dict[Any, Any]:
    """The result of each job by its key, or the error it raised; TimeoutError if it never began.

    Interrupted, it ends what the jobs have started, and does not wait for them.
    """
    found: dict[Any, Any] = {key: TimeoutError("the gate's time was over") for key, _ in jobs}
    waiting = list(reversed(jobs))
    running: dict[Future[Any], Any] = {}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < AT_A_TIME:
                    if not time_left():
                        waiting.clear()
                        break
                    key, job = waiting.pop()
                    running[pool.submit(job)] = key
                for future in wait(running, BEAT_S, FIRST_COMPLETED).done:
                    key = running.pop(future)
                    error = future.exception()
                    found[key] = future.result() if error is None else error
        except BaseException:
            _end_children()
            raise
    return found


def _end_children() -> None:
    """Processes that the jobs have started, and theirs: without them the jobs end at once."""
    import psutil

    family = psutil.Process().children(recursive=True)
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def take_operations(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Messages, bytes, calls and allocations of a client's operations: exact."""

    jobs: list[Job] = []
    for nodes in NODES:
        for meter, counted in METERS.items():
            names = [f"counts.{what}.%s.{nodes}" for what in counted]
            asked = tuple(
                operation
                for operation in OPERATIONS
                if any(sheets[0].wanted(name % operation) for name in names)
            )
            if asked:
                jobs += [
                    ((side, nodes, meter), partial(_count, core, nodes, meter, 0, asked))
                    for side, core in enumerate(cores)
                ]
    for (side, nodes, meter), result in side_by_side(jobs, time_left).items():
        for operation in OPERATIONS:
            for what in METERS[meter]:
                name = f"counts.{what}.{operation}.{nodes}"
                _note(sheets[side], name, Kind.EXACT, what, result, operation)


def take_memory(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Bytes that are kept for a node, a client and a record: exact."""
    jobs = [(side, partial(_kept, core, NODES[0])) for side, core in enumerate(cores)]
    for side, result in side_by_side(jobs, time_left).items():
        for keeper, name in zip(KEEPERS, MEMORY_METRICS, strict=True):
            _note(sheets[side], name, Kind.EXACT, "bytes", result, keeper)


def take_events(
    sheets: Sheets, cores: Sequence[str], policy: Policy, time_left: Callable[[], bool]
) -> None:
    """Messages, bytes and calls when nodes come, go and look after each other: seeded."""

    def measure(seeds: Sequence[int], stage: int) -> None:
        _take_events(sheets, cores, seeds, stage, time_left)

    decide_events(sheets, policy, measure)


def decide_events(
    sides: tuple[HasMeasured, HasMeasured],
    policy: Policy,
    measure: Callable[[Sequence[int], int], None],
) -> None:
    """Under a few seeds first; if something has moved, fresh ones until it is clear.

    `measure` adds the events of both sides under these seeds to this stage.
    """
    measure(FIRST_SEEDS, 0)
    base, head = sides
    begin = NEXT_SEED
    for count in policy.rounds_again():
        moved = suspects(base.measured(), head.measured(), policy)
        if not any(name.startswith("events.") for name in moved):
            return
        measure(range(begin, begin + count), 1)
        begin += count


def most_seeds(policy: Policy) -> int:
    """How many seeds `decide_events` takes at most, of each side."""
    return len(FIRST_SEEDS) + sum(policy.rounds_again())


def _take_events(
    sheets: Sheets,
    cores: Sequence[str],
    seeds: Sequence[int],
    stage: int,
    time_left: Callable[[], bool],
) -> None:
    jobs = [
        ((side, seed), partial(_count, core, NODES[0], "calls", seed, tuple(QUESTIONS)))
        for seed in seeds
        for side, core in enumerate(cores)
    ]
    found = side_by_side(jobs, time_left)
    whole = _complete(found, seeds)
    if stage and not whole:
        return  # no time: what the first stage said stands
    for side, sheet in enumerate(sheets):
        results = [found[side, seed] for seed in whole or seeds]
        # One seed that failed fails all: the rounds of base and head must stay pairs.
        results = next(([each] for each in results if isinstance(each, Exception)), results)
        for event in EVENTS:
            for what in METERS["calls"]:
                for result in results:
                    name = f"events.{what}.{event}.{NODES[0]}"
                    _note(sheet, name, Kind.SEEDED, what, result, event, stage)


def count_events(core: str, seed: int) -> dict[str, float]:
    """Every one of EVENT_METRICS that this p2pcore can do, under one seed. Raises ChildError."""
    found = _count(core, NODES[0], "calls", seed, tuple(QUESTIONS))
    return {
        f"events.{what}.{event}.{NODES[0]}": counts[what]
        for event, counts in found.items()
        for what in METERS["calls"]
    }


def _complete(found: Mapping[Any, Any], seeds: Sequence[int]) -> list[int]:
    """The seeds that both sides had the time for: where it was over early, these are enough."""
    late = {seed for (_, seed), result in found.items() if isinstance(result, TimeoutError)}
    return [seed for seed in seeds if seed not in late]


@cache  # exact figures need not be counted twice: whoever tries many heads has one base
def _count(
    core: str, nodes: int, meter: str, seed: int, questions: tuple[str, ...]
) -> dict[str, Counts]:
    with CountLab(nodes, meter, seed, core) as lab:
        return lab.count(questions)


@cache
def _kept(core: str, nodes: int) -> dict[str, Counts]:
    with MemoryLab(nodes, core) as lab:
        return lab.kept()


def _note(
    sheet: Sheet, name: str, kind: Kind, what: str, result: Any, thing: str, stage: int = 0
) -> None:
    """What one process found of one thing."""
    unit = what.replace("_", " ")
    if isinstance(result, Exception):
        sheet.lacks(name, kind, unit, "failed", _words(result))
    elif thing not in result:
        sheet.lacks(name, kind, unit, "skipped", f"this commit's p2pcore or Python has no {thing}")
    else:
        sheet.add(name, kind, unit, result[thing][what], stage)


def _words(error: Exception) -> str:
    expected = isinstance(error, ChildError | InstructionError | TimeoutError)
    return str(error) if expected else f"{type(error).__name__}: {error}"


def take_instructions(
    sheets: Sheets, cores: Sequence[str], names: list[str], time_left: Callable[[], bool]
) -> None:
    """Instructions per operation of the micro benchmarks, under fixed hash seeds: exact."""
    kind, unit = Kind.EXACT, "instructions"

    reason = unavailable()
    jobs = [
        ((side, seed), partial(_instructions, core, tuple(names), seed))
        for seed in SEEDS
        for side, core in enumerate(cores)
    ]
    found = {} if reason else side_by_side(jobs, time_left)
    whole = _complete(found, SEEDS) if found else ()
    for side, sheet in enumerate(sheets):
        results = [found[side, seed] for seed in whole or SEEDS] if found else []
        broken = next((each for each in results if isinstance(each, Exception)), None)
        for name in names:
            full = f"instructions.{name}"
            if reason:
                sheet.lacks(full, kind, unit, "skipped", reason)
            elif broken is not None:
                sheet.lacks(full, kind, unit, "failed", _words(broken))
            else:
                _note_instructions(sheet, full, name, results)


@cache
def _instructions(core: str, names: tuple[str, ...], seed: int) -> InstructionCount:
    return count_instructions(core, list(names), seed)


def _note_instructions(
    sheet: Sheet, full: str, name: str, results: Sequence[InstructionCount]
) -> None:
    kind, unit = Kind.EXACT, "instructions"
    for result in results:
        if name in result.wrong:
            sheet.lacks(full, kind, unit, "failed", result.wrong[name])
            return
        if name in result.missing:
            sheet.lacks(full, kind, unit, "skipped", result.missing[name])
            return
        sheet.add(full, kind, unit, result.per_operation[name])
