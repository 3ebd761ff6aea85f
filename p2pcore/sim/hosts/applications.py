"""What users of a world hold: nodes, clients, and the operations that they start.

A call without `start_` in its name lets virtual time pass until it has its result, and raises what
the same call on sockets would raise. One with `start_` returns an `Operation` at once, so that any
number can be in flight; `then` is called with it when it is over.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from p2pcore.client import Client
from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.contact import Contact, point_of
from p2pcore.effects import Instant, Persist, Recall
from p2pcore.errors import BusyError, ClosedError, ConfigError
from p2pcore.ids import NodeId, key_of
from p2pcore.node import Node
from p2pcore.overlay.lookup import Lookup
from p2pcore.replication.operations import StoreReceipt
from p2pcore.requests import (
    PAGE_NAMES,
    Name,
    NamesAhead,
    budget_ns,
    checked_value,
    lifetime_ms,
    listed_name,
    listed_names,
    receipts_of,
    room_for_one,
    values_of,
)
from p2pcore.sim.hosts.disk import Disk, DiskProfile
from p2pcore.sim.hosts.operations import SimOperation, SimProcess, Then
from p2pcore.sim.streams import Stream, streams_of
from p2pcore.storage.memory import Record
from p2pcore.storage.store import Saved

__all__ = ["LookupReport", "SimClient", "SimNode"]


@dataclass(frozen=True)
class LookupReport:
    """What one lookup found, and what it took."""

    closest: list[NodeId]
    """Nearest first."""
    hops: int
    """The longest chain of dependent requests until the closest was first heard of."""
    duration_ns: int


class SimNode(SimProcess):
    """A node of the simulated network."""

    machine: Node
    config: CoordinatorConfig
    identity: NodeId
    lives = 0  # processes so far
    byzantine = ""  # its behaviour, unless it is honest: see `byzantine.py`
    disk: Disk | None = None  # of its machine, where it has a `data_dir`
    disk_profile = DiskProfile()

    def boot(self, config: CoordinatorConfig) -> None:
        """A new process, with nothing in its memory but what is on its disk."""
        self.config = config
        seed, life = self.environment.seed, f"{self.name}/{self.lives}" if self.lives else self.name
        kept = config.durability != "memory"
        self.machine = Node(config, self.identity, streams_of(seed, life), disk=kept)
        if kept:
            self._bring_back(self.machine)
        self.machine.open(config.advertise or self.address)
        self.dial_timeout_ns = round(config.handshake_timeout_s * 1e9)
        self.alive, self.silent, self.accepts, self.byzantine = True, False, True, ""
        self.lives += 1

    def _bring_back(self, machine: Node) -> None:
        """What is on the disk is in the machine. What is too old is thrown away, as by an
        operator who is told to."""
        if self.disk is None:
            rng = Stream(f"{self.environment.seed}/{self.name}/disk")
            self.disk = Disk(self._engine, rng, self.disk_profile)
        journal, said = machine.journal, partial(self._said, machine)
        assert journal is not None
        journal.restore(self.disk.open(said, partial(self._found, machine)), self.now)
        try:
            journal.open(self.now)
        except ConfigError:
            self.disk.wipe()
            self.machine = Node(self.config, self.identity, streams_of(self.environment.seed,
                                f"{self.name}/{self.lives}"), disk=True)  # fmt: skip
            self._bring_back(self.machine)

    def persist(self, wanted: Persist | Recall) -> None:
        """Write a change to disk, or read it back."""
        assert self.disk is not None
        if isinstance(wanted, Persist):
            self.disk.write(wanted)
        else:
            self.disk.read(wanted)

    def _found(self, machine: Node, row: int, saved: Saved | None) -> None:
        """The disk has read something: the process sees it when it has time."""
        if self.is_busy:
            self.enqueue(self._see, (machine, row, saved))
        else:
            self._see((machine, row, saved))

    def _see(self, found: tuple[Node, int, Saved | None], _: None = None, __: None = None) -> None:
        machine, row, saved = found
        journal = machine.journal
        if journal is not None and self.runs(machine):
            self.tell(lambda now: journal.recalls.recalled(row, saved, now))

    def _said(self, machine: Node, what: str, number: int, why: str) -> None:
        """The disk has done something: the process hears of it when it has time."""
        if self.is_busy:
            self.enqueue(self._hear, (machine, what, number, why))
        else:
            self._hear((machine, what, number, why))

    def _hear(self, said: tuple[Node, str, int, str], _: None = None, __: None = None) -> None:
        machine, what, number, why = said
        journal = machine.journal
        if journal is None or not self.runs(machine):
            return
        if what == "persisted":
            self.tell(lambda now: journal.persisted(number, now))
        elif what == "refused":
            self.tell(lambda now: journal.refused(number, why, now))
        elif not machine.ownership.leaving:
            self.tell(lambda now: journal.failed(why, now))
            self.start_leave()

    def stop(self, *, power: bool = False) -> None:
        """The process is gone, and with it what its disk has not synced."""
        if self.alive and self.disk is not None:
            self.disk.cut()
        super().stop(power=power)

    def start_join(self, then: Then | None = None) -> SimOperation:
        """Get into the network. Who can't get in ends."""
        operation = self.begin(SimOperation(self, "join", then=then))

        def joined(result: object) -> None:
            if isinstance(result, Exception):
                self.stop()
            operation.finish(result)

        number = self.operation(joined)
        self.tell(lambda now: self.machine.join(number, now))
        return operation

    def settle(self, contacts: list[Contact]) -> None:
        """Be a member at once, with these contacts; see `World.warm_swarm`. Finds its way back by
        three of them if it should ever be alone."""
        ways_in = [contact.address for contact in contacts[:3]]
        self.boot(replace(self.config, bootstrap=ways_in))
        self.tell(lambda now: self.machine.settle(contacts, now))

    def start_ready(self, then: Then | None = None) -> SimOperation:
        """Wait until this node is ready for every key that is its."""
        operation = SimOperation(self, "ready", then=then)
        number = self.operation(operation.finish)
        self.tell(lambda now: self.machine.wait_ready(number, now))
        return operation

    def start_leave(self, then: Then | None = None) -> SimOperation:
        """Hand over what this node holds, say goodbye, and end."""
        operation = self.begin(SimOperation(self, "leave", then=then))

        def gone(result: object) -> None:
            self.depart()
            operation.finish(result)

        number = self.operation(gone)
        self.tell(lambda now: self.machine.hand_over(number, now))
        return operation

    def leave(self) -> None:
        """Leave in good order."""
        self.start_leave().wait()

    def depart(self) -> None:
        """Say goodbye and end, with nothing handed over."""
        if self.alive:
            self.machine.leave()
            self.pump()
            if self.disk is not None:
                self.disk.finish()
            self.stop()

    def crash(self, *, power: bool = False) -> None:
        """The process dies; what it had in memory is gone. With `power`, the machine does: then
        nothing tells the others."""
        self.environment.tell(f"{self.name} crashes")
        self.stop(power=power)

    def restart(
        self, *, disk: bool = False, ways_in: Sequence[str] | None = None, then: Then | None = None
    ) -> SimOperation:
        """A new process at the same address joins again, through members that are there now, or by
        these `ways_in`. With its `disk` it has the identity it had, and, where it has a `data_dir`,
        its records."""
        assert not self.alive, f"{self.name} runs"
        if not disk:
            self.identity = self.environment.new_identity(f"{self.name}/{self.lives}")
            self.disk = None
        was_silent, self.silent = self.silent, False
        self.boot(replace(self.config, bootstrap=self.ways_in() if ways_in is None else ways_in))
        if was_silent:
            self.network.ways_changed()
        self.environment.tell(f"{self.name} restarts")
        return self.start_join(then)

    @property
    def is_ready(self) -> bool:
        """True if it counts for every key that is its."""
        return self.alive and self.machine.ownership.settled

    def holds(self, name: str | bytes) -> Record | None:
        """The record in this node's own store."""
        return self.machine.store.get(key_of(name), self.now.wall_ms)

    def start_lookup(
        self, target: bytes, *, width: int = 20, then: Then | None = None
    ) -> SimOperation:
        """Look up the nodes closest to an id or key from here; the result is a LookupReport."""
        operation = SimOperation(self, "lookup", target, then=then)

        def finish(lookup: Lookup, now: Instant) -> None:
            closest = [contact.node_id for contact in lookup.closest(width)]
            duration_ns = self.environment.now_ns - operation.start_ns
            operation.finish(LookupReport(closest, lookup.hops, duration_ns))

        directory = self.machine.directory
        self.tell(lambda now: directory.search(point_of(target), now, finish, width=width))
        return operation

    def lookup(self, target: bytes, *, width: int = 20, limit_s: float = 30.0) -> LookupReport:
        """Look up the nodes closest to an id or key from here."""
        return cast(LookupReport, self.start_lookup(target, width=width).wait(limit_s))


class SimClient(SimProcess):
    """A client of the simulated network, with the calls of `AdaptiveClient`."""

    machine: Client
    config: ClientConfig

    def boot(self, config: ClientConfig, identity: NodeId) -> None:
        """A new process."""
        self.config = config
        self.machine = Client(config, identity, streams_of(self.environment.seed, self.name))
        self.dial_timeout_ns = round(config.connect_timeout_s * 1e9)

    def start_connect(self, then: Then | None = None) -> SimOperation:
        """Find a member of the network."""
        operation = self.begin(SimOperation(self, "connect", then=then))
        number = self.operation(operation.finish)
        self.tell(lambda now: self.machine.connect(number, now))
        return operation

    def start_store(
        self, key: str | bytes, value: bytes | None, *, ttl_s: float | None = None,
        listed: bool = False, timeout_s: float | None = None, then: Then | None = None,
    ) -> SimOperation:  # fmt: skip
        """Store a value; None deletes."""
        place, ttl_ms, write = key_of(key), lifetime_ms(ttl_s), self.machine.write
        name = listed_name(key, listed)
        kind = "delete" if value is None else "store"
        if value is not None:
            checked_value(value)
        return self._start(
            SimOperation(self, kind, key, value, then), timeout_s,
            lambda number, due_ns, now: write(number, place, value, ttl_ms, due_ns, now, name),
        )  # fmt: skip

    def start_retrieve(
        self, key: str | bytes, *, timeout_s: float | None = None, then: Then | None = None
    ) -> SimOperation:
        """Retrieve the newest value."""
        place, read = key_of(key), self.machine.read
        return self._start(
            SimOperation(self, "retrieve", key, None, then), timeout_s,
            lambda number, due_ns, now: read(number, place, key, due_ns, now),
        )  # fmt: skip

    def start_store_many(
        self, items: Mapping[str | bytes, bytes], *, ttl_s: float | None = None,
        listed: bool = False, timeout_s: float | None = None, then: Then | None = None,
    ) -> SimOperation:  # fmt: skip
        """Store many values; the operation's result is a list of receipts and errors, in the order
        of the items."""
        places = [(key_of(key), checked_value(value)) for key, value in items.items()]
        ttl_ms, write = lifetime_ms(ttl_s), self.machine.write_many
        names = listed_names(items, listed)
        return self._start(
            SimOperation(self, "store_many", list(items), items, then), timeout_s,
            lambda number, due_ns, now: write(number, places, ttl_ms, due_ns, now, names),
        )  # fmt: skip

    def start_retrieve_many(
        self, keys: Iterable[str | bytes], *, timeout_s: float | None = None,
        then: Then | None = None,
    ) -> SimOperation:  # fmt: skip
        """Retrieve many values; the operation's result is a list of values and errors, in the order
        of the keys."""
        names, read = list(dict.fromkeys(keys)), self.machine.read_many
        places = [key_of(name) for name in names]
        return self._start(
            SimOperation(self, "retrieve_many", names, None, then), timeout_s,
            lambda number, due_ns, now: read(number, places, names, due_ns, now),
        )  # fmt: skip

    def _start(
        self, operation: SimOperation, timeout_s: float | None,
        begin: Callable[[int, int, Instant], None],
    ) -> SimOperation:  # fmt: skip
        """Begin it, or end it at once where the same call on sockets would fail at once."""
        timeout_ns = budget_ns(self.config.timeout_s if timeout_s is None else timeout_s)
        if not self.alive:
            raise ClosedError(f"{self.name} does not run")
        self.begin(operation)
        try:
            room_for_one(self.in_flight, self.config.max_in_flight)
        except BusyError as error:
            self.environment.after(0, partial(operation.finish, error))
        else:
            number = self.operation(operation.finish)
            self.tell(lambda now: begin(number, now.mono_ns + timeout_ns, now))
        return operation

    def store(
        self, key: str | bytes, value: bytes, *, ttl_s: float | None = None,
        listed: bool = False, timeout_s: float | None = None,
    ) -> StoreReceipt:  # fmt: skip
        """Store a value at a write quorum."""
        operation = self.start_store(
            key, checked_value(value), ttl_s=ttl_s, listed=listed, timeout_s=timeout_s
        )
        return cast(StoreReceipt, operation.wait())

    def retrieve(self, key: str | bytes, *, timeout_s: float | None = None) -> bytes:
        """The newest value that a read quorum knows."""
        return cast(bytes, self.start_retrieve(key, timeout_s=timeout_s).wait())

    def delete(self, key: str | bytes, *, timeout_s: float | None = None) -> StoreReceipt:
        """Delete at a write quorum."""
        return cast(StoreReceipt, self.start_store(key, None, timeout_s=timeout_s).wait())

    def store_many(
        self, items: Mapping[str | bytes, bytes], **options: Any
    ) -> dict[str | bytes, StoreReceipt]:
        """Store many; the receipts by key, or a BatchError."""
        return receipts_of(items, self.start_store_many(items, **options).wait())

    def retrieve_many(
        self, keys: Iterable[str | bytes], **options: Any
    ) -> dict[str | bytes, bytes]:
        """Retrieve many; the values by key, without those that are not there, or a BatchError."""
        names = list(dict.fromkeys(keys))
        return values_of(names, self.start_retrieve_many(names, **options).wait())

    def scan(
        self, prefix: Name, *, cursor: str = "", timeout_s: float | None = None
    ) -> Iterator[Name]:
        """The keys of listed records that begin with `prefix`; time passes while they are gone
        through."""
        ahead, step = NamesAhead(prefix, cursor), self.machine.scan
        while not ahead.over:
            operation = self._start(
                SimOperation(self, "scan", prefix), timeout_s,
                lambda number, due_ns, now: step(number, ahead.scan, PAGE_NAMES, due_ns, now),
            )  # fmt: skip
            ahead.add(operation.wait())
            while (name := ahead.take()) is not None:
                yield name

    def close(self) -> None:
        """Say goodbye and end; what is in flight fails."""
        if self.alive:
            self.machine.leave()
            self.pump()
            self.abandon(ClosedError("closed while the operation was in flight"))
            self.stop()

    def crash(self, *, power: bool = False) -> None:
        """The process dies."""
        self.stop(power=power)
