"""A node: holds its share of the records, and runs operations for clients that ask it to."""

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Instant, earliest
from p2pcore.errors import (
    BusyError,
    ClockOffsetError,
    DeadlineError,
    P2PError,
    QuorumError,
    StorageFullError,
)
from p2pcore.ids import Key, NodeId
from p2pcore.machine import Machine, Streams
from p2pcore.overlay.membership import Membership
from p2pcore.overlay.table import BUCKET_SIZE, point_of
from p2pcore.replication.clock import Version, wall_ms_of
from p2pcore.replication.operations import ReadOperation, StoreReceipt, WriteOperation
from p2pcore.session.links import Link
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.wire.limits import MAX_TEXT_CHARS, MAX_VALUE_BYTES
from p2pcore.wire.messages import (
    Contacts,
    Failed,
    Fetch,
    FetchMany,
    FindNode,
    Found,
    FoundItem,
    FoundMany,
    Get,
    Missing,
    NotReplica,
    Ping,
    Pong,
    Put,
    PutDone,
    Reason,
    Role,
    Settings,
    Stale,
    Store,
    Stored,
    StoredMany,
    StoreItem,
    StoreMany,
)

__all__ = ["Node"]

MAX_COORDINATED = 256  # operations in flight for one peer; each holds its value in memory
MAX_BUDGET_MS = 60_000  # the longest that a peer may keep an operation in flight here
TIDY_NS = 1_000_000_000  # how late an expired record may free its memory

_REASONS: dict[type[P2PError], Reason] = {
    QuorumError: Reason.NO_QUORUM,
    DeadlineError: Reason.DEADLINE,
    BusyError: Reason.BUSY,
    StorageFullError: Reason.STORAGE_FULL,
    ClockOffsetError: Reason.CLOCK_OFFSET,
}


class Node(Machine):
    """The sans-IO node.

    Args:
        config: the node's settings.
        node_id: its authenticated id.
        streams: random streams by purpose.
    """

    def __init__(self, config: CoordinatorConfig, node_id: NodeId, streams: Streams) -> None:
        self.settings = Settings(config.replication_factor, config.write_quorum, config.read_quorum)
        super().__init__(
            node_id,
            Role.NODE,
            streams,
            bootstrap=tuple(config.bootstrap),
            settings=self.settings,
            max_links=config.max_connections,
            max_clock_offset_s=config.max_clock_offset_s,
        )
        self.store = MemoryStore(
            capacity_bytes=config.max_store_bytes,
            tombstone_grace_ms=round(config.tombstone_grace_s * 1000),
        )
        self._max_clock_offset_ms = round(config.max_clock_offset_s * 1000)
        self._join_timeout_ns = round(config.join_timeout_s * 1e9)
        self._tidy_at_ns: int | None = None
        self._membership = Membership(
            self.board,
            self.table,
            self.directory,
            self.bootstrap,
            self.liveness,
            streams("membership"),
        )
        self.board.handlers |= {
            Ping: self._on_ping,
            FindNode: self._on_find_node,
            Store: self._on_store,
            Fetch: self._on_fetch,
            StoreMany: self._on_store_many,
            FetchMany: self._on_fetch_many,
            Put: self._on_put,
            Get: self._on_get,
        }

    def open(self, address: str) -> None:
        """Others reach this node at `address` from now on."""
        self.board.address = address

    def join(self, operation: int, now: Instant) -> None:
        """Get into the network; completes with None, or with why it was not possible."""

        def joined(error: P2PError | None, now: Instant) -> None:
            self.complete(operation, error)

        self._membership.join(now, now.mono_ns + self._join_timeout_ns, joined)

    def leave(self) -> None:
        """Say goodbye to everybody."""
        self.board.goodbye("the node leaves")

    def next_deadline(self) -> int | None:
        return earliest(
            self.board.wake_at_ns,
            self.liveness.wake_at_ns,
            self._membership.wake_at_ns,
            self._tidy_at_ns,
        )

    def handle_timer(self, now: Instant) -> None:
        super().handle_timer(now)
        self._membership.handle_timer(now)
        if self._tidy_at_ns is not None and now.mono_ns >= self._tidy_at_ns:
            self.store.expire(now.wall_ms)
            self._tidy_at_ns = None
            self._tidy_later(now)

    def _tidy_later(self, now: Instant) -> None:
        if self._tidy_at_ns is None and self.store.next_end_ms() is not None:
            self._tidy_at_ns = now.mono_ns + TIDY_NS

    def _on_link(self, link: Link, now: Instant) -> None:
        self._membership.on_link(link, now)
        super()._on_link(link, now)

    def _on_link_lost(self, link: Link, planned: bool, now: Instant) -> None:
        self._membership.on_link_lost(link, planned, now)

    def _on_unreachable(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        super()._on_unreachable(address, node_id, error, now)
        self._membership.on_unreachable(node_id, now)

    # Requests, each answered at once

    def _on_ping(self, link: Link, request: Ping, now: Instant) -> None:
        self.board.reply(link, Pong(request.id))

    def _on_find_node(self, link: Link, request: FindNode, now: Instant) -> None:
        closest = self.directory.closest_known(point_of(request.target), BUCKET_SIZE)
        self.board.reply(link, Contacts(request.id, [c.on_wire() for c in closest]))

    def _on_store(self, link: Link, request: Store, now: Instant) -> None:
        key = Key(request.key)
        if not self._is_mine(link, request.id, key):
            return
        ahead_ms = wall_ms_of(request.version) - now.wall_ms
        if ahead_ms > self._max_clock_offset_ms:
            text = (
                f"the version is {ahead_ms} ms ahead of this node's clock, "
                f"the limit is {self._max_clock_offset_ms} ms"
            )
            self.board.reply(link, Failed(request.id, Reason.CLOCK_OFFSET, text))
            return
        record = Record(Version(request.version), request.value, request.expires_ms)
        try:
            newer = self.store.put(key, record, now.wall_ms)
        except StorageFullError as error:
            self.board.reply(link, Failed(request.id, Reason.STORAGE_FULL, str(error)))
            return
        if self._tidy_at_ns is None:
            self._tidy_later(now)
        if newer is None:
            self.board.reply(link, Stored(request.id))
        else:
            self.board.reply(link, Stale(request.id, newer))

    def _on_fetch(self, link: Link, request: Fetch, now: Instant) -> None:
        key = Key(request.key)
        if not self._is_mine(link, request.id, key):
            return
        record = self.store.get(key, now.wall_ms)
        if record is None:
            self.board.reply(link, Missing(request.id))
        else:
            self.board.reply(
                link, Found(request.id, record.version, record.value, record.expires_ms)
            )

    def _on_store_many(self, link: Link, request: StoreMany, now: Instant) -> None:
        others = [place for place, item in enumerate(request.items) if not self._took(item, now)]
        if self._tidy_at_ns is None:
            self._tidy_later(now)
        self.board.reply(link, StoredMany(request.id, others))

    def _took(self, item: StoreItem, now: Instant) -> bool:
        """Store one item of a batch. If not: why is told when it comes again on its own."""
        if wall_ms_of(item.version) - now.wall_ms > self._max_clock_offset_ms:
            return False
        if not self.directory.is_mine(point_of(item.key), self.settings.replicas):
            return False
        record = Record(Version(item.version), item.value, item.expires_ms)
        try:
            return self.store.put(Key(item.key), record, now.wall_ms) is None
        except StorageFullError:
            return False

    def _on_fetch_many(self, link: Link, request: FetchMany, now: Instant) -> None:
        items: list[FoundItem | None] = []
        others: list[int] = []
        room = MAX_VALUE_BYTES  # a reply is one frame
        for place, key in enumerate(request.keys):
            record = self.store.get(Key(key), now.wall_ms)
            size = len(record.value or b"") if record else 0
            if size > room or not self.directory.is_mine(point_of(key), self.settings.replicas):
                others.append(place)
                items.append(None)
                continue
            room -= size
            items.append(
                FoundItem(record.version, record.value, record.expires_ms) if record else None
            )
        self.board.reply(link, FoundMany(request.id, items, others))

    def _is_mine(self, link: Link, request_id: int, key: Key) -> bool:
        """Whether this node is a replica of the key; if not, the peer is told who may be."""
        point = point_of(key)
        replicas = self.settings.replicas
        if self.directory.is_mine(point, replicas):
            return True
        closer = [c.on_wire() for c in self.directory.closest_known(point, replicas)]
        self.board.reply(link, NotReplica(request_id, closer))
        return False

    # Requests that this node coordinates

    def _on_put(self, link: Link, request: Put, now: Instant) -> None:
        def done(result: object, now: Instant) -> None:
            link.coordinating -= 1
            if isinstance(result, StoreReceipt):
                reply = PutDone(request.id, result.version, result.replicas, result.acks)
                self.board.reply(link, reply)
            else:
                self._reply_error(link, request.id, result)

        if self._may_coordinate(link, request.id):
            deadline_ns = now.mono_ns + min(request.budget_ms, MAX_BUDGET_MS) * 1_000_000
            WriteOperation(
                self._desk,
                Key(request.key),
                Version(request.version),
                request.value,
                request.expires_ms,
                deadline_ns,
                done,
            ).start(now)

    def _on_get(self, link: Link, request: Get, now: Instant) -> None:
        def done(result: object, now: Instant) -> None:
            link.coordinating -= 1
            if isinstance(result, Found):
                reply = Found(request.id, result.version, result.value, result.expires_ms)
                self.board.reply(link, reply)
            elif isinstance(result, KeyError):
                self.board.reply(link, Missing(request.id))
            else:
                self._reply_error(link, request.id, result)

        if self._may_coordinate(link, request.id):
            deadline_ns = now.mono_ns + min(request.budget_ms, MAX_BUDGET_MS) * 1_000_000
            key = Key(request.key)
            ReadOperation(self._desk, key, key, deadline_ns, done).start(now)

    def _may_coordinate(self, link: Link, request_id: int) -> bool:
        if link.coordinating >= MAX_COORDINATED:
            text = f"{MAX_COORDINATED} operations are in flight for you, which is the limit"
            self.board.reply(link, Failed(request_id, Reason.BUSY, text))
            return False
        link.coordinating += 1
        return True

    def _reply_error(self, link: Link, request_id: int, error: object) -> None:
        reason = next((r for kind, r in _REASONS.items() if isinstance(error, kind)), None)
        text = str(error)[:MAX_TEXT_CHARS]
        self.board.reply(link, Failed(request_id, reason or Reason.NO_QUORUM, text))
