"""The record promise as code: random schedules of everything that a network goes through, and what
must be true of it then and afterwards (design.md, section 3, points 1 to 6).

The assumptions are in the schedule: one node at a time leaves or is lost, or some join, and all are
ready again before the next change. Stores, deletes and reads go on all the while.
"""

from random import Random
from typing import Any

from msgspec import Struct

from p2pcore.errors import DeadlineError, KeyNotFoundError, QuorumError
from p2pcore.ids import key_of
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.sim.promise import Breach, BrokenPromiseError, judge_read, judge_write
from p2pcore.wire.messages import Message, Put, Store, Stored, StoreMany
from tests.net import HOLD, PASS, Net, Peer

__all__ = ["World", "play"]

TIMEOUT_S = 8


class Write(Struct):
    """One store or delete (`value` None); `version` once it is acknowledged."""

    value: bytes | None
    version: bytes | None = None
    begin_ns: int = 0  # nothing is read before it was begun


class Pending(Struct):
    """An operation without a result. `floor`: the newest version acknowledged before it began."""

    client: Peer
    number: int
    name: str
    write: Write | None
    floor: bytes


class World:
    """A network, its clients, and what they were promised."""

    def __init__(self, seed: int, *, nodes: int = 5, keys: int = 24, **settings: Any) -> None:
        self.rng = Random(seed)
        self.net = Net(seed)
        self.settings = settings
        self.writes: dict[str, list[Write]] = {f"key {n}": [] for n in range(keys)}
        self.pending: list[Pending] = []
        self.size = nodes
        self.begun = self.acked = self.answered = self.failed = 0
        self.net.swarm(nodes, **settings)
        pool_size = settings.get("pool_size", 256)
        self.clients = [self.net.client(pool_size=pool_size) for _ in range(2)]
        self.net.judge = self._slow_some

    def _slow_some(self, source: Peer, target: Peer, message: Message) -> str:
        """Some parts of writes take longer than others, up to a few hundred milliseconds."""
        if isinstance(message, Store | Stored | StoreMany | Put) and self.rng.random() < 0.05:
            self.net.at(self.net.mono_ns + self.rng.randrange(300_000_000), self.net.release)
            return HOLD
        return PASS

    @property
    def alive(self) -> list[Peer]:
        return [node for node in self.net.nodes if node.alive and not node.silent]

    def floor(self, name: str) -> bytes:
        """The newest version of a key that was acknowledged."""
        return max((w.version for w in self.writes[name] if w.version), default=b"")

    # Traffic

    def traffic(self, operations: int, gap_s: float = 0.02) -> None:
        """So many operations begin, at random times; the results of earlier ones are judged."""
        for _ in range(operations):
            self._begin(self.rng.choice(self.clients), self.rng.choice(list(self.writes)))
            self.net.run(self.rng.uniform(0, 2 * gap_s))
            self.collect()

    def _begin(self, client: Peer, name: str) -> None:
        floor = self.floor(name)
        if self.rng.random() < 0.4:
            number = client.read(name, timeout_s=TIMEOUT_S)
            self.pending.append(Pending(client, number, name, None, floor))
            return
        self.begun += 1
        write = Write(b"%d" % self.begun if self.rng.random() < 0.8 else None)
        self.writes[name].append(write)
        number = client.write(name, write.value, timeout_s=TIMEOUT_S)
        self.pending.append(Pending(client, number, name, write, floor))

    def collect(self) -> None:
        """Judge what has been answered by now."""
        done = [each for each in self.pending if each.number in each.client.results]
        self.pending = [each for each in self.pending if each.number not in each.client.results]
        for each in done:
            result: Any = each.client.results.pop(each.number)
            if isinstance(result, DeadlineError | QuorumError):
                self.failed += 1
            elif each.write is not None:
                if isinstance(result, Exception):
                    raise BrokenPromiseError(
                        Breach.OPERATIONS, f"writing {each.name} gave {result!r}"
                    )
                self.acked += 1
                each.write.version = result.version
                self._raise(judge_write(result.version, each.floor), each.name, "an older version")
            else:
                self._judge(each.name, result, each.floor)

    def _judge(self, name: str, result: Any, floor: bytes, *, last: bool = False) -> None:
        """A read gives the newest write acknowledged before it began, or a later one."""
        self.answered += 1
        if isinstance(result, KeyNotFoundError):
            result = None
        writes = {write.value: write for write in self.writes[name] if write.value is not None}
        deletes = [write for write in self.writes[name] if write.value is None]
        breach = judge_read(result, writes, deletes, floor, end_ns=self.net.mono_ns, last=last)
        self._raise(breach, name, f"it reads as {result!r}")

    def _raise(self, breach: Breach | None, name: str, text: str) -> None:
        if breach is not None:
            raise BrokenPromiseError(breach, f"{name}: {text} at {self.net.mono_ns}")

    # Changes of the membership

    def change(self) -> None:
        """One node leaves or is lost, or some join, in the midst of traffic; then all settle."""
        kinds = [self.join] + [self.crash, self.leave] * (len(self.alive) > 4)
        if len(self.alive) > self.size + 4:
            kinds = [self.crash, self.leave]
        self.rng.choice(kinds)()
        self.traffic(self.rng.randrange(30))
        self.settle()

    def join(self) -> None:
        """Newcomers take nothing away from anybody until they have it: several may come at once."""
        entries = [self.rng.choice(self.alive) for _ in range(self.rng.randrange(1, 4))]
        joining = []
        for entry in entries:
            node = self.net.node(join=False, bootstrap=[entry.address], **self.settings)
            joining.append((node, node.join()))
            self.traffic(self.rng.randrange(4), 0.002)
        for node, number in joining:
            node.result(number)

    def crash(self) -> None:
        self.net.kill(self.rng.choice(self.alive))

    def leave(self) -> None:
        self.net.leave(self.rng.choice(self.alive))

    def settle(self, limit_s: float = 60) -> None:
        """The assumption: the next change comes when all are ready again."""
        self.net.run_until(self.settled, limit_s)

    def settled(self) -> bool:
        """Whether everybody knows of everybody who is there, and of nobody else, and is ready. In
        larger networks two that are farthest from each other may never be told of each other."""
        size = min(len(self.alive), BUCKET_SIZE) - 1
        there = {node.address for node in self.alive}
        return all(
            node.machine.table.size >= size
            and node.machine.ownership.settled
            and all(contact.address in there for contact in node.machine.table.contacts())
            for node in self.alive
        )

    # The end

    def finish(self, *, dropped_by_s: float = 90) -> None:
        """Wait for what is in flight, let the network converge, and look at everything."""
        self.net.run_until(lambda: (self.collect(), not self.pending)[1])
        self.net.judge = lambda *_: PASS
        self.net.release()
        self.settle()
        self.net.run(dropped_by_s)
        for name, writes in self.writes.items():
            self._look_at(name, writes)
        if not all(node.machine.ownership.settled for node in self.alive):
            raise BrokenPromiseError(Breach.CONVERGENCE, "not everybody is ready")
        self.net.check()
        if self.failed * 20 > self.begun + self.answered:
            text = f"{self.failed} operations failed, {self.acked} writes did not"
            raise BrokenPromiseError(Breach.AVAILABILITY, text)

    def _look_at(self, name: str, writes: list[Write]) -> None:
        """Each key is on its N closest nodes, nowhere else, in one version, which is no older
        than the newest acknowledged one."""
        floor = self.floor(name)
        closest = self.net.replicas(name)
        held = {node: node.machine.store.version(key_of(name)) for node in self.alive}
        versions = {held[node] for node in closest}
        if floor and (None in versions or min(versions) < floor):
            text = f"{name}: {floor.hex()} was acknowledged, there is {held}"
            raise BrokenPromiseError(Breach.LOST, text)
        if len(versions) > 1:
            raise BrokenPromiseError(Breach.CONVERGENCE, f"{name}: the replicas differ: {held}")
        if any(version and node not in closest for node, version in held.items()):
            text = f"{name}: held by others than its replicas: {held}"
            raise BrokenPromiseError(Breach.CONVERGENCE, text)
        if floor:
            read = self.clients[0].read(name)
            self.net.run_until(lambda: read in self.clients[0].results)
            self._judge(name, self.clients[0].results.pop(read), floor, last=True)


def play(seed: int, *, nodes: int = 5, changes: int = 6, **settings: Any) -> World:
    """One random schedule, from a swarm to its end."""
    world = World(seed, nodes=nodes, **settings)
    world.traffic(40)
    for _ in range(changes):
        world.change()
        world.traffic(world.rng.randrange(20))
    world.finish()
    return world
