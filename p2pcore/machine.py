"""What a node and a client share: links, places, operations, and the boundary to the edge.

Theory of operation. A machine is told what happened (`connected`, `receive`, `disconnected`,
`connect_failed`, `handle_timer`) and what the application wants, each with the instant at which
it did; it answers with effects, fetched by `drain`. It touches no socket, clock, file or random
source of its own, so an edge of sockets and one of virtual time drive the very same object.
"""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from random import Random
from typing import Protocol

from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.contact import Contact
from p2pcore.effects import Complete, Done, Effect, Instant, LinkId, Notice
from p2pcore.errors import BusyError, P2PError
from p2pcore.ids import Key, NodeId
from p2pcore.overlay.bootstrap import Bootstrap
from p2pcore.overlay.crawl import Crawl, PeerContact
from p2pcore.overlay.dialing import Dial, Dials
from p2pcore.overlay.directory import Directory
from p2pcore.overlay.inspection import Inspection, Target
from p2pcore.overlay.liveness import Liveness
from p2pcore.overlay.table import ContactTable
from p2pcore.replication.batch import BatchWrite
from p2pcore.replication.batch_read import BatchRead
from p2pcore.replication.operation import Operation
from p2pcore.replication.operation_context import OperationContext
from p2pcore.replication.operations import WriteOperation
from p2pcore.replication.reads import ReadOperation
from p2pcore.replication.scan import Scan, ScanStep
from p2pcore.routing.waiting import NORMAL, Priority
from p2pcore.session.link import Counters, Link
from p2pcore.session.links import Links
from p2pcore.session.manners import refuse_unread
from p2pcore.session.peers import PeerEstimate, sent, worst_first
from p2pcore.session.trace import Trace
from p2pcore.versions import HybridClock
from p2pcore.wire.codec import Incoming
from p2pcore.wire.limits import MAX_PEERS
from p2pcore.wire.messages import Found, Request, Role, Settings, StoreItem, WirePeer

__all__ = ["Machine", "Streams"]

Streams = Callable[[str], Random]
"""Gives the random stream of one purpose; the same purpose and seed give the same stream."""

Started = Operation | BatchRead | BatchWrite | Inspection | Crawl | Dial | ScanStep
"""What an application's call has set going."""


class Timed(Protocol):
    """A part of a machine that wants to be woken."""

    @property
    def wake_at_ns(self) -> int | None: ...


class Machine:
    """The common part; `Node` and `Client` are the two machines."""

    def __init__(
        self,
        node_id: NodeId,
        role: Role,
        streams: Streams,
        config: CoordinatorConfig | ClientConfig,
        *,
        settings: Settings | None,
        max_links: int,
    ) -> None:
        self.node_id = node_id
        self._effects: list[Effect] = []
        self.links = Links(
            node_id,
            role,
            self._effects,
            settings=settings,
            max_links=max_links,
            pool_size=config.pool_size,
        )
        self.table = ContactTable(node_id)
        self.directory = Directory(self.links, self.table, is_node=role is Role.NODE)
        self.bootstrap = Bootstrap(self.links, tuple(config.bootstrap))
        self.dials = Dials(self.links)
        self.liveness = _liveness(self.links, self.table, config)
        max_offset_ms = round(config.max_clock_offset_s * 1000)
        self.clock = HybridClock(node_id, max_ahead_ms=max_offset_ms)
        self._context = OperationContext(
            self.links,
            self.directory,
            self.bootstrap,
            self.clock,
            streams("operations"),
            hedge_budget=config.hedge_budget,
            windows=config.overload_control,
            avoid_outliers=config.avoid_outliers,
            max_clock_offset_ms=max_offset_ms,
            may_delegate=role is Role.CLIENT,
        )
        context = self._context
        self._timed: tuple[Timed, ...] = (
            self.links, self.liveness, context.hedges, context.windows.waiting,
        )  # fmt: skip
        self._operations: dict[int, Started] = {}  # those of the application that may be cancelled
        self.receive, self.receive_read = self.links.receive, self.links.receive_read
        """A message came in, or all that one read has brought. Never raise for what a peer sent."""
        self.links.on_link = self._on_link
        self.links.on_link_lost = self._on_link_lost
        self.links.on_unreachable = self._on_unreachable

    # The boundary: events in, effects out

    def connected(
        self, link_id: LinkId, peer_id: NodeId, address: str, *, incoming: bool, now: Instant
    ) -> None:
        """A link is open and its peer authenticated. `address`: as dialled, or of the caller."""
        self.links.connected(link_id, peer_id, address, incoming=incoming, now=now)

    def receive_unread(self, link_id: LinkId, message: Incoming, now: Instant) -> None:
        """A message of a peer that does not read what it has asked for: it is refused what has
        large answers."""
        link = self.links.by_id.get(link_id)
        bulky = isinstance(message, Request) and message.bulky
        if bulky and link is not None and link.role is not None:
            refuse_unread(self.links, link, message)
        else:
            self.links.receive(link_id, message, now)

    def disconnected(self, link_id: LinkId, error: P2PError | None, now: Instant) -> None:
        """A link ended that no `Close` asked for."""
        self.links.disconnected(link_id, error, now)

    def connect_failed(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        """A `Connect` did not lead to a link."""
        self.links.connect_failed(address, node_id, error, now)

    def next_deadline(self) -> int | None:
        """When `handle_timer` is to be called, in monotonic ns; None: not until more happens."""
        first = None
        for part in self._timed:
            due_ns = part.wake_at_ns
            if due_ns is not None and (first is None or due_ns < first):
                first = due_ns
        return first

    def handle_timer(self, now: Instant) -> None:
        """Time has passed."""
        self._context.hedges.handle_timer(now)
        self._context.windows.waiting.handle_timer(now)
        self.links.handle_timer(now)
        self.liveness.handle_timer(now)

    def drain(self) -> list[Effect]:
        """What is to be done, in order; each effect is handed out once."""
        effects = self._effects[:]
        self._effects.clear()
        return effects

    @property
    def counters(self) -> Counters:
        """What was counted since the machine was made."""
        return self.links.counters

    def peers(self) -> list[PeerEstimate]:
        """What this machine thinks of the nodes that it is linked to."""
        return self._context.estimates.peers(self.liveness.suspects)

    def told_peers(self) -> list[WirePeer]:
        """The same as others are told it, the worst first."""
        return [sent(peer) for peer in worst_first(self.peers())[:MAX_PEERS]]

    # What happens to links

    def _on_link(self, link: Link, now: Instant) -> None:
        self.liveness.on_link(now)
        if link.contact is not None:
            self.bootstrap.on_link(now)
            self.dials.on_link(link, now)

    def _on_link_lost(self, link: Link, planned: bool, now: Instant) -> None:
        if planned and link.contact is not None:
            self.directory.forget(link.peer_id)

    def _on_unreachable(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        busy = isinstance(error, BusyError)  # and there
        if node_id is not None and not busy and not self.links.is_linked(node_id):
            self.directory.lose(node_id, now)
        self._effects.append(Notice(f"{address}: {error}"))
        self.bootstrap.on_unreachable(address, error, now)
        self.dials.on_unreachable(address, node_id, error, now)

    # Operations of the application, named by numbers that the edge chooses

    def write(
        self,
        operation: int,
        key: Key,
        value: bytes | None,
        ttl_ms: int | None,
        deadline_ns: int,
        now: Instant,
        name: bytes | None = None,
        priority: Priority = NORMAL,
    ) -> None:
        """Store, or delete with a `value` of None; completes with a StoreReceipt. A record with a
        `name`, of which the key is the hash, is listed."""
        version = self.clock.next(now.wall_ms)
        expires_ms = now.wall_ms + ttl_ms if ttl_ms is not None else 0
        done = self._done(operation)
        self._operations[operation] = write = WriteOperation(
            self._context, key, version, value, expires_ms, deadline_ns, done, name, priority
        )
        write.start(now)

    def read(
        self,
        operation: int,
        key: Key,
        name: str | bytes,
        deadline_ns: int,
        now: Instant,
        priority: Priority = NORMAL,
    ) -> None:
        """Retrieve; completes with the value. `name` is what errors call the key."""
        done = self._done(operation)
        self._operations[operation] = read = ReadOperation(
            self._context, key, name, deadline_ns, done, priority
        )
        read.start(now)

    def write_many(
        self,
        operation: int,
        items: list[tuple[Key, bytes]],
        ttl_ms: int | None,
        deadline_ns: int,
        now: Instant,
        names: Sequence[bytes] = (),
        priority: Priority = NORMAL,
    ) -> None:
        """Store many, each under a version of its own; completes with a list of StoreReceipts and
        errors, in the items' order. With `names`, one for each, they are listed."""
        expires_ms = now.wall_ms + ttl_ms if ttl_ms is not None else 0
        next_version = self.clock.next
        versioned = [
            StoreItem(key, next_version(now.wall_ms), value, expires_ms, name)
            for (key, value), name in zip_longest(items, names)
        ]
        done = self._done(operation)
        batch = BatchWrite(self._context, versioned, deadline_ns, done, priority)
        self._operations[operation] = batch
        batch.start(now)

    def read_many(
        self,
        operation: int,
        keys: list[Key],
        names: Sequence[str | bytes],
        deadline_ns: int,
        now: Instant,
        priority: Priority = NORMAL,
    ) -> None:
        """Retrieve many; completes with a list of values and errors, in the keys' order. `names`
        are what errors call the keys."""
        done = self._done(operation)
        batch = BatchRead(self._context, keys, names, deadline_ns, done, priority)
        self._operations[operation] = batch
        batch.start(now)

    def follow(self, operation: int, trace: Trace) -> None:
        """Have nodes tell how they get on with an operation that was begun just now: before
        `drain`. The trace is to be closed when the operation is over."""
        trace.follow(self.links, self._effects, lambda: operation in self._operations)
        trace.peers = self.peers()

    # What an application may ask of the network

    def inspect(self, operation: int, target: Target, deadline_ns: int, now: Instant) -> None:
        """Ask one node for its state; completes with a NodeInfo."""
        inspection = Inspection(
            self.links, self.directory, self.bootstrap, deadline_ns, self._done(operation)
        )
        self._operations[operation] = inspection
        inspection.start(target, self.dials, now)

    def crawl(self, operation: int, max_nodes: int, deadline_ns: int, now: Instant) -> None:
        """Ask all nodes for their state; completes with a NetworkStats."""
        done = self._done(operation)
        crawl = Crawl(self.links, self.directory, self.bootstrap, max_nodes, deadline_ns, done)
        self._operations[operation] = crawl
        crawl.start(now)

    def scan(self, operation: int, scan: Scan, limit: int, deadline_ns: int, now: Instant) -> None:
        """Take a scan one step further, by `limit` names of each node at most; completes with a
        NamesFound. One step at a time."""
        done = self._done(operation)
        step = ScanStep(self.links, self.directory, self.bootstrap, scan, limit, deadline_ns, done)
        self._operations[operation] = step
        step.start(now)

    def meet(
        self, operation: int, address: str, node_id: NodeId | None, deadline_ns: int, now: Instant
    ) -> None:
        """Open a link to whoever answers at an address; completes with a PeerContact."""
        done = self._done(operation)

        def met(result: Contact | P2PError, now: Instant) -> None:
            if isinstance(result, Contact):
                self._on_met(now)
                done(PeerContact(result.node_id, result.address), now)
            else:
                done(result, now)

        meeting = self.dials.meet(address, node_id, deadline_ns, met, now)
        if meeting.id in self.links.calls:
            self._operations[operation] = meeting

    def _on_met(self, now: Instant) -> None:
        """The application has led us to a node."""

    def cancel(self, operation: int) -> None:
        """Give this operation up: the caller does not wait for it."""
        started = self._operations.pop(operation, None)
        if started is not None:
            started.cancel()

    def _done(self, operation: int) -> Done:
        operations, effects = self._operations, self._effects

        def done(result: object, now: Instant) -> None:
            operations.pop(operation, None)
            if type(result) is Found:
                result = result.value
            effects.append(Complete(operation, result))

        return done

    def complete(self, operation: int, result: object) -> None:
        """Hand the application its result."""
        self._effects.append(Complete(operation, result))


def _liveness(
    links: Links, table: ContactTable, config: CoordinatorConfig | ClientConfig
) -> Liveness:
    if isinstance(config, ClientConfig):
        return Liveness(links)
    return Liveness(
        links,
        table,
        probe_after_ns=round(config.probe_after_s * 1e9),
        give_up_after_ns=round(config.give_up_after_s * 1e9),
        witnesses=config.witnesses,
    )
