"""A node: holds its share of the records, and runs operations for clients that ask it to."""

from collections.abc import Callable

from msgspec.structs import asdict

from p2pcore.config import CoordinatorConfig
from p2pcore.contact import Contact, point_of
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine, Streams
from p2pcore.overlay.lost import LostContacts
from p2pcore.overlay.membership import Membership
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.overlay.witnesses import Witness
from p2pcore.replication.coordinating import Coordinating
from p2pcore.replication.handover import Handover
from p2pcore.replication.journal import storage
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.replica import Replica
from p2pcore.replication.sync import Sync
from p2pcore.replication.sync_server import SyncServer
from p2pcore.session.admission import AllowList
from p2pcore.session.link import Link
from p2pcore.version import __version__
from p2pcore.wire.messages import (
    Contacts,
    FindNode,
    Inspect,
    Inspected,
    Leaving,
    Mark,
    Marked,
    Ping,
    Pong,
    Role,
    Settings,
)

__all__ = ["Node"]


class Node(Machine):
    """The sans-IO node.

    Args:
        config: the node's settings.
        node_id: its authenticated id.
        streams: random streams by purpose.
        disk: the edge carries out `Persist`; without, records are in memory alone.
    """

    read_clock: Callable[[], int] | None = None
    """The edge's clock in monotonic ns, for marks: what came in one read has one `now`. In virtual
    time, which stands still meanwhile, that will do."""

    def __init__(
        self, config: CoordinatorConfig, node_id: NodeId, streams: Streams, *, disk: bool = False
    ) -> None:
        self.settings = Settings(config.replication_factor, config.write_quorum, config.read_quorum)
        super().__init__(
            node_id,
            Role.NODE,
            streams,
            config,
            settings=self.settings,
            max_links=config.max_connections,
        )
        self.ownership = ownership = Ownership(self.table, config.replication_factor)
        self.store, self.journal = storage(
            config, self.links, self._effects, self.clock, ownership, disk=disk
        )
        self._seen_epoch = 0  # of the membership
        self._waiting_ready: dict[int, None] = {}  # operations
        self._began_ns: int | None = None  # to serve
        self._config = config
        offset_ms, rate = round(config.max_clock_offset_s * 1000), config.repair_bytes_per_s
        links, table, store, journal = self.links, self.table, self.store, self.journal
        promise = links.reply if journal is None else journal.reply
        self._replica = Replica(
            links, self.directory, ownership, store, max_offset_ms=offset_ms, promise=promise
        )
        self._sync_server = SyncServer(links, store, ownership, promise)
        self._sync = Sync(
            links,
            table,
            ownership,
            store,
            streams("sync"),
            bytes_per_s=rate,
            max_offset_ms=offset_ms,
            look=self._look_around,
            changed=self._sync_over,
            when_settled=None if journal is None else journal.when_settled,
            spare=config.write_quorum - 1,
            quorum=max(config.write_quorum, config.read_quorum),
            copy_after_ns=round(config.copy_after_s * 1e9),
        )
        self._sync_server.reconciliations.on_difference = self._sync.differs
        rng = streams("handover")
        self._handover = Handover(links, self.directory, ownership, store, rng, bytes_per_s=rate)
        self._replica.on_jump = lambda now: self._sync.membership_changed(now, returned=True)
        self._leave_timeout_ns = round(config.leave_timeout_s * 1e9)
        self._join_timeout_ns = round(config.join_timeout_s * 1e9)
        self._membership = Membership(
            links, table, self.directory, self.bootstrap, self.liveness, streams("membership")
        )
        members = self._membership, self._membership.losses, self.lost
        upkeep = *members, self._sync, self._handover
        kept = journal.take_part(self._handover, self._notice_change) if journal else ()
        self._timed += (*upkeep, self._replica, *kept)
        self.coordinating = Coordinating(links, self._context)
        self._serve_links()

    def _serve_links(self) -> None:
        """What the links ask of this node, and what peers do."""
        links, table, lost = self.links, self.table, self.lost
        links.on_expelled = self._on_expelled
        links.pool.favoured = table.nearest
        self._membership.on_change = self._notice_change
        Witness(links)
        links.admission.is_known = lambda node_id: node_id in table or node_id in lost
        links.admission.count_known = lambda: table.size + len(lost)
        links.handlers |= {
            Ping: self._on_ping,
            FindNode: self._on_find_node,
            Leaving: self._on_leaving,
            Inspect: self._on_inspect,
            Mark: self._on_mark,
        }

    @property
    def lost(self) -> LostContacts:
        """Whom this node looks for."""
        return self._membership.lost

    def open(self, address: str) -> None:
        """Others reach this node at `address` from now on."""
        self.links.address = address

    def allow(self, allowed: AllowList | None, now: Instant) -> None:
        """Only these ids may link from now on; None: whoever is of the network. Others are told so,
        their links are closed, and they are forgotten: a loss of the records that they hold."""
        admission = self.links.admission
        self.links.allow(allowed, now)
        self.lost.expel(admission.admits)
        self.directory.expel(admission.admits)
        self._notice_change(now, planned=True)

    def join(self, operation: int, now: Instant) -> None:
        """Get into the network; completes with None, or with why it was not possible."""
        self._began_ns = now.mono_ns

        def joined(error: P2PError | None, now: Instant) -> None:
            if error is None:
                self._sync.is_first = not self.bootstrap.configured
                if self._sync.is_first and not self.ownership.awaited:
                    self.ownership.found()
                if self.journal is not None:
                    self._sync.context.here_ms = self.journal.notes.here_ms
                self._sync.start(now)
                self._handover.start(now)
            self.complete(operation, error)

        self._membership.join(now, now.mono_ns + self._join_timeout_ns, joined)

    def settle(self, contacts: list[Contact], now: Instant) -> None:
        """Be a member at once, as if this node had long been one, of a network that holds no
        records: nothing is looked up and nothing handed over. For simulations of many nodes."""
        for contact in contacts:
            self.table.heard_from(contact)
        self.ownership.synced(self.ownership.epoch)
        self._seen_epoch = self.ownership.epoch
        self._membership.settle(now)
        self._sync.start(now, settled=True)
        self._handover.start(now)

    def wait_ready(self, operation: int, now: Instant) -> None:
        """Completes with None once this node is ready for every key that is its."""
        if self.ownership.settled:
            self.complete(operation, None)
        else:
            self._waiting_ready[operation] = None

    def stop_waiting(self, operation: int) -> None:
        """Give up waiting for this node to be ready, in this operation."""
        self._waiting_ready.pop(operation, None)

    def hand_over(self, operation: int, now: Instant) -> None:
        """Get ready to leave: others place records without this node, and are given what it holds.
        Completes with None when that is done, or after `leave_timeout_s`."""

        def gone(now: Instant) -> None:
            self.complete(operation, None)

        self.ownership.leave()
        self.directory.is_node = False  # nobody is told of us any more
        self._sync.stop()
        self.links.tell(self.links.linked_nodes(), Leaving(self.links.new_call_id()), now)
        if self._leave_timeout_ns:
            self._handover.leave(now, now.mono_ns + self._leave_timeout_ns, gone)
        else:
            gone(now)

    def leave(self) -> None:
        """Say goodbye to everybody."""
        self.links.goodbye("the node leaves")

    def handle_timer(self, now: Instant) -> None:
        super().handle_timer(now)
        self._membership.handle_timer(now)
        self._sync.handle_timer(now)
        self._handover.handle_timer(now)
        self._replica.handle_timer(now)
        if self.journal is not None:
            self.journal.handle_timer(now)

    def _on_link(self, link: Link, now: Instant) -> None:
        returned = link.peer_id in self.lost
        self._membership.on_link(link, now)
        super()._on_link(link, now)
        self._notice_change(now, returned)
        if self.ownership.leaving and link.contact is not None:
            # Its records are to be handed over to it: it was not linked when the others were told.
            self.links.tell([link.contact], Leaving(self.links.new_call_id()), now)

    def _on_link_lost(self, link: Link, planned: bool, now: Instant) -> None:
        self._membership.on_link_lost(link, planned, now)
        self._notice_change(now, planned=planned)

    def _on_unreachable(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        self._membership.on_unreachable(node_id, error, now)
        super()._on_unreachable(address, node_id, error, now)
        self._notice_change(now)

    def _on_expelled(self, error: P2PError) -> None:
        self.ownership.expelled()
        self._membership.refused = error

    def _on_met(self, now: Instant) -> None:
        self._membership.look_around_soon(now)

    def _notice_change(self, now: Instant, returned: bool = False, planned: bool = False) -> None:
        if self.ownership.epoch != self._seen_epoch:
            self._seen_epoch = self.ownership.epoch
            self._sync.membership_changed(now, returned=returned, planned=planned)
            self._handover.membership_changed(now)
            if self.journal is not None:
                self.journal.notes.note_members(self.table.nearest(), all_synced=False)

    def _look_around(self, looked: Callable[[Instant], None], now: Instant) -> None:
        self.directory.search(self.table.point, now, lambda _, now: looked(now))

    def _sync_over(self, now: Instant) -> None:
        self._replica.tidy_later(now)
        if self.ownership.settled:
            if self.journal is not None:
                self.journal.notes.note_members(self.table.nearest(), all_synced=True)
            waiting, self._waiting_ready = self._waiting_ready, {}
            for operation in waiting:
                self.complete(operation, None)

    # Requests, each answered at once

    def _on_ping(self, link: Link, request: Ping, now: Instant) -> None:
        self.links.reply(link, Pong(request.id))

    def _on_find_node(self, link: Link, request: FindNode, now: Instant) -> None:
        closest = self.directory.closest_known(point_of(request.target), BUCKET_SIZE)
        self.links.reply(link, Contacts(request.id, [c.on_wire() for c in closest]))

    def _on_leaving(self, link: Link, request: Leaving, now: Instant) -> None:
        if link.contact is not None:
            self.directory.forget(link.peer_id)
            self._notice_change(now, planned=True)

    def _on_inspect(self, link: Link, request: Inspect, now: Instant) -> None:
        uptime_ns = now.mono_ns - self._began_ns if self._began_ns is not None else 0
        state = Inspected(
            id=request.id,
            software=__version__,
            uptime_ms=uptime_ns // 1_000_000,
            ready=self.ownership.settled,
            members=self.table.size,
            links=sum(link.role is not None for link in self.links.by_id.values()),
            records=len(self.store),
            record_bytes=self.store.size_bytes,
            capacity_bytes=self._config.max_store_bytes,
            counters=asdict(self.counters),
            durability="memory" if self.journal is None else self._config.durability,
            peers=self.told_peers() if request.peers else [],
        )
        self.links.reply(link, state)

    def _on_mark(self, link: Link, request: Mark, now: Instant) -> None:
        turn_ns = now.mono_ns if self.read_clock is None else self.read_clock()
        if request.id:
            self.links.reply(link, Marked(request.id, now.mono_ns, link.marked_ns, turn_ns))
        else:
            link.marked_ns = turn_ns
