"""What clients get at an offered rate, with any settings of nodes and clients, in virtual time.

Nodes in one place, N=3, W=R=2, each of which needs so many microseconds of its one processor to
read or to send a message; clients that begin operations between them at moments drawn from a
Poisson process, one of ten a store, whatever becomes of the others. After a warm-up, something may
go wrong with one node; the operations that begin from then on are what is measured.

- *calm*: nothing goes wrong.
- *slow*: one node is ten times slower.
- *stutter*: one node stands still 100 ms of each second.

A read is *stale* if it returns a value although a later store was acknowledged before it began, and
*lost* if it finds none: every key was stored before.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import ceil
from random import Random
from typing import Any

from benchmarks.common import subject

__all__ = ["CASES", "MEAN_REQUESTS", "offered"]

NODES = 8
CLIENTS = 6
KEYS = 96
SIZE_BYTES = 64
STORES = 0.1  # of all operations
MEAN_REQUESTS = 2.1  # of an operation of this mix: a store asks three nodes, a read two
MESSAGE_US = 300  # of a node, to read or to send one
CLIENT_US = 2  # a client must not be what is waited for
WARM_S = 0.4
LEEWAY_S = 0.5  # for an operation to end after its time
LOOK_S = 0.05
JOINED = 64  # nodes at most that really join
LINK = {"latency_us": 100, "jitter_us": 50, "up_kbps": 1_000_000, "down_kbps": 1_000_000}
HIT = "n1"

CASES: dict[str, dict[str, Any] | None] = {
    "calm": None,
    "slow": {"fault": "slowness", "times": 10},
    "stutter": {"fault": "stutter", "pause_ms": 100, "every_ms": 1000},
}
"""By name, as the simulator takes them."""


def offered(
    seed: int,
    load: float,
    case: str = "calm",
    nodes: int = NODES,
    seconds: float = 1.0,
    message_us: int = MESSAGE_US,
    timeout_s: float = 0.5,
    clients: int = CLIENTS,
    warm_s: float = WARM_S,
    keys: int = KEYS,
    of_nodes: Mapping[str, Any] | None = None,
    of_clients: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Seconds that reads and stores take (a failed one counts as its whole time-out), messages per
    operation, what failed, what was wrong, and what each good answer cost beside what it needs.

    Args:
        load: what is asked for, as a part of what all nodes together can serve.
        seconds, warm_s: how long operations are measured, and how long before that begins.
        of_nodes, of_clients: settings of their configurations, by name.

    Raises:
        NotImplementedError: this commit's p2pcore has no such setting.
    """
    run = _Offered(
        seed, nodes, message_us, clients, timeout_s, keys, of_nodes or {}, of_clients or {}
    )
    return run.play(load, CASES[case], seconds, warm_s)


class _Offered:
    def __init__(
        self,
        seed: int,
        nodes: int,
        message_us: int,
        clients: int,
        timeout_s: float,
        keys: int,
        of_nodes: Mapping[str, Any],
        of_clients: Mapping[str, Any],
    ) -> None:
        self._rng = Random(f"{seed} offered")
        self._world = world = subject.make_world(seed, LINK)
        self._timeout_s, self._keys = timeout_s, keys
        self._nodes_per_s = nodes * 1e6 / (2 * message_us)  # requests
        service = subject.part("sim", "Service")
        world.service = service(message_us=message_us)
        settings = {
            "service": service(message_us=CLIENT_US),
            "timeout_s": timeout_s,
            "max_in_flight": 1 << 30,
        }
        try:
            (world.swarm if nodes <= JOINED else world.warm_swarm)(nodes, **of_nodes)
            ways_in = [node.address for node in world.nodes[:CLIENTS]]
            settings |= {"bootstrap": ways_in, **of_clients}
            self._clients = [world.client(connect=False, **settings) for _ in range(clients)]
        except TypeError as error:
            raise NotImplementedError(str(error)) from None
        connecting = [client.start_connect() for client in self._clients]
        world.run_until(lambda: all(each.over for each in connecting))
        self._answers = _Answers()
        self._stored = 0
        self._operations: list[Any] = []
        self._going = True
        first = [self._store(self._clients[0], n, timeout_s=5.0) for n in range(keys)]
        for each in first:
            each.wait()

    def play(
        self, load: float, table: dict[str, Any] | None, seconds: float, warm_s: float
    ) -> dict[str, float]:
        world = self._world
        if table is not None and table["fault"] not in subject.part("sim", "FAULTS"):
            raise NotImplementedError(f"no fault {table['fault']!r} yet")
        self._rate_per_s = load * self._nodes_per_s / MEAN_REQUESTS
        self._begin_next()
        world.run(warm_s)
        if table is not None:
            world.apply(subject.fault_from(table | {"nodes": [HIT], "for_s": seconds}))
        self._operations.clear()
        sent = subject.traffic(world).messages
        world.run(seconds)
        sent = subject.traffic(world).messages - sent
        self._going = False
        measured = self._operations[:]
        links = sum(len(each.machine.links.by_id) for each in (*world.nodes, *self._clients))
        for _ in range(ceil((self._timeout_s + LEEWAY_S) / LOOK_S)):
            if all(each.over for each in measured):  # looked at seldom: there are thousands
                break
            world.run(LOOK_S)
        world.check()
        return self._figures(measured, seconds) | {
            "messages_per_operation": sent / len(measured),
            "connections": links / (len(world.nodes) + len(self._clients)),
        }

    def _figures(self, measured: list[Any], seconds: float) -> dict[str, float]:
        figures: dict[str, float] = {"operations": len(measured)}
        for kind, name in (("retrieve", "read"), ("store", "store")):
            taken = sorted(self._seconds(each) for each in measured if each.kind == kind)
            for words, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
                figures[f"{name}_s_{words}"] = taken[min(len(taken) - 1, int(share * len(taken)))]
        failed = sum(each.failed for each in measured)
        stale, lost = self._answers.wrong(measured)
        needed = sum(3 if each.kind == "store" else 2 for each in measured if not each.failed)
        could = min(self._nodes_per_s * seconds, MEAN_REQUESTS * len(measured))
        return figures | {
            "failed_ppm": 1e6 * failed / len(measured),
            "stale": stale,
            "lost": lost,
            "work_per_good": could / max(1, needed),
        }

    def _seconds(self, operation: Any) -> float:
        return self._timeout_s if operation.failed else float(operation.latency_ns) / 1e9

    def _begin_next(self) -> None:
        if not self._going:
            return
        client, key = self._rng.choice(self._clients), self._rng.randrange(self._keys)
        if self._rng.random() < STORES:
            self._operations.append(self._store(client, key))
        else:
            self._operations.append(client.start_retrieve(f"key {key}"))
        self._world.after(self._rng.expovariate(self._rate_per_s), self._begin_next)

    def _store(self, client: Any, key: int, **more: Any) -> Any:
        self._stored += 1
        value = self._stored.to_bytes(8, "big").ljust(SIZE_BYTES, b".")
        operation = client.start_store(f"key {key}", value, **more)
        self._answers.stores[operation.key].append(operation)
        return operation


class _Answers:
    """Which answers are older than they may be."""

    def __init__(self) -> None:
        self.stores: dict[Any, list[Any]] = defaultdict(list)
        """By key, in the order in which they began."""

    def wrong(self, operations: list[Any]) -> tuple[int, int]:
        """How many reads are stale, and how many found nothing."""
        reads = [each for each in operations if each.kind == "retrieve"]
        stale = sum(self._is_stale(each) for each in reads if not each.failed)
        failed = [each for each in reads if each.failed]
        return stale, sum(subject.failure(each.result) == "absent" for each in failed)

    def _is_stale(self, read: Any) -> bool:
        known = self.stores[read.key]
        acknowledged = [
            each for each in known
            if each.over and not each.failed and each.end_ns <= read.start_ns
        ]  # fmt: skip
        newest_ns = max(each.start_ns for each in acknowledged)
        found = next(each for each in known if each.value == read.result)
        return bool(found.over and not found.failed and found.end_ns < newest_ns)
