"""The core and its ceiling, asked the same in turn.

Repeats alternate between the yardstick and the core, so that a slow spell of the machine falls on
both, and what counts is the median of the ratios within repeats. Every repeat writes other
values than the one before, so that an old value read back is an error and not a hit.

Rule: measures and returns; prints nothing, judges nothing.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from benchmarks.common import subject
from benchmarks.common.children import require_running
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind, summarize
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop
from perflab.peers.ceiling import FASTEST, CeilingServers

__all__ = ["BESIDE", "OPERATIONS", "QUESTIONS", "Cell", "Found", "Question", "compare"]

SIZE_BYTES = 1024
WATCH_S = 0.25  # between looks at the children
# A quarter of a second at the goals' rates; the ceiling is asked twice as often, to take as long.
OPERATIONS = {1: 400, 16: 2500, 64: 6000, 256: 12000}
Side: TypeAlias = Literal["p2pcore", "ceiling"]
Question: TypeAlias = Literal["store", "retrieve, one replica", "retrieve, quorum"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
# Which of the ceiling's answers each question is held against: it has no quorum to read.
BESIDE: dict[Question, Question] = {
    "store": "store",
    "retrieve, one replica": "retrieve, one replica",
    "retrieve, quorum": "retrieve, one replica",
}


@dataclass(frozen=True)
class Cell:
    """What one side did in all repeats of one question, in one layout, at one number in flight."""

    rates: list[float]
    p50_s: list[float]
    p99_s: list[float]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def ratio_to(self, other: Cell) -> float:
        """The median of the ratios of rates taken in the same repeat."""
        pairs = zip(self.rates, other.rates, strict=True)
        return statistics.median(mine / its for mine, its in pairs)


Found: TypeAlias = dict[tuple[str, int, Side, Question], Cell]


@dataclass(frozen=True)
class _Bench:
    """Something that can be asked: how to drive its loop, and which questions it answers."""

    side: Side
    drive: Callable[[Coroutine[Any, Any, WorkloadOutcome]], WorkloadOutcome]
    store: Callable[[str, bytes], Awaitable[object]]
    retrieve: Callable[[str], Awaitable[object]]
    store_answers: Question | None
    retrieve_answers: Question


def compare(
    *,
    layouts: Sequence[str],
    nodes: int,
    in_flight: Sequence[int],
    repeats: int,
    loop: LoopKind,
    scale: float,
    progress: Callable[[str], object],
) -> Found:
    """Ask all questions of both sides `repeats` times; `scale` multiplies the operations."""
    found: Found = {}
    for layout in layouts:
        with _benches("A" if layout == "A" else "B", nodes, loop) as benches:
            for repeat in range(repeats + 1):
                progress(f"layout {layout}, repeat {repeat} of {repeats}")
                for flying in in_flight:
                    operations = max(flying, round(OPERATIONS[flying] * scale))
                    for bench in benches:
                        many = operations * (2 if bench.side == "ceiling" else 1)
                        answers = _ask(bench, many, flying, repeat)
                        if repeat == 0:
                            continue  # the first one met cold caches
                        for question, outcome in answers.items():
                            cell = found.setdefault(
                                (layout, flying, bench.side, question), Cell([], [], [])
                            )
                            latency = summarize(outcome.latencies_s)
                            cell.rates.append(1 / outcome.seconds_per_operation)
                            cell.p50_s.append(latency.p50_s)
                            cell.p99_s.append(latency.p99_s)
    return found


@contextmanager
def _benches(layout: Literal["A", "B"], nodes: int, loop: LoopKind) -> Iterator[list[_Bench]]:
    """The ceiling, a network that reads one replica and one that reads a quorum, side by side."""
    store, one, quorum = QUESTIONS
    with ExitStack() as stack:
        servers = stack.enter_context(
            CeilingServers(layout=layout, nodes=nodes, loop=loop, tls=FASTEST[loop])
        )
        runner = stack.enter_context(running_loop(loop))
        thin = servers.client()
        runner.run(thin.__aenter__())
        stack.callback(lambda: runner.run(thin.__aexit__()))
        # Who reads one replica has to write all three, or may miss what was just acknowledged; the
        # stores that are reported are those of the other network, at W=2.
        swarms = [
            stack.enter_context(Swarm(layout=layout, nodes=nodes, network=network, loop=loop))
            for network in (
                subject.NetworkSettings(read_quorum=1, write_quorum=3),
                subject.NetworkSettings(read_quorum=2, write_quorum=2),
            )
        ]
        fast, safe = (swarm.client for swarm in swarms)
        yield [
            _Bench("ceiling", runner.run, thin.store, thin.retrieve, store, one),
            _Bench("p2pcore", swarms[0].run, fast.store, fast.retrieve, None, one),
            _Bench("p2pcore", swarms[1].run, safe.store, safe.retrieve, store, quorum),
        ]


async def _watched(asking: Coroutine[Any, Any, WorkloadOutcome]) -> WorkloadOutcome:
    """The outcome; ChildError as soon as a child ends: who waits for it would wait for long."""
    task = asyncio.ensure_future(asking)
    try:
        while not (await asyncio.wait([task], timeout=WATCH_S))[0]:
            require_running()
        return await task
    finally:
        task.cancel()


def _ask(
    bench: _Bench, operations: int, in_flight: int, edition: int
) -> dict[Question, WorkloadOutcome]:
    """Overwrite the records with a new edition, and read them back, each one compared."""
    values = Values(SIZE_BYTES, edition)
    stored = bench.drive(
        _watched(
            closed_loop(
                lambda n: bench.store(f"record-{n}", values.value(n)),
                operations=operations,
                in_flight=in_flight,
            )
        )
    )
    retrieved = bench.drive(
        _watched(
            closed_loop(
                lambda n: bench.retrieve(f"record-{n}"),
                operations=operations,
                in_flight=in_flight,
                check=values.check,
            )
        )
    )
    stored.require_clean()
    answers = {bench.retrieve_answers: retrieved.require_clean()}
    if bench.store_answers:
        answers[bench.store_answers] = stored
    return answers
