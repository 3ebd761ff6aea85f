"""Situations of a static swarm in which time passes: what is sent, and how long a change takes.

Eight nodes (N=3, W=R=2) and some clients; who begins what, and when, follows from the seed, as do
the random streams of all. Nothing is lost on the way but what a node that is away is sent.

Rule: p2pcore only through the swarm's machines; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.static_swarm import StaticMember, StaticSwarm
from benchmarks.common.workload import Values

__all__ = ["SITUATIONS", "Figures"]

Figures = dict[str, float]

NODES, REPLICAS = 8, 3
RECORDS, SIZE_BYTES = 192, 64
CLIENTS = 3
STEP_NS = 100_000  # between looks at whether something is over: a round trip
LOOK_NS = 10_000_000  # between looks at all records
SECOND_NS = 1_000_000_000
QUIET_NS = 90 * SECOND_NS  # until nodes have stopped to look after a change
MINUTE_NS = 60 * SECOND_NS
RATE_PER_S = 10
STORES = 0.2  # of the operations
AWAY_S = 15
LIMIT_S = 240  # for what must come to an end


class _Scene:
    """A swarm that holds records, and clients that know it."""

    def __init__(self, seed: int) -> None:
        subject.require("ready")
        self.swarm = StaticSwarm(NODES, subject.NetworkSettings(), seed)
        self.clients = [self.swarm.client() for _ in range(CLIENTS)]
        self._rng = Random(f"{seed} situation")
        self._values = Values(SIZE_BYTES)
        self._reads: list[tuple[StaticMember, int, int]] = []
        self._under_way: list[tuple[StaticMember, int]] = []
        self.begun = 0
        for client in self.clients:
            client.operate(client.machine.connect)
        for number in range(RECORDS):
            client = self.clients[number % CLIENTS]
            client.operate(client.machine.write, *self._writing(number))

    def _key(self, number: int) -> Any:
        return self.swarm.core.key_of(f"r{number}")

    def _writing(self, number: int) -> tuple[Any, ...]:
        return self._key(number), self._values.value(number), None, self.swarm.deadline_ns

    def begin_one(self) -> None:
        """A client that is drawn begins a store or a retrieve of a record that is drawn."""
        client, number = self._rng.choice(self.clients), self._rng.randrange(RECORDS)
        self.begun += 1
        if self._rng.random() < STORES:
            operation = client.begin(client.machine.write, *self._writing(number))
        else:
            name = f"r{number}"
            asked = self._key(number), name, self.swarm.deadline_ns
            operation = client.begin(client.machine.read, *asked)
            self._reads.append((client, operation, number))
        self._under_way.append((client, operation))

    def traffic(self, seconds: float) -> None:
        """So many seconds of operations; all are over in the end, and reads were right."""
        for _ in range(round(seconds * RATE_PER_S)):
            self.begin_one()
            self.swarm.run(SECOND_NS // RATE_PER_S)
        self.until(lambda: all(number in client.results for client, number in self._under_way))
        for client, operation, number in self._reads:
            answer = client.results[operation]
            if isinstance(answer, Exception):
                raise answer
            self._values.check(number, answer)

    def until(self, over: Callable[[], bool], step_ns: int = STEP_NS) -> float:
        """Seconds until this is so."""
        passed_ns = 0
        while not over():
            self.swarm.run(step_ns)
            passed_ns += step_ns
            if passed_ns > LIMIT_S * SECOND_NS:
                raise AssertionError(f"what must come to an end has not within {LIMIT_S} s")
        return passed_ns / 1e9

    def operation(self, member: StaticMember, start: Callable[..., object]) -> float:
        """Seconds that something takes that a member begins now, while time passes for all."""
        number = member.begin(start)
        took_s = self.until(lambda: number in member.results)
        result = member.results.pop(number)
        if isinstance(result, Exception):
            raise result
        return took_s

    def copies(self) -> bool:
        """Whether each record is held by as many nodes as there must be."""
        stores = [node.machine.store for node in self.swarm.nodes]
        keys = (self._key(number) for number in range(RECORDS))
        return all(
            sum(store.version(key) is not None for store in stores) >= REPLICAS for key in keys
        )

    def counted(self, thing: Callable[[], object]) -> dict[str, int]:
        """What is sent and dialled meanwhile."""
        traffic = self.swarm.traffic
        before = traffic.messages, traffic.bytes, traffic.dials, self._asked()
        thing()
        after = traffic.messages, traffic.bytes, traffic.dials, self._asked()
        names = "messages", "bytes", "dials", "asked"
        return {n: b - a for n, a, b in zip(names, before, after, strict=True)}

    def _asked(self) -> int:
        return sum(client.sent for client in self.clients)


def _upkeep(seed: int) -> Figures:
    """A minute in which nodes that hold records are asked for nothing; per node."""
    scene = _Scene(seed)
    scene.swarm.run(QUIET_NS)
    sent = scene.counted(lambda: scene.swarm.run(MINUTE_NS))
    return {
        "messages.upkeep_with_records": sent["messages"] / NODES,
        "bytes.upkeep_with_records": sent["bytes"] / NODES,
    }


def _mixed(seed: int) -> Figures:
    """A minute of stores and retrieves, upkeep included; per operation."""
    scene = _Scene(seed)
    scene.swarm.run(QUIET_NS)
    sent = scene.counted(lambda: scene.traffic(60))
    return {
        "messages.mixed": sent["messages"] / scene.begun,
        "bytes.mixed": sent["bytes"] / scene.begun,
    }


def _stale(seed: int) -> Figures:
    """Three of the nodes have gone and others come while nobody asked; per operation of the first
    seconds after it. And how long it took to get ready, and to hand over."""
    scene = _Scene(seed)
    ready_s, over_s = [], []
    for _ in range(REPLICAS):
        node = scene.swarm.make_node()
        ready_s.append(
            scene.operation(node, node.machine.join)
            + scene.operation(node, node.machine.wait_ready)
        )
        scene.swarm.nodes.append(node)
        leaver = scene.swarm.nodes[1]
        over_s.append(scene.operation(leaver, leaver.machine.hand_over))
        scene.swarm.leave(leaver)
        scene.swarm.run(SECOND_NS)
    sent = scene.counted(lambda: scene.traffic(6))
    return {
        "messages.stale": sent["messages"] / scene.begun,
        "bytes.stale": sent["bytes"] / scene.begun,
        "seconds.ready": sum(ready_s) / REPLICAS,
        "seconds.handed_over": sum(over_s) / REPLICAS,
    }


def _away(seed: int) -> Figures:
    """A node is away for a while and comes back with nothing, while clients go on; dials in all,
    the rest per operation. And how long it takes to get ready again."""
    scene = _Scene(seed)
    scene.swarm.run(QUIET_NS)
    victim = scene.swarm.nodes[3]
    scene.swarm.lose(victim)
    sent = scene.counted(lambda: scene.traffic(AWAY_S))
    node = scene.swarm.make_node(victim.number)
    back_s = scene.operation(node, node.machine.join)
    back_s += scene.operation(node, node.machine.wait_ready)
    return {
        "messages.away": sent["messages"] / scene.begun,
        "bytes.away": sent["bytes"] / scene.begun,
        "asked.away": sent["asked"] / scene.begun,
        "dials.away": sent["dials"],
        "seconds.back": back_s,
    }


def _lost(seed: int) -> Figures:
    """A node is gone for good: how long until there are N copies of all again."""
    scene = _Scene(seed)
    scene.swarm.run(QUIET_NS)
    scene.swarm.lose(scene.swarm.nodes[3])
    return {"seconds.copies": scene.until(scene.copies, LOOK_NS)}


SITUATIONS: dict[str, Callable[[int], Figures]] = {
    "upkeep": _upkeep,
    "mixed": _mixed,
    "stale": _stale,
    "away": _away,
    "lost": _lost,
}
