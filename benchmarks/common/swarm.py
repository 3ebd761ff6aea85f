"""Swarms of real nodes on loopback, in the layouts that every figure names.

A: all nodes in one child process, the client in the caller's. B: a child process per node.
C: everything in the caller's process and on one loop, for counts and peak memory.

Theory of operation. The first node starts alone and the others join through it; the last one joins
when all others are there, so that its time is that of joining a network of that size and not
of waiting for the cores. Where the core can tell, all nodes are ready before anything else is done:
what they hand over to each other is no part of later figures. A swarm is handed out only after
records were written through its client and came back byte for byte. Children run the caller's own
p2pcore (see `entry`), report which one that is, and a swarm of another p2pcore than the caller's is
refused. The caller is synchronous, as asv's benchmarks are: `run` drives one loop that lives as
long as the swarm.

Rule: IPv4 loopback only; p2pcore only through `subject`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from benchmarks.common import subject
from benchmarks.common.children import Child, serve_parent, stop_all
from benchmarks.common.disk import Keeping, NodeStorage, place_on_disk
from benchmarks.common.entered import Entered
from benchmarks.common.footprint import usage
from benchmarks.common.loops import running_loop
from benchmarks.common.processors import on_one_processor
from benchmarks.common.records import Layout, LoopKind
from benchmarks.common.ruler.ceiling import (
    FASTEST,
    CeilingClient,
    CeilingListeners,
    write_certificate,
)
from benchmarks.common.workload import Values, closed_loop

__all__ = ["Members", "Swarm", "SwarmError", "run_child"]

T = TypeVar("T")

PROBES = 24  # records that must come back: three for each node of the usual eight
PROBE_BYTES = 1024
SETTLE_S = 20.0  # until nodes are ready; it takes some milliseconds, and a child is given 30 s


class SwarmError(RuntimeError):
    """A swarm that is not what it should be: the wrong p2pcore, wrong answers or leftovers."""


class Members:
    """Some nodes of a network on the running loop.

    For each of them `join_s` has the seconds from its start until it had joined, and `ready_s`
    those until it counted for all that is its (no entries where the core cannot tell). Where
    `storage` has a folder, records are in it; nodes on a folder that was in use before are those
    of then.
    """

    def __init__(
        self, network: subject.NetworkSettings, storage: NodeStorage | None = None
    ) -> None:
        self.network = network
        self._storage = storage or NodeStorage()
        self._nodes: list[subject.SubjectNode] = []
        self.join_s: list[float] = []
        self.ready_s: list[float] = []

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self._nodes]

    async def add(
        self, count: int, bootstrap: list[str], *, settle: bool = True, **settings: Any
    ) -> None:
        """Start nodes one after the other, and wait until all of them are ready, unless others have
        to come before they can be.

        Without a bootstrap the first one founds the network; `settings` go to `subject.make_node`.
        SwarmError if they don't get ready.
        """
        begun: list[tuple[subject.SubjectNode, float]] = []
        for _ in range(count):
            place = self._storage.settings(len(self._nodes))
            entries = bootstrap or self.addresses[:1]
            node = subject.make_node(self.network, entries, **settings, **place)
            begun.append((node, time.perf_counter()))
            await node.start()
            self.join_s.append(time.perf_counter() - begun[-1][1])
            self._nodes.append(node)
        if settle and subject.supports("ready"):
            await self._settle(begun)

    async def _settle(self, begun: list[tuple[subject.SubjectNode, float]]) -> None:
        """Note how long each node took, from its start until it was ready."""

        async def ready(node: subject.SubjectNode, begin: float) -> float:
            await node.wait_ready()
            return time.perf_counter() - begin

        try:
            async with asyncio.timeout(SETTLE_S), asyncio.TaskGroup() as group:
                tasks = [group.create_task(ready(*each)) for each in begun]
        except TimeoutError as error:
            raise SwarmError(f"{len(begun)} nodes were not ready after {SETTLE_S} s") from error
        self.ready_s += [task.result() for task in tasks]

    def counters(self) -> dict[str, int]:
        """The nodes' own counters, added up."""
        total: dict[str, int] = {}
        for node in self._nodes:
            for name, value in subject.counters(node).items():
                total[name] = total.get(name, 0) + value
        return total

    def standings(self) -> list[subject.NodeStanding]:
        """How each node stands in its network."""
        return [subject.standing(node) for node in self._nodes]

    async def shutdown(self) -> None:
        """Shut all nodes down, the founder last; SwarmError if one leaves a task behind."""
        async with AsyncExitStack() as stack:
            for node in self._nodes:
                stack.push_async_callback(node.shutdown)
        self._nodes.clear()


def collect(what: str) -> None:
    """Collect this process's garbage; with "freeze", never look at what is left again."""
    gc.collect()
    if what == "freeze":
        gc.freeze()


async def no_leftovers() -> None:
    """Raise SwarmError if a task other than this one is still there."""
    await asyncio.sleep(0)  # tasks that have been cancelled end in the next turn
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        raise SwarmError(f"shutdown left {len(left)} tasks behind, such as {next(iter(left))}")


class Swarm(Entered):
    """A network and a client of it, from entering to leaving; for synchronous callers.

    `keeping` says where records are: in memory, or in a directory for each node below `folder`,
    which is kept, or below a new one on a disk, which is removed at the end. On a folder that was
    in use before, the nodes of then come back with what they had (not in layout B, where each
    process waits for its own node to be ready). The nodes' ids follow from the name `identities`,
    if it is not empty.

    `watched` children keep self metrics for the monitor; `environment` is added to theirs. With
    `ruled`, each process with nodes serves the ceiling too, as many servers as nodes on the same
    loop, and `ruler` is a client of it: whatever slows the nodes slows it. All processes of a ruled
    swarm, the caller's too, keep to one processor: how much of two of them a swarm gets beside a
    neighbour, and what waking up another one costs, changes the ratio to the ruler by a third.
    """

    child_module = "benchmarks.common.swarm"

    def __init__(
        self,
        *,
        layout: Layout,
        nodes: int,
        network: subject.NetworkSettings | None = None,
        loop: LoopKind | None = None,
        watched: bool = False,
        environment: dict[str, str] | None = None,
        ruled: bool = False,
        keeping: Keeping = "memory",
        folder: Path | None = None,
        identities: str = "",
    ) -> None:
        if layout not in ("A", "B", "C"):
            raise ValueError(f"real nodes come in the layouts A, B and C, not {layout!r}")
        self.layout: Layout = layout
        self.nodes = nodes
        self.network = network or subject.NetworkSettings()
        quorums = self.network.read_quorum + self.network.write_quorum
        if quorums <= self.network.replication:
            raise ValueError(
                f"read and write quorum add up to {quorums} and do not overlap in "
                f"{self.network.replication} replicas: a read may miss a write"
            )
        self.loop: LoopKind = loop or subject.default_loop()
        self.client: subject.SubjectClient
        self.addresses: list[str] = []
        self.join_s: list[float] = []
        self.keeping: Keeping = keeping
        self.folder = folder
        self._storage = NodeStorage(identities=identities)
        self._children: list[Child] = []
        self._watched, self._environment = watched, environment
        self._ruled = ruled
        self.ruler: CeilingClient
        self._ruler_addresses: list[str] = []
        self._certificate = ""

    @property
    def processes(self) -> int:
        """Processes that take part, the caller's included."""
        return 1 + len(self._children)

    @property
    def pids(self) -> list[int]:
        """The processes that hold nodes, besides the caller's."""
        return [child.pid for child in self._children]

    @property
    def children(self) -> list[Child]:
        """The child processes that hold nodes."""
        return list(self._children)

    def _enter(self) -> None:
        self._runner = self._stack.enter_context(running_loop(self.loop))
        if self.keeping != "memory":
            if self.folder is None:
                made = TemporaryDirectory(prefix="swarm-", dir=place_on_disk())
                self.folder = Path(self._stack.enter_context(made))
            self._storage = replace(self._storage, keeping=self.keeping, folder=str(self.folder))
        self._members = Members(self.network, self._storage)
        if self._ruled:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="ruler-"))
            self._certificate = write_certificate(Path(folder))
        if self.layout == "C":
            self._stack.callback(lambda: self.run(no_leftovers()))
            if self._ruled:
                listeners = CeilingListeners(self.nodes, FASTEST[self.loop], self._certificate)
                self._stack.callback(lambda: self.run(listeners.stop()))
                self._ruler_addresses = self.run(listeners.start())
            self._stack.callback(lambda: self.run(self._members.shutdown()))
            self.run(self._members.add(self.nodes, []))
            self.addresses, self.join_s = self._members.addresses, self._members.join_s
        else:
            self._stack.callback(lambda: stop_all(self._children))
            self._start_children()
        if self._ruled:
            self._stack.enter_context(on_one_processor(self.pids))
            self.ruler = self._open_ruler()
        self.client = self._open_client()
        self.run(self._probe())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Drive the swarm's loop until a coroutine is done."""
        return self._runner.run(coroutine)

    def freeze(self) -> None:
        """In every process: what there is now is no garbage, and later collections pass it over."""
        self._collect("freeze")

    def collect(self) -> None:
        """In every process: collect garbage now, so that none is left to whoever runs next."""
        self._collect("collect")

    def _collect(self, what: str) -> None:
        for child in self._children:
            child.ask({"ask": what})
        collect(what)

    def usage(self) -> list[dict[str, int | float]]:
        """Processor time, memory and the nodes' counters, a row for each process with nodes."""
        if self.layout == "C":
            return [usage() | self._members.counters()]
        return [child.ask({"ask": "usage"}) for child in self._children]

    def _start_children(self) -> None:
        if self.layout == "A":
            self._spawn(self.nodes, [])
            self._admit(self._children)
            return
        for batch in (1, self.nodes - 2, 1) if self.nodes > 1 else (1,):
            self._admit([self._spawn(1, self.addresses[:1]) for _ in range(batch)])

    def _spawn(self, count: int, bootstrap: list[str]) -> Child:
        order = {
            "network": asdict(self.network),
            "count": count,
            "bootstrap": bootstrap,
            "loop": self.loop,
            "certificate": self._certificate,
            "storage": asdict(self._storage.within(f"process-{len(self._children)}")),
        }
        child = Child(
            self.child_module,
            [json.dumps(order)],
            subject.core_dir(),
            self._environment,
            self_metrics=self._watched,
        )
        self._children.append(child)
        return child

    def _admit(self, children: list[Child]) -> None:
        """Wait for children and let them in if they run the very p2pcore of this process."""
        mine = asdict(subject.identity(self.loop))
        for child in children:
            ready = child.wait_ready()
            if ready["identity"] != mine:
                raise SwarmError(f"child {child.pid} runs {ready['identity']}, this is {mine}")
            self.addresses += ready["addresses"]
            self.join_s += ready["join_s"]
            self._ruler_addresses += ready["ruler_addresses"]

    def new_ruler(self) -> CeilingClient:
        """Another client of the ceiling beside the nodes, to be entered."""
        return CeilingClient(self._ruler_addresses, self._certificate, FASTEST[self.loop])

    def _open_ruler(self) -> CeilingClient:
        """One that is closed before the nodes are."""
        ruler = self.new_ruler()
        self.run(ruler.__aenter__())
        self._stack.callback(lambda: self.run(ruler.__aexit__()))
        return ruler

    def _open_client(self) -> subject.SubjectClient:
        """A client that is closed before the nodes are."""
        opening = subject.make_client(self.network, self.addresses[:2])
        client = self.run(opening.__aenter__())
        self._stack.callback(lambda: self.run(opening.__aexit__(None, None, None)))
        return client

    async def _probe(self) -> None:
        """Write, and read back byte for byte; whatever is measured later, this much works."""
        values = Values(PROBE_BYTES)
        for operation, check in (
            (lambda n: self.client.store(f"probe-{n}", values.value(n)), None),
            (lambda n: self.client.retrieve(f"probe-{n}"), values.check),
        ):
            outcome = await closed_loop(operation, operations=PROBES, in_flight=4, check=check)
            if outcome.errors:
                raise SwarmError(f"{PROBES} records of a fresh swarm gave {outcome.errors}")


class _Host:
    """The child's service: some nodes of a network."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._members = Members(
            subject.NetworkSettings(**order["network"]), NodeStorage(**order.get("storage", {}))
        )
        self._ruler: CeilingListeners | None = None

    async def start(self) -> dict[str, Any]:
        order = self._order
        ruler_addresses: list[str] = []
        if certificate := order.get("certificate"):
            self._ruler = CeilingListeners(order["count"], FASTEST[order["loop"]], certificate)
            ruler_addresses = await self._ruler.start()
        await self._members.add(
            order["count"],
            order["bootstrap"],
            settle=order.get("settle", True),
            **order.get("settings", {}),
        )
        return {
            "ruler_addresses": ruler_addresses,
            "addresses": self._members.addresses,
            "join_s": self._members.join_s,
            "ready_s": self._members.ready_s,
            "identity": asdict(subject.identity(self._order["loop"])),
        }

    def counters(self) -> dict[str, int]:
        return self._members.counters()

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question["ask"] in ("collect", "freeze"):
            collect(question["ask"])
            return {}
        if question == {"ask": "usage"}:
            return usage() | self._members.counters()
        if question == {"ask": "standing"}:
            return {"nodes": [asdict(each) for each in self._members.standings()]}
        raise ValueError(f"a host of nodes cannot answer {question}")

    async def stop(self) -> None:
        if self._ruler is not None:
            await self._ruler.stop()
        await self._members.shutdown()


def run_child(arguments: list[str]) -> None:
    """A child process of a Swarm; its order is one JSON object."""
    order = json.loads(arguments[0])
    serve_parent(_Host(order), order["loop"], order.get("source"))
