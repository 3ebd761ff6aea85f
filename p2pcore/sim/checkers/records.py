"""What readers and writers are told, and what the replicas hold.

- A read gives a value that was written to that key, and none older than the newest write that was
  acknowledged before the read began; a deleted record stays deleted (*stale*, *false
  not-found*, *invented*; *lost*, once all is over).
- An acknowledged write is the newest of its key (or *overtaken*), and W nodes hold it (*quorum*);
  of nodes that have disks, W have it there for good (*durability*).
- Of those that count as ready, fewer than R lack what was acknowledged (*readiness*).
- Who drops a record drops one that N others hold (*ownership*).
- What a read has given, R replicas hold soon afterwards (*read repair*).
"""

from typing import NamedTuple

from p2pcore.contact import point_of
from p2pcore.errors import KeyNotFoundError, P2PError
from p2pcore.replication.operations import StoreReceipt
from p2pcore.replication.ownership import Standing
from p2pcore.sim.checkers.assumptions import Assumptions
from p2pcore.sim.checkers.contents import Offsets
from p2pcore.sim.checkers.history import KeyHistory, Write
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.promise import Breach, BrokenPromiseError, judge_read, judge_write
from p2pcore.sim.world import World

__all__ = ["Records"]

REPAIR_NS = 1_000_000_000  # after a read; a repair is one message to a node that has just answered
CALM_NS = 2_000_000_000  # without faults before a read from which a repair can be expected
CLOCKS_MS = 1000  # clocks of clients are off as well, by up to 20 s of the 30 s that are tolerated
TOLERANCE_MS = 1000  # of ends, where clocks agree: they drift, and operations take their time
STORE = frozenset(("store", "delete", "store_many"))
READ = frozenset(("retrieve", "retrieve_many"))


class _Begun(NamedTuple):
    """What was so when an operation began, for one of its keys."""

    history: KeyHistory
    write: Write | None
    floor: bytes
    leniences: int
    judged: bool  # reads of the key were held against its floor


class Records:
    """Judges every operation of a world on the keys that it is given.

    Args:
        world: its operations are observed.
        histories: by the names that the workload uses.
        assumptions: whether the promise applies.
        quorums: N, W and R.
        offsets: how far clocks are off: expiry is judged no more finely.
    """

    def __init__(
        self, world: World, histories: dict[str, KeyHistory], assumptions: Assumptions,
        quorums: tuple[int, int, int], offsets: Offsets,
    ) -> None:  # fmt: skip
        self._world = world
        self._histories = histories
        self._assumptions = assumptions
        self._replicas, self._writes, self._reads = quorums
        self._offsets = offsets
        self._begun: dict[SimOperation, list[_Begun]] = {}
        self._held: dict[KeyHistory, dict[tuple[SimNode, int], bytes]] = {}
        self._disturbed_ns = 0
        self.settled = False
        """Whether all is over and has healed: what is not as it was acknowledged is lost."""
        self.ttl_s: dict[bytes, float] = {}
        """How long values are to be kept; told before they are stored. Others: for ever."""
        self.acknowledged = self.read = self.failed = 0
        world.on_start.append(self._started)
        world.on_operation.append(self._over)

    @property
    def pending(self) -> list[SimOperation]:
        """Operations whose clients are alive and wait."""
        return [operation for operation in self._begun if operation.process.alive]

    @property
    def items_in_flight(self) -> int:
        """The same, items of batches counted one by one."""
        return sum(
            len(begun) for operation, begun in self._begun.items() if operation.process.alive
        )

    def scattered(self, history: KeyHistory) -> str | None:
        """Why a key is not on its replicas in one version, and nowhere else."""
        replicas = self._assumptions.replicas(history)
        held = {node: node.machine.store.version(history.key) for node in self._alive()}
        if len({held[node] for node in replicas}) > 1:
            return f"the replicas of {history.name} differ"
        others = [node for node, version in held.items() if version and node not in replicas]
        return f"{history.name} is still on {others}, no replicas of it" if others else None

    # Operations

    def _started(self, operation: SimOperation) -> None:
        if operation.kind in STORE or operation.kind in READ:
            self._begun[operation] = [
                self._begin(operation, str(name), value) for name, value in _items(operation)
            ]

    def _begin(self, operation: SimOperation, name: str, value: bytes | None) -> _Begun:
        history, now_ns, write = self._histories[name], self._world.now_ns, None
        if operation.kind in STORE:
            ttl_s = self.ttl_s.get(value) if value is not None else None
            end_ns = None if ttl_s is None else now_ns + round(ttl_s * 1e9)
            if end_ns is not None:  # it is reckoned by the writer's clock
                end_ns += operation.process.clock.wall_offset_ms * 1_000_000
            write = Write(value, now_ns, end_ns)
            history.begin(write)
        return _Begun(
            history, write, history.floor, history.leniences,
            history.lenient is None and self._assumptions.promised,
        )  # fmt: skip

    def _over(self, operation: SimOperation) -> None:
        begun = self._begun.pop(operation, None)
        if begun is None:
            return
        self._assumptions.look()
        result = operation.result
        results = result if isinstance(result, list) else [result] * len(begun)
        for each, outcome in zip(begun, results, strict=True):
            name = (
                f"{operation.process} {each.write or 'read'} since {operation.start_ns / 1e9:.6f}"
            )
            each.history.tell(self._world.now_ns, f"{name}: {_words(outcome)}")
            if isinstance(outcome, P2PError) and not isinstance(outcome, KeyNotFoundError):
                self.failed += 1
            elif isinstance(outcome, StoreReceipt):
                self.acknowledged += 1
                self._judge_receipt(each, outcome, operation)
            elif each.write is None:
                self.read += 1
                self._judge_read(each, outcome if isinstance(outcome, bytes) else None, operation)
            else:
                self._broken(Breach.OPERATIONS, each.history, f"a write ended with {outcome!r}")

    def _applies(self, begun: _Begun) -> bool:
        history = begun.history
        return begun.judged and history.lenient is None and begun.leniences == history.leniences

    def _judge_receipt(self, begun: _Begun, receipt: StoreReceipt, operation: SimOperation) -> None:
        history, write, version = begun.history, begun.write, receipt.version
        assert write is not None
        breach = judge_write(version, begun.floor) if self._applies(begun) else None
        if breach is not None:
            text = f"{write} got version {version.hex()}, no newer than {begun.floor.hex()}"
            self._broken(breach, history, f"{text}, which was acknowledged before it began")
        unchanged = self._assumptions.changed_ns < operation.start_ns and self._assumptions.promised
        if unchanged and history.floor < version:
            holders = self._holders(history, version)
            if len(holders) < self._writes:
                text = f"{write} is acknowledged and held by {holders}: W is {self._writes}"
                self._broken(Breach.QUORUM, history, text)
            self._judge_disks(history, version, f"{write} is acknowledged and")
        history.acknowledge(write, version)

    def _judge_disks(self, history: KeyHistory, version: bytes, text: str) -> None:
        """W nodes have this on their disks; those that have none keep it in memory."""
        nodes = self._world.nodes
        kept = [n for n in nodes if n.disk is not None and n.disk.version(history.key) >= version]
        kept += [n for n in self._holders(history, version) if n.disk is None]
        if len(kept) < self._writes:
            self._broken(
                Breach.DURABILITY, history, f"{text} on disk at {kept}: W is {self._writes}"
            )

    def _judge_read(self, begun: _Begun, value: bytes | None, operation: SimOperation) -> None:
        history, now_ns = begun.history, self._world.now_ns
        write = None if value is None else history.by_value.get(value)
        floor, ends, ended = None, [], False
        if self._applies(begun):
            tolerance_ns = (self._offsets.look() + TOLERANCE_MS) * 1_000_000
            floor = begun.floor
            ends = [w for w in history.writes if w.value is None or w.ends(now_ns, tolerance_ns)]
            ended = write is not None and write.ended(operation.start_ns, tolerance_ns)
        breach = judge_read(value, history.by_value, ends, floor, end_ns=now_ns, last=self.settled)
        if ended:
            breach = Breach.STALE
        if breach is not None:
            what = "nothing" if value is None else repr(value)
            text = f"{operation.process} reads {what}"
            if breach is not Breach.INVENTED:
                text += f", after {begun.floor.hex()} was acknowledged"
            self._broken(breach, history, text)
        if write is not None:
            self._expect_repair(history, write, operation)

    # Repair by reads

    def _expect_repair(self, history: KeyHistory, write: Write, operation: SimOperation) -> None:
        held = [node.machine.store.get(history.key, node.now.wall_ms) for node in self._alive()]
        versions = [each.version for each in held if each and each.value == write.value]
        if versions:
            version, start_ns = min(versions), operation.start_ns
            self._world.engine.at(
                self._world.now_ns + REPAIR_NS, self._look_at_repair, history, version, start_ns
            )

    def _look_at_repair(self, history: KeyHistory, version: bytes, start_ns: int) -> None:
        assumptions, calm_ns = self._assumptions, start_ns - CALM_NS
        assumptions.look()
        if max(assumptions.changed_ns, self._disturbed_ns) > calm_ns or not assumptions.promised:
            return
        holders = self._holders(history, version)
        if len(holders) < self._reads and assumptions.unsettled() is None:
            text = f"a read gave version {version.hex()}, {REPAIR_NS / 1e9:g} s later it is held by"
            self._broken(Breach.READ_REPAIR, history, f"{text} {holders}: R is {self._reads}")

    # What is held, looked at regularly

    def look(self) -> None:
        """Look at what every node holds of every key."""
        assumptions = self._assumptions
        if assumptions.disturbance() or assumptions.sluggish or self._clocks_differ():
            self._disturbed_ns = self._world.now_ns
        for history in self._histories.values():
            self._look_at_drops(history)
            if history.lenient is None and self._assumptions.promised:
                self._look_at_readiness(history)

    def _clocks_differ(self) -> bool:
        """True if a replica may refuse a version that is ahead of its clock."""
        return any(abs(node.clock.wall_offset_ms) > CLOCKS_MS for node in self._alive())

    def _look_at_readiness(self, history: KeyHistory) -> None:
        floor = history.held_floor(self._world.now_ns, self._assumptions.grace_ns)
        if not floor:
            return
        lacking = []
        for node in self._assumptions.replicas(history):
            machine = node.machine
            ready = machine.ownership.standing(history.point) is Standing.READY
            if ready and (machine.store.version(history.key) or b"") < floor:
                lacking.append(node)
        if len(lacking) >= self._reads:
            text = f"{lacking} count as ready and lack {floor.hex()}: a quorum of R={self._reads}"
            self._broken(Breach.READINESS, history, f"{text} would not find it")

    def _look_at_drops(self, history: KeyHistory) -> None:
        before = self._held.get(history, {})
        now: dict[tuple[SimNode, int], bytes] = {}
        for node in self._alive():
            version = node.machine.store.version(history.key)
            if version is not None:
                now[node, node.lives] = bytes(version)
        self._held[history] = now
        if len(now) >= len(before) and now.keys() >= before.keys():
            return
        floor = history.held_floor(self._world.now_ns, self._assumptions.grace_ns)
        for (node, life), held in before.items():
            dropped = (node, life) not in now and node.alive and node.lives == life
            if dropped and held >= floor and floor and self._assumptions.promised:
                self._judge_drop(history, node, held)

    def _judge_drop(self, history: KeyHistory, node: SimNode, version: bytes) -> None:
        history.tell(self._world.now_ns, f"{node} drops version {version.hex()}")
        point = history.point
        distance = point_of(node.node_id) ^ point
        held = self._held[history]
        closer = [
            each for (each, _), other in held.items()
            if other >= version and point_of(each.node_id) ^ point < distance
            and (each.disk is None or each.disk.version(history.key) >= version)
        ]  # fmt: skip
        lost = self._world.now_ns - self._assumptions.changed_ns < REPAIR_NS
        if len(closer) < self._replicas and not lost:
            text = f"{node} has dropped version {version.hex()}; of those closer, {closer} hold it"
            self._broken(Breach.OWNERSHIP, history, f"{text}: N is {self._replicas}")

    def _alive(self) -> list[SimNode]:
        return [node for node in self._world.nodes if node.alive]

    def _holders(self, history: KeyHistory, version: bytes) -> list[SimNode]:
        key = history.key
        return [n for n in self._alive() if (n.machine.store.version(key) or b"") >= version]

    def _broken(self, breach: Breach, history: KeyHistory, text: str) -> None:
        held = {node: node.machine.store.version(history.key) for node in self._alive()}
        holders = ", ".join(f"{node} {version.hex()}" for node, version in held.items() if version)
        replicas = self._assumptions.replicas(history)
        story = [*history.story, f"replicas {replicas}, held by {holders or 'nobody'}"]
        raise BrokenPromiseError(breach, f"{history.name}: {text}", story)


def _items(operation: SimOperation) -> list[tuple[object, bytes | None]]:
    if operation.kind == "store_many":
        assert isinstance(operation.value, dict)
        return list(operation.value.items())
    names = operation.key if isinstance(operation.key, list) else [operation.key]
    value = operation.value if isinstance(operation.value, bytes) else None
    return [(name, value) for name in names]


def _words(outcome: object) -> str:
    if isinstance(outcome, StoreReceipt):
        return f"acknowledged, version {outcome.version.hex()}"
    return f"{outcome!r}"
