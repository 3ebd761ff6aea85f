"""What passes before anything works: importing, starting, connecting, joining, getting ready.

Networks have as many replicas as nodes, up to three, and a majority of them for the quorums. All
times are at reference speed (`benchmarks/common/ruler/pairs.py`), beside another beginning: of an
interpreter, or of the ceiling (`benchmarks/common/ruler/fresh.py`).
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.common import subject
from benchmarks.common.processors import Patience
from benchmarks.common.ruler.versions import START_RULER, beside
from benchmarks.common.sampling import (
    BLOCKS,
    PATIENCE_S,
    QUICK,
    Samples,
    Times,
    read,
    record,
    timed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.common.swarm import Members, Swarm

NODES = [1, 4, 8]
RECORDS = 500
SIZE_BYTES = 1024
PER_SAMPLE = {"import": 2, "start": 8, "connect": 6, "join": 2}
TURNS = {what: BLOCKS * (1 if QUICK else turns) for what, turns in PER_SAMPLE.items()}
REFERENCE_S: dict[str | tuple[str, int], float] = {
    "import": 0.135,
    "start": 2.8e-3,
    "connect": 10e-3,
    ("connect", 1): 1.95e-3,
    ("connect", 4): 5.7e-3,
    ("connect", 8): 10.8e-3,
}
"""Of each ruler: fixed numbers, about what it takes on a quiet machine. Joins and first answers are
held against connecting."""


def _undisturbed(scenario: Callable[[], Times]) -> object:
    """Its record, taken at a calm time if one comes."""
    return record(partial(Patience(PATIENCE_S).undisturbed, scenario))


def _imports() -> Times:
    """Seconds of the import, in one fresh interpreter after the other."""
    from benchmarks.common.ruler.fresh import import_s, run_fresh
    from benchmarks.common.ruler.pairs import Pair

    def seconds() -> float:
        took, directory = run_fresh(subject.IMPORT_PROGRAM)
        if directory != subject.core_dir():
            raise RuntimeError(f"imported from {directory}, not from {subject.core_dir()}")
        return float(took)

    seconds()  # the first reads the disk
    import_s()
    pairs, before = [], import_s()
    for _ in range(TURNS["import"]):
        took, after = seconds(), import_s()
        pairs.append(Pair(took, before, after))
        before = after
    return {("import",): pairs}


def _first_nodes() -> Times:
    """Seconds that the first node of a network needs, and a client until its first answer."""
    from benchmarks.common.loops import running_loop
    from benchmarks.common.ruler.fresh import Meeting, connect_s
    from benchmarks.common.ruler.pairs import Pair
    from benchmarks.common.swarm import Members, Swarm
    from benchmarks.common.workload import Values

    found: Times = {}

    async def start() -> float:
        members = Members(subject.NetworkSettings.of(1))
        await members.add(1, [])
        await members.shutdown()
        return members.join_s[0]

    async def connect(swarm: Swarm) -> tuple[float, float]:
        begin = time.perf_counter()
        async with subject.make_client(swarm.network, swarm.addresses[:2]) as client:
            connected = time.perf_counter()
            answer = await client.retrieve("first")
            answered = time.perf_counter()
        Values(SIZE_BYTES).check(0, answer)
        return connected - begin, answered - begin

    with running_loop(subject.default_loop()) as runner, Meeting(subject.default_loop()) as meeting:
        for _ in range(TURNS["start"] + 1):
            before, took, after = (
                runner.run(each) for each in (meeting.start_s(), start(), meeting.start_s())
            )
            found.setdefault(("start",), []).append(Pair(took, before, after))
    with Swarm(layout="A", nodes=NODES[-1], ruled=True, identities="first") as swarm:
        swarm.run(swarm.client.store("first", Values(SIZE_BYTES).value(0)))
        for _ in range(TURNS["connect"] + 1):
            before = swarm.run(connect_s(swarm.new_ruler()))
            connected, answered = swarm.run(connect(swarm))
            after = swarm.run(connect_s(swarm.new_ruler()))
            found.setdefault(("connect",), []).append(Pair(connected, before, after))
            found.setdefault(("answer",), []).append(Pair(answered, before, after))
    return _warm(found)


def _warm(found: Times) -> Times:
    """Without the first turn of each, which met cold caches."""
    return {key: pairs[1:] for key, pairs in found.items()}


def _ruled_swarm(nodes: int) -> Swarm:
    from benchmarks.common.swarm import Swarm

    network = subject.NetworkSettings.of(nodes)
    return Swarm(layout="A", nodes=nodes, network=network, ruled=True, identities=f"of-{nodes}")


def _joins() -> Times:
    """Seconds that a node needs to join networks of each size, which hold records, and to be ready.

    It runs here and the others in a process of their own. It leaves again, and before the next one
    comes, all that was stored must be there. The sizes take turns, which gives a network time to
    get over the departure. Who joins at which turn is the same at each commit, and so is what it is
    handed.
    """
    from benchmarks.common.disk import NodeStorage
    from benchmarks.common.ruler.fresh import connect_s
    from benchmarks.common.ruler.pairs import Pair
    from benchmarks.common.swarm import Members
    from benchmarks.common.workload import Values, closed_loop

    values = Values(SIZE_BYTES)

    async def fill(client: subject.SubjectClient) -> None:
        stored = await closed_loop(
            lambda n: client.store(f"r{n}", values.value(n)), operations=RECORDS, in_flight=16
        )
        stored.require_clean()

    async def all_there(client: subject.SubjectClient) -> None:
        retrieved = await closed_loop(
            lambda n: client.retrieve(f"r{n}"), operations=RECORDS, in_flight=16, check=values.check
        )
        retrieved.require_clean()

    async def join(swarm: Swarm, turn: int) -> Members:
        members = Members(swarm.network, NodeStorage(identities=f"joins-{turn}"))
        await members.add(1, swarm.addresses[:1])
        await members.shutdown()
        return members

    found: Times = {}
    with ExitStack() as stack:
        swarms = [stack.enter_context(_ruled_swarm(nodes)) for nodes in NODES]
        # Before nodes could tell when they are ready, they did not hand over what they held either.
        holding = swarms if subject.supports("ready") else []
        for swarm in holding:
            swarm.run(fill(swarm.client))
        for turn in range(TURNS["join"] + 1):
            for nodes, swarm in zip(NODES, swarms, strict=True):
                before = swarm.run(connect_s(swarm.new_ruler()))
                members = swarm.run(join(swarm, turn))
                after = swarm.run(connect_s(swarm.new_ruler()))
                for what, took in (("join", members.join_s), ("ready", members.ready_s)):
                    found.setdefault((what, nodes), []).extend(
                        Pair(each, before, after) for each in took
                    )
            for swarm in holding:
                swarm.run(all_there(swarm.client))
    return _warm(found)


class Import:
    """Catches: a core that takes longer to import: more modules, dearer ones, work at import time.

    Cannot see: a disk that was not read before, nor the interpreter's own start.
    """

    kind = "paired"
    layout = "C"
    version = beside("2", START_RULER)
    unit = "seconds"
    timeout = 300

    def setup_cache(self) -> object:
        return _undisturbed(_imports)

    def setup(self, found: Times) -> None:
        read(found, "import")

    def track_import_seconds(self, found: Times) -> Samples:
        return timed(read(found, "import"), REFERENCE_S["import"])


class _FirstNode:
    """The record that the classes about a first node and a first client share."""

    key = ""  # of its values in the record
    kind = "paired"
    timeout = 300

    def setup(self, found: Times, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return _undisturbed(_first_nodes)


class Start(_FirstNode):
    """Catches: the first node of a network that takes longer until it listens and serves.

    Cannot see: the import, a data directory to be read, nodes that join others (`Join`).
    """

    layout = "C"
    key = "start"
    version = beside("2", START_RULER)
    unit = "seconds"

    def track_start_seconds(self, found: Times) -> Samples:
        return timed(read(found, self.key), REFERENCE_S[self.key])


class Connect(_FirstNode):
    """Catches: a client that takes longer to connect to eight nodes, or to get its first answer.

    Cannot see: distance (a round trip here is none), members that are down.
    """

    layout = "A"
    key = "connect"
    version = beside("2", START_RULER)
    unit = "seconds"

    def track_connect_seconds(self, found: Times) -> Samples:
        return timed(read(found, self.key), REFERENCE_S[self.key])

    def track_first_answer_seconds(self, found: Times) -> Samples:
        return timed(read(found, "answer"), REFERENCE_S["connect"])


class _Joining:
    """The record that the classes about joining share."""

    key = ""  # of its values in the record
    kind = "paired"
    layout = "A"
    timeout = 300
    params = (NODES,)
    param_names = ("nodes_before",)

    def setup(self, found: Times, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return _undisturbed(_joins)


class Join(_Joining):
    """Catches: a node that takes longer to join, or ever longer the more are there.

    Cannot see: the start of the interpreter, and networks beyond eight nodes.
    """

    key = "join"
    version = beside("2", START_RULER)
    unit = "seconds"

    def track_join_seconds(self, found: Times, nodes: int) -> Samples:
        return timed(read(found, self.key, nodes), REFERENCE_S["connect", nodes])


class Ready(_Joining):
    """Catches: a node that is given its share of 500 records later, from its start on.

    Cannot see: shares so large that the limit on repair traffic sets the time.
    """

    key = "ready"
    version = beside("2", START_RULER)
    unit = "seconds"

    def track_ready_seconds(self, found: Times, nodes: int) -> Samples:
        return timed(read(found, self.key, nodes), REFERENCE_S["connect", nodes])
