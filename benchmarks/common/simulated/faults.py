"""What each kind of fault does to a small simulated network and its clients.

Twelve nodes in one place, N=3, W=R=2, and two clients that store and retrieve at a fixed rate, one
after the other, whatever becomes of it. The same seed without a fault is the *calm* run. A read is
*stale* if it has something older than what was acknowledged before it began, or nothing; such reads
are counted. In the end every record must have its last acknowledged value, or a later one:
otherwise the scenario raises. Half of the records are written once only, so that a loss stays one.

Rule: one world per call, made from its seed; plain numbers come out.
"""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.sampling import QUICK

__all__ = ["FAULTS", "calm", "fault"]

NODES = 12
KEYS = 40
REWRITTEN = 20  # of these
SIZE_BYTES = 1024
RATE_PER_S = 20  # every other one a retrieve
SETTLE_S = 3.0
PLAY_S = 20.0 if QUICK else 40.0
"""From the beginning of the fault; all recoveries but the longest are well within 40 s."""
READY_LIMIT_S = 300.0
LOOK_S = 0.1  # between looks at who is ready
LINK = {
    "latency_us": 50,
    "jitter_us": 20,
    "up_kbps": 1_000_000,
    "down_kbps": 1_000_000,
}

FAULTS: dict[str, dict[str, Any]] = {
    "partition": {"fault": "partition", "share": 0.25, "for_s": 15},
    "crash": {"fault": "crash", "for_s": 10},
    "power_loss": {"fault": "crash", "power": True, "for_s": 15},
    "pause": {"fault": "pause", "for_s": 8},
    "slow_node": {"fault": "slowness", "times": 1000, "for_s": 15},
    "exhaustion": {"fault": "exhaustion", "for_s": 15},
    "clock_jump": {"fault": "clock-jump", "jump_ms": 60_000, "for_s": 15},
    "churn": {"fault": "churn", "session_s": 120, "for_s": 20},
    "flash_crowd": {"fault": "flash-crowd", "count": 12, "for_s": 1},
}
"""By name, as the simulator takes them; each begins at once."""


def calm(seed: int) -> dict[str, float]:
    """The traffic of a run in which nothing goes wrong."""
    return _Run(seed).play(None)


def fault(name: str, seed: int) -> dict[str, float]:
    """The figures of a run with the fault of that name, from its beginning on.

    `recovery_s` counts from the end of the fault until all nodes are ready and no operation that
    begins later fails; `unavailable_s` adds up the times from the start of an operation that fails
    to the start of the next one that does not.

    Raises:
        AssertionError: an acknowledged record was lost, or a value was read that was not written.
        KeyNotFoundError: one was lost, by a look at the end.
    """
    return _Run(seed).play(FAULTS[name])


class _Run:
    def __init__(self, seed: int) -> None:
        self._rng = Random(f"{seed} chaos")
        self._world = subject.make_world(seed, LINK)
        self._world.swarm(NODES)
        self._clients = [self._world.client() for _ in range(2)]
        self._writes: dict[str, list[Any]] = {}  # by key, as they were started
        self._newest: dict[str, Any] = {}  # by key, the acknowledged one with the highest version
        self._operations: list[Any] = []
        self._stale = 0
        for n in range(KEYS):
            self._store(f"r{n}")
        self._world.run(SETTLE_S)

    def play(self, table: dict[str, Any] | None) -> dict[str, float]:
        """Let the fault happen, and see what becomes of the network."""
        world = self._world
        assert not any(each.failed for each in self._operations), "it began with failures"
        self._operations.clear()
        begin_ns, size = world.now_ns, subject.traffic(world).size_bytes
        if table is not None:
            world.apply(subject.fault_from(table))
        end_ns = begin_ns + round((table or {}).get("for_s", 0) * 1e9)
        unready_ns = self._work(begin_ns)
        size = subject.traffic(world).size_bytes - size
        unready_ns = max(unready_ns, self._until_ready())
        failed_ns = max((each.start_ns for each in self._operations if each.failed), default=0)
        self._look_for_losses()
        world.check()
        return {
            "recovery_s": max(0, unready_ns - end_ns, failed_ns - end_ns) / 1e9,
            "unavailable_s": self._unavailable_ns() / 1e9,
            "failed": sum(1 for each in self._operations if each.failed),
            "stale": self._stale,
            "lost": 0,  # or the look at the end has raised
            "bytes": size,
        }

    def _work(self, begin_ns: int) -> int:
        """The fixed workload; returns when somebody was last seen not to be ready."""
        world, unready_ns = self._world, 0
        for step in range(round(PLAY_S * RATE_PER_S)):
            if step % 2:
                self._store(f"r{self._rng.randrange(REWRITTEN)}")
            else:
                self._retrieve(f"r{self._rng.randrange(KEYS)}")
            world.run(1 / RATE_PER_S)
            if not self._all_ready():
                unready_ns = world.now_ns
        return unready_ns

    def _until_ready(self) -> int:
        """Returns when somebody was last seen not to be ready, 0 if all are."""
        world, unready_ns = self._world, 0
        limit_ns = world.now_ns + round(READY_LIMIT_S * 1e9)
        while not (self._all_ready() and all(each.over for each in self._operations)):
            unready_ns = world.now_ns if not self._all_ready() else unready_ns
            assert world.now_ns < limit_ns, f"not all are ready after {READY_LIMIT_S:.0f} s"
            world.run(LOOK_S)
        return unready_ns

    def _all_ready(self) -> bool:
        return all(node.is_ready for node in self._world.nodes if node.alive)

    def _unavailable_ns(self) -> int:
        total_ns, since_ns = 0, None
        for each in self._operations:  # in the order of their starts
            if each.failed and since_ns is None:
                since_ns = each.start_ns
            elif not each.failed and since_ns is not None:
                total_ns += each.start_ns - since_ns
                since_ns = None
        if since_ns is not None:
            total_ns += self._world.now_ns - since_ns
        return total_ns

    def _store(self, key: str) -> None:
        writes = self._writes.setdefault(key, [])

        def acknowledged(write: Any) -> None:
            if not write.failed and not (key in self._newest and _older(write, self._newest[key])):
                self._newest[key] = write

        value = _value(key, len(writes))
        writes.append(self._clients[0].start_store(key, value, then=acknowledged))
        self._operations.append(writes[-1])

    def _retrieve(self, key: str) -> None:
        newest = self._newest[key]

        def answered(operation: Any) -> None:
            if operation.failed and subject.failure(operation.result) == "absent":
                self._stale += 1
            elif not operation.failed:
                self._stale += _older(self._write(key, operation.result), newest)

        self._operations.append(self._clients[1].start_retrieve(key, then=answered))

    def _look_for_losses(self) -> None:
        """Read every record, by a client that has just come."""
        client = self._world.client()
        for key, newest in self._newest.items():
            write = self._write(key, client.retrieve(key))
            assert not _older(write, newest), (
                f"{key}: {newest.result} was lost, {write.result} left"
            )

    def _write(self, key: str, value: bytes) -> Any:
        """The write that this value is from."""
        number = int.from_bytes(value[:8], "big")
        assert value == _value(key, number), f"{key}: {value[:40]!r} was never written"
        assert number < len(self._writes[key]), f"{key}: there was no write {number} yet"
        return self._writes[key][number]


def _older(write: Any, acknowledged: Any) -> bool:
    """Whether a write comes before one that was acknowledged. Versions decide; one that failed, or
    is under way, may have happened at any time up to its end."""
    if write.over and not write.failed:
        return subject.version_of(write.result) < subject.version_of(acknowledged.result)
    return bool(write.over and write.end_ns < acknowledged.start_ns)


def _value(key: str, number: int) -> bytes:
    return (number.to_bytes(8, "big") + key.encode()).ljust(SIZE_BYTES, b".")
