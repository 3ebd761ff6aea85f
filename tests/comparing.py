"""What it costs to find out what differs: `python -m tests.comparing [RECORDS [WRITES]]`.

Real machines in virtual time, two nodes that share all records. Counted are the frames of one
session of one node with the other, but for those that bring records: bytes, questions of each kind,
and round trips, which are kinds of questions that depend on each other's answers. With WRITES:
what it costs a node of eight to come back with its records, after a minute of so many writes.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random

from p2pcore.ids import Key
from p2pcore.storage.memory import Record
from p2pcore.versions import Version
from p2pcore.wire import messages as m
from p2pcore.wire.codec import encode_frame
from tests.net import PASS, Net, Peer

__all__ = ["QUESTIONS", "Cost", "Pair"]

QUESTIONS = {
    m.Survey: m.Surveyed,
    m.Sum: m.Summed,
    m.Sketch: m.Sketched,
    m.Resolve: m.Heads,
    m.Recent: m.Heads,
    m.ListKeys: m.Listed,
    m.Draw: m.Drawn,
    m.FetchMany: m.FoundMany,
}
FINDING = (m.Survey, m.Sum, m.Sketch, m.Resolve, m.Recent, m.ListKeys)
RECORDS = (m.Drawn, m.FoundMany)
SETTINGS = {
    "replication_factor": 2,
    "write_quorum": 2,
    "read_quorum": 1,
    "max_store_bytes": 1 << 40,
}


@dataclass
class Cost:
    """Of one session."""

    size_bytes: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def rounds(self) -> int:
        """Kinds of questions that were needed to know what is wanted."""
        return sum(self.asked[kind.__name__] > 0 for kind in FINDING)


class Pair:
    """Two nodes with the same records.

    Args:
        records: so many.
        seed: of the versions.
    """

    def __init__(self, records: int, seed: int = 0) -> None:
        self.net = Net(seed)
        self.asker, self.other = self.net.swarm(2, repair_bytes_per_s=1 << 30, **SETTINGS)
        self.rng = Random(seed)
        self.keys = [Key(sha256(number.to_bytes(4)).digest()) for number in range(records)]
        written_ms = self.asker.now.wall_ms - 3_600_000
        for key in self.keys:
            self.put(key, self.version(written_ms), self.asker, self.other)
        self.settle()

    def version(self, wall_ms: int) -> Version:
        """One that was made then."""
        return Version((wall_ms << 16).to_bytes(8) + self.rng.randbytes(8))

    def put(self, key: Key, version: Version, *peers: Peer, value: bytes | None = b"v") -> None:
        for peer in peers:
            peer.machine.store.put(key, Record(version, value, 0), peer.now.wall_ms)

    def settle(self) -> None:
        """Until the other node has compared as well, and knows by which members."""
        self.session()
        for peer in (self.other, self.asker):
            peer.machine.store.tally(1 << 30)

    def differ(self, count: int) -> list[Key]:
        """The asker has missed so many writes of the last seconds."""
        chosen = self.rng.sample(self.keys, count)
        for key in chosen:
            self.put(key, self.version(self.asker.now.wall_ms), self.other)
        return chosen

    def forget(self) -> None:
        """The asker does not know when it last had everything."""
        self.asker.machine._sync.context._compared_ms.clear()

    def session(
        self,
        before: Callable[[], None] = lambda: None,
        heard: Callable[[m.Message], None] = lambda message: None,
    ) -> Cost:
        """What one session of the asker costs; it hears these answers."""
        cost = Cost()
        asker, other, net = self.asker, self.other, self.net

        def judge(source: Peer, target: Peer, message: m.Message) -> str:
            kind = type(message)
            if source is asker and target is other and kind in QUESTIONS:
                cost.size_bytes += len(encode_frame(message))
                cost.asked[kind.__name__] += 1
            elif source is other and kind in QUESTIONS.values():
                heard(message)
                cost.size_bytes += 0 if kind in RECORDS else len(encode_frame(message))
            return PASS

        sync = asker.machine._sync
        syncs = asker.machine.counters.syncs
        before()
        net.judge = judge
        asker.tell(lambda now: sync.membership_changed(now, returned=True))
        net.run_until(lambda: asker.machine.counters.syncs > syncs, 600)
        net.judge = lambda *_: PASS
        return cost

    @property
    def differs(self) -> int:
        """How many records the asker has in another version, or not at all."""
        ours, theirs = self.asker.machine.store, self.other.machine.store
        return sum(ours.version(key) != theirs.version(key) for key in self.keys)


@dataclass
class Return:
    """What it cost a node to come back with its records."""

    missed: int
    cost: Cost
    ready_s: float
    pulled: int


def absence(records: int, writes: int, *, seconds: int = 60, nodes: int = 8) -> Return:
    """A node of several with disks goes for a while, in which so many records are written, and
    comes back with its own."""
    net, rng = Net(1), Random(1)
    swarm = net.swarm(nodes, disk=True, repair_bytes_per_s=1 << 30, max_store_bytes=1 << 40)
    keys = [Key(sha256(number.to_bytes(4)).digest()) for number in range(records)]

    def write(key: Key, wall_ms: int) -> list[Peer]:
        version = Version((wall_ms << 16).to_bytes(8) + rng.randbytes(8))
        point = int.from_bytes(key)
        alive = [peer for peer in net.nodes if peer.alive]
        nearest = sorted(alive, key=lambda peer: peer.machine.table.point ^ point)[:3]
        for peer in nearest:
            peer.machine.store.put(key, Record(version, b"v", 0), peer.now.wall_ms)
            peer.pump()
        return nearest

    for key in keys:
        write(key, swarm[0].now.wall_ms - 3_600_000)
    net.run(40)
    gone = swarm[-1]
    mine = {key for key in keys if gone.machine.store.version(key) is not None}
    net.kill(gone)
    written = set()
    for _ in range(seconds):
        for key in rng.choices(keys, k=writes // seconds):
            write(key, swarm[0].now.wall_ms)
            written.add(key)
        net.run(1)
    cost, begun_ns = Cost(), net.mono_ns
    back: list[Peer] = []

    def judge(source: Peer, target: Peer, message: m.Message) -> str:
        kind = type(message)
        if kind in QUESTIONS and source not in swarm[:-1]:
            cost.size_bytes += len(encode_frame(message))
            cost.asked[kind.__name__] += 1
        elif kind in QUESTIONS.values() and target not in swarm[:-1] and kind not in RECORDS:
            cost.size_bytes += len(encode_frame(message))
        return PASS

    net.judge = judge
    back.append(net.node(back=gone, repair_bytes_per_s=1 << 30, max_store_bytes=1 << 40))
    [node] = back
    net.run_until(lambda: node.machine.ownership.settled, 120)
    net.judge = lambda *_: PASS
    newest = {key: max(p.machine.store.version(key) or b"" for p in swarm[:-1]) for key in mine}
    stale = sum(node.machine.store.version(key) != newest[key] for key in mine)
    assert not stale, f"{stale} of {len(mine)} records are not the newest"
    ready_s = (net.mono_ns - begun_ns) / 1e9
    return Return(len(written & mine), cost, ready_s, node.machine.counters.records_pulled)


def main(records: int) -> None:
    """Print the costs by differences."""
    pair = Pair(records)
    print(f"{records:,} records; bytes both ways, records not counted")
    for count in (0, 1, 10, 100, 1000, 10_000):
        if count > records:
            continue
        for what in ("by sums", "by what was written") if count >= 1000 else ("by sums",):
            pair.differ(count)
            cost = pair.session(pair.forget if what == "by sums" else lambda: None)
            print(
                f"{count:7,} differ, {what}: {cost.size_bytes:9,} B, {cost.rounds} rounds, "
                f"{pair.differs} differ still; {dict(cost.asked)}",
                flush=True,
            )


if __name__ == "__main__":
    match [int(argument) for argument in sys.argv[1:]]:
        case [records, writes]:  # while a node of eight is away
            print(absence(records, writes))
        case [records]:
            main(records)
        case _:
            main(20_000)
