"""What passes before anything works: importing, starting, connecting, joining, getting ready.

Networks have as many replicas as nodes, up to three, and a majority of them for the quorums.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.common import subject
from benchmarks.common.sampling import BLOCKS, Record, Samples, as_samples, read, record

NODES = [1, 4, 8]
RECORDS = 500
SIZE_BYTES = 1024
IMPORT_LIMIT_S = 30  # a hundred times what it takes


def _imports() -> Record:
    """Seconds of the import in one fresh interpreter after the other."""
    from benchmarks.common.children import child_environment

    def seconds() -> float:
        done = subprocess.run(
            [sys.executable, "-P", "-c", subject.IMPORT_PROGRAM],
            env=child_environment(),
            stdout=subprocess.PIPE,
            timeout=IMPORT_LIMIT_S,
            check=True,
            text=True,
        )
        took, directory = done.stdout.splitlines()
        if directory != subject.core_dir():
            raise RuntimeError(f"imported from {directory}, not from {subject.core_dir()}")
        return float(took)

    return {("import",): [seconds() for _ in range(BLOCKS + 1)][1:]}  # the first read the disk


def _first_nodes() -> Record:
    """Seconds that the first node of a network needs, and a client until its first answer."""
    from benchmarks.common.loops import running_loop
    from benchmarks.common.swarm import Members, Swarm
    from benchmarks.common.workload import Values

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

    with running_loop(subject.default_loop()) as runner:
        started = [runner.run(start()) for _ in range(BLOCKS + 1)]
    with Swarm(layout="A", nodes=NODES[-1]) as swarm:
        swarm.run(swarm.client.store("first", Values(SIZE_BYTES).value(0)))
        connected = [swarm.run(connect(swarm)) for _ in range(BLOCKS + 1)]
    return {
        ("start",): started[1:],  # the first ones met cold caches
        ("connect",): [first for first, _ in connected[1:]],
        ("answer",): [second for _, second in connected[1:]],
    }


def _joins() -> Record:
    """Seconds that a node needs to join networks of each size, which hold records, and to be ready.

    It runs here and the others in a process of their own. It leaves again, and before the next one
    comes, all that was stored must be there. The sizes take turns, which gives a network time to
    get over the departure, and lets a slow spell fall on all of them.
    """
    from benchmarks.common.swarm import Members, Swarm
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

    async def join(swarm: Swarm) -> Members:
        members = Members(swarm.network)
        await members.add(1, swarm.addresses[:1])
        await members.shutdown()
        return members

    found: Record = {}
    with ExitStack() as stack:
        swarms = [
            stack.enter_context(
                Swarm(layout="A", nodes=nodes, network=subject.NetworkSettings.of(nodes))
            )
            for nodes in NODES
        ]
        # Before nodes could tell when they are ready, they did not hand over what they held either.
        holding = swarms if subject.supports("ready") else []
        for swarm in holding:
            swarm.run(fill(swarm.client))
        for block in range(BLOCKS + 1):
            for nodes, swarm in zip(NODES, swarms, strict=True):
                members = swarm.run(join(swarm))
                if block:  # the first one met cold caches
                    found.setdefault(("join", nodes), []).extend(members.join_s)
                    found.setdefault(("ready", nodes), []).extend(members.ready_s)
            for swarm in holding:
                swarm.run(all_there(swarm.client))
    return found


class Import:
    """Catches: a core that takes longer to import: more modules, dearer ones, work at import time.

    Cannot see: a disk that was not read before, nor the interpreter's own start.
    """

    kind = "observed"
    layout = "C"
    version = "1"
    unit = "seconds"
    timeout = 60

    def setup_cache(self) -> object:
        return record(_imports)

    def setup(self, found: Record) -> None:
        read(found, "import")

    def track_import_seconds(self, found: Record) -> Samples:
        return as_samples(read(found, "import"))


class _FirstNode:
    """The record that the classes about a first node and a first client share."""

    key = ""  # of its values in the record
    kind = "observed"
    timeout = 60

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_first_nodes)


class Start(_FirstNode):
    """Catches: the first node of a network that takes longer until it listens and serves.

    Cannot see: the import, a data directory to be read, nodes that join others (`Join`).
    """

    layout = "C"
    key = "start"
    version = "1"
    unit = "seconds"

    def track_start_seconds(self, found: Record) -> Samples:
        return as_samples(read(found, self.key))


class Connect(_FirstNode):
    """Catches: a client that takes longer to connect to eight nodes, or to get its first answer.

    Cannot see: distance (a round trip here is none), members that are down.
    """

    layout = "A"
    key = "connect"
    version = "1"
    unit = "seconds"

    def track_connect_seconds(self, found: Record) -> Samples:
        return as_samples(read(found, self.key))

    def track_first_answer_seconds(self, found: Record) -> Samples:
        return as_samples(read(found, "answer"))


class _Joining:
    """The record that the classes about joining share."""

    key = ""  # of its values in the record
    kind = "observed"
    layout = "A"
    timeout = 60
    params = (NODES,)
    param_names = ("nodes_before",)

    def setup(self, found: Record, *case: Any) -> None:
        read(found, self.key, *case)

    def setup_cache(self) -> object:
        return record(_joins)


class Join(_Joining):
    """Catches: a node that takes longer to join, or ever longer the more are there.

    Cannot see: the start of the interpreter, and networks beyond eight nodes.
    """

    key = "join"
    version = "1"
    unit = "seconds"

    def track_join_seconds(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, self.key, nodes))


class Ready(_Joining):
    """Catches: a node that is given its share of 500 records later, from its start on.

    Cannot see: shares so large that the limit on repair traffic sets the time.
    """

    key = "ready"
    version = "1"
    unit = "seconds"

    def track_ready_seconds(self, found: Record, nodes: int) -> Samples:
        return as_samples(read(found, self.key, nodes))
