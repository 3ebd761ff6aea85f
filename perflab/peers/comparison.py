"""The core, its ceiling and other stores, asked the same in turn.

Repeats alternate between the yardstick, the core and its peers, so that a slow spell of the machine
falls on all, and what counts is the median of the ratios within repeats. Every repeat writes other
values than the one before, so that an old value read back is an error and not a hit. A peer that
fails loses its figures, all or those at one number in flight, and the others go on; a core or a
ceiling that fails ends the run.

The core is asked in memory, and, where that is wanted, with its records on a disk: so is a durable
peer, and like is held beside like. A raw log under the same nodes says what a disk allows.

Rule: measures and returns; prints nothing, judges nothing.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.common import subject
from benchmarks.common.children import ChildError, require_running
from benchmarks.common.disk import Keeping, sync_cost_s
from benchmarks.common.loops import running_loop
from benchmarks.common.records import LoopKind, summarize
from benchmarks.common.ruler.ceiling import FASTEST, CeilingServers
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop
from perflab.peers.question import QUESTIONS, Question
from perflab.peers.stores.running import RunningPeer, side_name

__all__ = [
    "BESIDE",
    "CORE",
    "OPERATIONS",
    "SIZE_BYTES",
    "Answers",
    "Cell",
    "Compared",
    "Comparing",
    "Found",
    "Side",
    "compare",
    "core_beside",
    "on_disk",
]

CORE = "p2pcore"  # in memory
SIZE_BYTES = 1024
WATCH_S = 0.25  # between looks at the children
# A quarter of a second at the goals' rates; who is faster or slower is asked more or less often.
OPERATIONS = {1: 400, 16: 2500, 64: 6000, 256: 12000}
CEILING_SHARE = 2.0
DISK_SHARE = 0.5
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

    def figures(self) -> list[tuple[str, str, list[float]]]:
        """Name, unit and values of each figure."""
        return [("rate", "1/s", self.rates), ("p50", "s", self.p50_s), ("p99", "s", self.p99_s)]

    def ratios_to(self, other: Cell) -> list[float]:
        """The ratios of rates taken in the same repeat."""
        return [mine / its for mine, its in zip(self.rates, other.rates, strict=True)]

    def ratio_to(self, other: Cell) -> float:
        """The median of the ratios of rates taken in the same repeat."""
        return statistics.median(self.ratios_to(other))


# By layout of the core, operations in flight, side ("p2pcore", "p2pcore, synced", "ceiling", "etcd
# (grpcio)").
Found: TypeAlias = dict[tuple[str, int, str, Question], Cell]


@dataclass
class Compared:
    """What came of it.

    `syncs_s` has, by layout and peer, the seconds of some syncs of each repeat, for durable peers
    and a core that is on a disk; `failed` a line for each thing that was to be measured and could
    not be.
    """

    found: Found = field(default_factory=dict)
    syncs_s: dict[tuple[str, str], list[list[float]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


Answers: TypeAlias = dict[Question, WorkloadOutcome]


@dataclass(frozen=True)
class Side:
    """Something that can be asked, with (operations, in flight, repeat); how many operations it is
    given; and whose it is, if it is a peer's."""

    name: str
    share: float
    ask: Callable[[int, int, int], Answers]
    peer: RunningPeer | None = None


def on_disk(keeping: Keeping) -> str:
    """The side of the core whose nodes keep their records in this."""
    return f"{CORE}, {keeping}"


def core_beside(found: Found, place: tuple[str, int, Question], durable: bool) -> str:
    """The side of the core that is like a peer: synced beside one that syncs, if it was asked."""
    layout, in_flight, question = place
    synced = on_disk("synced")
    return synced if durable and (layout, in_flight, synced, question) in found else CORE


def compare(
    *,
    layouts: Sequence[str],
    nodes: int,
    in_flight: Sequence[int],
    repeats: int,
    loop: LoopKind,
    scale: float,
    progress: Callable[[str], object],
    peers: Sequence[RunningPeer] = (),
    kept: Sequence[Keeping] = (),
) -> Compared:
    """Ask all questions of all sides `repeats` times; `scale` multiplies the operations, and `kept`
    names what nodes have their records in, besides memory."""
    comparing = Comparing(scale, progress)
    others = [bench for peer in peers for bench in _benches_of(peer)]
    for layout in layouts:
        with _benches("A" if layout == "A" else "B", nodes, loop, kept) as (benches, folder):
            for repeat in range(repeats + 1):  # the first one meets cold caches and does not count
                progress(f"layout {layout}, repeat {repeat} of {repeats}")
                comparing.look_at_disks(layout, repeat, peers, folder)
                for flying in in_flight:
                    for bench in [*benches, *others]:
                        comparing.ask(bench, layout, flying, repeat)
    return comparing.compared


class Comparing:
    """What has been found so far, and who is not asked any more."""

    def __init__(self, scale: float, progress: Callable[[str], object]) -> None:
        self.compared = Compared()
        self._scale = scale
        self._progress = progress
        self._failed: set[tuple[str, str, int]] = set()

    def look_at_disks(
        self, layout: str, repeat: int, peers: Sequence[RunningPeer], folder: Path | None = None
    ) -> None:
        """Note what a sync costs now, for those that have to wait for it: peers, and a core that
        has its records below `folder`."""
        if not repeat:
            return
        costs = {peer.peer.name: peer.sync_cost_s for peer in peers if peer.peer.durable}
        if folder is not None:
            costs[CORE] = partial(sync_cost_s, folder)
        for name, cost_s in costs.items():
            self.compared.syncs_s.setdefault((layout, name), []).append(cost_s())

    def ask(self, bench: Side, layout: str, flying: int, repeat: int) -> None:
        """Ask one side once, and keep what it took, unless it is the first time."""
        if (layout, bench.name, flying) in self._failed:
            return
        operations = max(flying, round(OPERATIONS[flying] * self._scale * bench.share))
        try:
            answers = bench.ask(operations, flying, repeat)
        except RuntimeError as error:
            if bench.peer is None:
                raise
            self._give_up(bench.peer, layout, flying, bench.name, error)
        else:
            if repeat:
                self._keep(answers, layout, flying, bench.name)

    def _keep(self, answers: Answers, layout: str, flying: int, side: str) -> None:
        for question, outcome in answers.items():
            place = (layout, flying, side, question)
            cell = self.compared.found.setdefault(place, Cell([], [], []))
            latency = summarize(outcome.latencies_s)
            cell.rates.append(1 / outcome.seconds_per_operation)
            cell.p50_s.append(latency.p50_s)
            cell.p99_s.append(latency.p99_s)

    def _give_up(
        self, peer: RunningPeer, layout: str, flying: int, side: str, error: RuntimeError
    ) -> None:
        """Forget what this layout has of a peer: what it did at one number in flight if answers
        were wrong there, or all of it if the peer is gone."""
        gone = isinstance(error, ChildError)
        if gone:
            peer.end()
        found, lost = self.compared.found, list(OPERATIONS) if gone else [flying]
        for place in list(found):
            if place[0] == layout and place[1] in lost and place[2] == side:
                del found[place]
        self._failed |= {(layout, side, each) for each in lost}
        where = "" if gone else f", {flying} in flight"
        line = f"{side}, beside layout {layout}{where}: {' '.join(str(error).split())}"
        self.compared.failed.append(line)
        self._progress(f"not measured: {line}")


def _benches_of(peer: RunningPeer) -> list[Side]:
    """One for each client that a peer is asked through."""

    def asking(client: str) -> Callable[[int, int, int], Answers]:
        def ask(operations: int, in_flight: int, repeat: int) -> Answers:
            edition = repeat * (max(OPERATIONS) + 1) + in_flight
            return peer.ask(client, operations, in_flight, edition)

        return ask

    return [
        Side(side_name(peer.peer, client), peer.peer.share, asking(client), peer)
        for client in peer.peer.clients
    ]


@contextmanager
def _benches(
    layout: Literal["A", "B"], nodes: int, loop: LoopKind, kept: Sequence[Keeping]
) -> Iterator[tuple[list[Side], Path | None]]:
    """The ceiling, a network that reads one replica and one that reads a quorum, side by side; and
    one on a disk for each of `kept`, with the folder of one of them."""
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
        disks = [
            stack.enter_context(Swarm(layout=layout, nodes=nodes, loop=loop, keeping=keeping))
            for keeping in kept
        ]
        fast, safe = swarms
        ceiling = _Asked(runner.run, thin.store, thin.retrieve, store, one)
        yield (
            [
                Side("ceiling", CEILING_SHARE, ceiling.ask),
                Side(CORE, 1.0, _asked(fast, None, one).ask),
                Side(CORE, 1.0, _asked(safe, store, quorum).ask),
                *(
                    Side(on_disk(swarm.keeping), DISK_SHARE, _asked(swarm, store, quorum).ask)
                    for swarm in disks
                ),
            ],
            disks[0].folder if disks else None,
        )


def _asked(swarm: Swarm, store: Question | None, retrieve: Question) -> _Asked:
    client = swarm.client
    return _Asked(swarm.run, client.store, client.retrieve, store, retrieve)


@dataclass(frozen=True)
class _Asked:
    """A client in this process: how to drive its loop, and which questions it answers."""

    drive: Callable[[Coroutine[Any, Any, WorkloadOutcome]], WorkloadOutcome]
    store: Callable[[str, bytes], Awaitable[object]]
    retrieve: Callable[[str], Awaitable[object]]
    store_answers: Question | None
    retrieve_answers: Question

    def ask(self, operations: int, in_flight: int, repeat: int) -> Answers:
        """Overwrite the records with a new edition, and read them back, each one compared."""
        values = Values(SIZE_BYTES, repeat)
        many = {"operations": operations, "in_flight": in_flight}
        stored = self._loop(lambda n: self.store(f"record-{n}", values.value(n)), many)
        retrieved = self._loop(lambda n: self.retrieve(f"record-{n}"), many, values.check)
        answers = {self.retrieve_answers: retrieved.require_clean()}
        stored.require_clean()
        if self.store_answers:
            answers[self.store_answers] = stored
        return answers

    def _loop(
        self,
        operation: Callable[[int], Awaitable[object]],
        many: dict[str, int],
        check: Callable[[int, object], None] | None = None,
    ) -> WorkloadOutcome:
        asking = closed_loop(
            operation,
            operations=many["operations"],
            in_flight=many["in_flight"],
            check=check,
        )
        return self.drive(_watched(asking))


async def _watched(asking: Coroutine[Any, Any, WorkloadOutcome]) -> WorkloadOutcome:
    """The outcome; ChildError as soon as a child ends: who waits for it would wait for long."""
    task = asyncio.ensure_future(asking)
    try:
        while not (await asyncio.wait([task], timeout=WATCH_S))[0]:
            require_running()
        return await task
    finally:
        task.cancel()
