"""What clients get of a network that is asked for more than it can do, in virtual time.

Eight nodes in one place, N=3, W=R=2, of which each needs 600 µs of its one processor for a request;
eight clients begin operations between them at moments drawn from a Poisson process, one of ten a
store, whatever becomes of the others, and give each half a second. They ask for 70 %
of what all nodes can do, then for so many times that, and then for 70 % again. *Good* is what was
answered in its time, with a value that was stored under that key, and counts as the requests that
it needs; the others are lost.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.sampling import QUICK

__all__ = [
    "BACK", "BASE", "CLIENT_US", "KEYS", "LINK", "MEAN_WORK", "MESSAGE_US", "NODES", "NODE_PER_S",
    "PATIENCE_S", "STORES", "TIMEOUT_S", "TIMES", "TRIGGERS", "after_trigger", "is_good",
    "overload", "p99", "until_as_usual", "value_of",
]  # fmt: skip

NODES = 8
CLIENTS = 8
KEYS = 128
SIZE_BYTES = 64
STORES = 0.1  # of all operations
MESSAGE_US = 3000 if QUICK else 300  # of a node, to read or to send one
CLIENT_US = 2  # a client must not be what is waited for
WORK = {"store": 3, "retrieve": 2}  # requests that an operation needs
NODE_PER_S = 1e6 / (2 * MESSAGE_US)  # requests that a node can serve
MEAN_WORK = 2.1  # requests of an operation of the mix
BASE = 0.7  # of the capacity
WARM_S = 0.5
SETTLE_S = 0.3  # of an overload, before its goodput is counted
OVERLOAD_S = 0.4 if QUICK else 1.0
AFTER_S = 0.5 if QUICK else 2.0
USUAL_S = 1.0  # over which it is told what is usual
PATIENCE_S = 10.0
"""What is not as usual after so long has stayed bad by itself: that is a metastable failure."""
SLICE_S = 0.1  # over which goodput is counted, to tell when it is back
BACK = 0.95  # of what is asked for
TIMEOUT_S = 0.5
LINK = {"latency_us": 100, "jitter_us": 50, "up_kbps": 1_000_000, "down_kbps": 1_000_000}
TIMES = (2, 5, 10)

SWITCHES: dict[str, dict[str, Any]] = {
    "default": {},
    "on": {"overload_control": True},
    "off": {"overload_control": False},
}

TRIGGERS: dict[str, list[dict[str, Any]]] = {
    "pause": [{"fault": "pause", "nodes": [f"n{n}" for n in range(1, NODES + 1)], "for_s": 1.0}],
    "restarts": [
        {"fault": "crash", "nodes": [f"n{n}"], "for_s": 0.3, "at_s": 0.1 * n, "disk": True}
        for n in range(2, NODES + 1, 2)
    ],
    "cold": [],
}
"""What begins a metastable failure, by name: all nodes stand still for a second, half of them are
started again one after the other, or all clients start anew and know no node."""


def overload(
    seed: int, times: int, switch: str = "default", nodes: int = NODES
) -> dict[str, float]:
    """What the nodes could have done and was not answered in time, in ppm; the P99 in seconds of
    what was answered, and of the time until somebody is refused; messages of clients for each
    request that was needed; and seconds until goodput is back afterwards (AFTER_S: it was not).

    Raises:
        NotImplementedError: this commit's p2pcore has no such switch.
    """
    return _Run(seed, switch, nodes).overload(times)


def after_trigger(seed: int, trigger: str, switch: str = "default") -> dict[str, float]:
    """Seconds until goodput is back after something has gone wrong at 70 % of the capacity."""
    return _Run(seed, switch, NODES, durable=trigger == "restarts").trigger(trigger)


def until_as_usual(seed: int, trigger: str, switch: str = "default") -> dict[str, float]:
    """Seconds from the end of a trigger until as much is good as before it (PATIENCE_S: it was not
    in that time), and the part of what began that was good before, in ppm. Some networks have nodes
    with more than their share, which are too busy at 70 % without anything going wrong."""
    return _Run(seed, switch, NODES, durable=trigger == "restarts").recover(trigger)


class _Run:
    def __init__(self, seed: int, switch: str, nodes: int, *, durable: bool = False) -> None:
        self._rng = Random(f"{seed} overload")
        self._world = world = subject.make_world(seed, LINK)
        service = subject.part("sim", "Service")
        world.service = service(message_us=MESSAGE_US)
        if durable:
            world.swarm(nodes, data_dir="disk", durability="buffered")
        else:
            world.swarm(nodes)
        self._requests_per_s = NODE_PER_S * nodes
        ways_in = [node.address for node in world.nodes]
        self._settings = {"service": service(message_us=CLIENT_US), "bootstrap": ways_in}
        self._settings |= SWITCHES[switch] | {"timeout_s": TIMEOUT_S, "max_in_flight": 1 << 30}
        self._clients: list[Any] = []
        self._renew_clients()
        self._keys = [f"key {n}" for n in range(KEYS)]
        for key in self._keys:
            self._clients[0].store(key, value_of(key), timeout_s=5.0)
        self._operations: list[Any] = []
        self._offer(BASE)

    def _offer(self, times: float) -> None:
        """From the next operation on, as many as so many times the capacity."""
        self._rate_per_s = times * self._requests_per_s / MEAN_WORK

    def _renew_clients(self) -> None:
        try:
            made = [self._world.client(connect=False, **self._settings) for _ in range(CLIENTS)]
        except TypeError as error:
            raise NotImplementedError(str(error)) from None
        connecting = [client.start_connect() for client in made]
        self._world.run_until(lambda: all(each.over for each in connecting))
        self._clients = made

    def overload(self, times: int) -> dict[str, float]:
        """At the base load, beyond the capacity, and at the base load again."""
        world = self._world
        self._begin_next()
        world.run(WARM_S)
        self._offer(times)
        world.run(SETTLE_S)
        self._operations.clear()
        sent = self._sent()
        world.run(OVERLOAD_S - SETTLE_S)
        measured = self._operations[:]
        sent = self._sent() - sent
        self._offer(BASE)
        end_ns = world.now_ns
        world.run(AFTER_S)
        world.check()
        good = [each for each in measured if is_good(each)]
        needed = sum(WORK[each.kind] for each in good)
        return {
            "lost_ppm": max(0.0, 1 - needed / (self._requests_per_s * (OVERLOAD_S - SETTLE_S)))
            * 1e6,
            "good_s_p99": p99(good),
            "refused_s_p99": p99([each for each in measured if not is_good(each)]),
            "sent_per_needed": sent / max(1, needed),
            "back_s": self._back_s(self._since(end_ns), end_ns),
        }

    def trigger(self, trigger: str) -> dict[str, float]:
        """At the base load, in which something goes wrong."""
        self._begin_next()
        self._world.run(WARM_S)
        begin_ns = self._pull(trigger)
        self._world.run(AFTER_S)
        self._world.check()
        return {"back_s": self._back_s(self._since(begin_ns), begin_ns)}

    def recover(self, trigger: str) -> dict[str, float]:
        """The same, against what is usual in this network, and for longer."""
        world = self._world
        self._begin_next()
        world.run(WARM_S)
        usual_ns = world.now_ns
        world.run(USUAL_S)
        begun = self._since(usual_ns)
        world.run(TIMEOUT_S)
        usual = sum(map(is_good, begun)) / len(begun)
        begin_ns = self._pull(trigger)
        looked_s = back_s = 0.0
        while back_s >= looked_s and looked_s < PATIENCE_S:
            world.run(AFTER_S)
            looked_s += AFTER_S
            back_s = self._back_s(self._since(begin_ns), begin_ns, looked_s, usual)
        world.check()
        return {"back_s": back_s, "usual_ppm": usual * 1e6}

    def _pull(self, trigger: str) -> int:
        """Have it happen; when it is over."""
        faults = [subject.fault_from(table) for table in TRIGGERS[trigger]]
        for fault in faults:
            self._world.apply(fault)
        if not faults:
            self._renew_clients()
        self._world.run(max((fault.at_s + fault.for_s for fault in faults), default=0.0))
        return int(self._world.now_ns)

    def _since(self, begin_ns: int) -> list[Any]:
        return [each for each in self._operations if each.start_ns >= begin_ns]

    def _begin_next(self) -> None:
        client, key = self._rng.choice(self._clients), self._rng.choice(self._keys)
        if self._rng.random() < STORES:
            self._operations.append(client.start_store(key, value_of(key)))
        else:
            self._operations.append(client.start_retrieve(key))
        self._world.after(self._rng.expovariate(self._rate_per_s), self._begin_next)

    def _sent(self) -> int:
        """Messages of clients so far."""
        return sum(client.machine.counters.messages_out for client in self._clients)

    def _back_s(
        self, operations: list[Any], begin_ns: int, looked_s: float = AFTER_S, usual: float = 1.0
    ) -> float:
        """Until the first slice from which on BACK of the usual part of what begins is good, on the
        whole; `looked_s` if there is none."""
        slices = round((looked_s - TIMEOUT_S) / SLICE_S)
        good, count = [0] * slices, [0] * slices
        for each in operations:
            place = int((each.start_ns - begin_ns) / (SLICE_S * 1e9))
            if place < slices:
                count[place] += 1
                good[place] += is_good(each)
        for first in range(slices - 5):
            if sum(good[first : first + 5]) >= BACK * usual * sum(count[first : first + 5]):
                return first * SLICE_S
        return looked_s


def value_of(key: str) -> bytes:
    """What is stored under it."""
    return key.encode().ljust(SIZE_BYTES, b".")


def is_good(operation: Any) -> bool:
    """Whether it was answered, and that rightly."""
    if not operation.over or isinstance(operation.result, Exception):
        return False
    return operation.kind == "store" or bool(operation.result == value_of(operation.key))


def p99(operations: list[Any]) -> float:
    """Of the seconds that they took; 0 if there are none."""
    taken = sorted(float(each.latency_ns) / 1e9 for each in operations if each.over)
    return taken[int(0.99 * len(taken))] if taken else 0.0
