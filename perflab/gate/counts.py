"""What a gate counts exactly: operations, memory, and instructions.

Two processes at a time, for there is nothing that they could disturb. Whatever goes wrong in one of
them is noted where its figures would be.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any

from benchmarks.common.children import ChildError
from benchmarks.common.counting.count_lab import CountLab
from benchmarks.common.counting.memory_lab import KEEPERS, MemoryLab
from perflab.gate.instructions import (
    SEEDS,
    InstructionCount,
    InstructionError,
    count_instructions,
    unavailable,
)
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder

__all__ = [
    "MEMORY_METRICS",
    "OPERATIONS",
    "OPERATION_METRICS",
    "Job",
    "Sheets",
    "complete",
    "note",
    "note_instructions",
    "side_by_side",
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
OPERATION_METRICS = tuple(
    f"counts.{what}.{operation}.{nodes}"
    for what in (*METERS["calls"], *METERS["allocations"])
    for operation in OPERATIONS
    for nodes in NODES
)
MEMORY_METRICS = tuple(f"memory.{keeper}.{NODES[0]}" for keeper in KEEPERS)
AT_A_TIME = 2
BEAT_S = 0.5  # between looks at whether the time is over

Sheets = tuple[Recorder, Recorder]
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
                    ((side, nodes, meter), partial(_count, core, nodes, meter, asked))
                    for side, core in enumerate(cores)
                ]
    for (side, nodes, meter), result in side_by_side(jobs, time_left).items():
        for operation in OPERATIONS:
            for what in METERS[meter]:
                name = f"counts.{what}.{operation}.{nodes}"
                note(sheets[side], name, Kind.EXACT, what, result)


def take_memory(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Bytes that are kept for a node, a client and a record: exact."""
    jobs = [(side, partial(_kept, core, NODES[0])) for side, core in enumerate(cores)]
    for side, result in side_by_side(jobs, time_left).items():
        for name in MEMORY_METRICS:
            note(sheets[side], name, Kind.EXACT, "bytes", result)


def complete(found: Mapping[Any, Any], seeds: Sequence[int]) -> list[int]:
    """The seeds that both sides had the time for: where it was over early, these are enough."""
    late = {seed for (_, seed), result in found.items() if isinstance(result, TimeoutError)}
    return [seed for seed in seeds if seed not in late]


@cache  # exact figures need not be counted twice: whoever tries many heads has one base
def _count(core: str, nodes: int, meter: str, operations: tuple[str, ...]) -> dict[str, float]:
    with CountLab(nodes, meter, 0, core) as lab:
        found = lab.count(operations)
    return {
        f"counts.{what}.{operation}.{nodes}": counts[what]
        for operation, counts in found.items()
        for what in METERS[meter]
    }


@cache
def _kept(core: str, nodes: int) -> dict[str, float]:
    with MemoryLab(nodes, core) as lab:
        found = lab.kept()
    return {f"memory.{keeper}.{nodes}": kept["bytes"] for keeper, kept in found.items()}


def note(sheet: Recorder, name: str, kind: Kind, what: str, result: Any, stage: int = 0) -> None:
    """What one process found: figures by benchmark, or the error it raised."""
    unit = what.replace("_", " ")
    if isinstance(result, Exception):
        sheet.lacks(name, kind, unit, "failed", _words(result))
    elif name not in result:
        thing = name.split(".")[-2]
        sheet.lacks(name, kind, unit, "skipped", f"this commit's p2pcore or Python has no {thing}")
    else:
        sheet.add(name, kind, unit, result[name], stage)


def _words(error: Exception) -> str:
    expected = isinstance(error, ChildError | InstructionError | TimeoutError)
    return str(error) if expected else f"{type(error).__name__}: {error}"


def take_instructions(
    sheets: Sheets, cores: Sequence[str], names: list[str], time_left: Callable[[], bool]
) -> None:
    """Instructions per operation of the micro benchmarks, under fixed hash seeds: exact."""
    reason = unavailable()
    jobs = [
        ((side, seed), partial(_instructions, core, tuple(names), seed))
        for seed in SEEDS
        for side, core in enumerate(cores)
    ]
    found = {} if reason else side_by_side(jobs, time_left)
    whole = complete(found, SEEDS) if found else ()
    for side, sheet in enumerate(sheets):
        results = [found[side, seed] for seed in whole or SEEDS] if found else []
        for name in names:
            note_instructions(sheet, name, results, reason)


def note_instructions(sheet: Recorder, name: str, results: Sequence[Any], reason: str) -> None:
    """What each seed's process counted of one micro benchmark, or the error it raised; without any,
    the reason why nothing can be counted here."""
    full, kind, unit = f"instructions.{name}", Kind.EXACT, "instructions"
    broken = next((each for each in results if isinstance(each, Exception)), None)
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
    sheet: Recorder, full: str, name: str, results: Sequence[InstructionCount]
) -> None:
    kind, unit = Kind.EXACT, "instructions"
    for result in results:
        if name in result.wrong:
            sheet.lacks(full, kind, unit, "failed", result.wrong[name])
            return
        if name in result.missing:
            lost = name in result.unreached
            sheet.lacks(full, kind, unit, "skipped", result.missing[name], unreached=lost)
            return
        sheet.add(full, kind, unit, result.per_operation[name])
