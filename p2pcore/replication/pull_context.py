"""What a node takes of the records that others have, and how fast.

Rule: judges and keeps; asks nobody.
"""

from random import Random

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.errors import RefusedError
from p2pcore.ids import ID_BITS, Key, NodeId
from p2pcore.replication.naming import is_false_name
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.session.links import Links
from p2pcore.storage.memory import RECORD_OVERHEAD_BYTES, Record
from p2pcore.storage.store import RecordStore
from p2pcore.versions import Version, wall_ms_of
from p2pcore.wire.messages import Entry, FoundItem, StoreItem

__all__ = ["PullContext"]

BURST_NS = 50_000_000  # how far ahead of `bytes_per_s` a piece may run
SLICE_NS = 2_000_000  # between pieces of the work of comparing: more than one takes
MOST_COMPARED = 256  # nodes, of which it is remembered when we had all that they had


class PullContext:
    """What all pulls of a node work with.

    Args:
        bytes_per_s: how fast records may be pulled, on average.
        max_offset_ms: versions further ahead of our time of day are not taken.
        on_disk: records are.
    """

    def __init__(
        self,
        links: Links,
        ownership: Ownership,
        store: RecordStore,
        rng: Random,
        *,
        bytes_per_s: int,
        max_offset_ms: int,
        on_disk: bool = False,
    ) -> None:
        self._on_disk = on_disk
        self.links = links
        self.ownership = ownership
        self.store = store
        self.rng = rng
        self._bytes_per_s = bytes_per_s
        self._max_offset_ms = max_offset_ms
        self._paid_ns = 0  # what was pulled is paid for by then
        self._slice_ns = 0  # the next piece of work may begin
        self._compared_ms: dict[NodeId, int] = {}
        self.here_ms = 0
        """When this node was last here before it was restarted, in wall-clock time; 0: unknown."""
        self.drawing: dict[int, None] = {}
        """Halves of the keys that some source is asked for."""
        self.told: dict[NodeId, int] = {}
        """By source, the view under which it last said what it has."""

    @property
    def takes_from_all(self) -> bool:
        """True if those that do not count are compared with as well: where records are on disks,
        after a cut of the power, they may be all there are."""
        return self._on_disk and not self.ownership.joined

    def wants(self, entry: Entry, now: Instant) -> bool:
        """True if this is ours to keep, and more than what we hold."""
        key = Key(entry.key)
        if not self.store.lacks(key, entry.version, entry.lasts_ms, now.wall_ms):
            return False
        return self.ownership.standing(point_of(key)) is not Standing.NOT_REPLICA

    def wants_head(self, head: tuple[int, int]) -> bool:
        """True if a record with this half of a key and of a version is ours to keep, and newer
        than what we hold."""
        start, version = head
        if self.ownership.standing(start << ID_BITS - 64) is Standing.NOT_REPLICA:
            return False
        first = start.to_bytes(8)
        for key in self.store.keys_after(first, 1):
            held = self.store.version(key) if key.startswith(first) else None
            if held is not None:
                return int.from_bytes(held[:8]) < version
        return True

    def next_slice_ns(self, now: Instant) -> int:
        """When a piece of work may begin: those of all sources take turns."""
        self._slice_ns = max(self._slice_ns, now.mono_ns) + SLICE_NS
        return self._slice_ns

    def compared(self, node_id: NodeId, wall_ms: int) -> None:
        """We have all that this node had by then."""
        self._compared_ms.pop(node_id, None)
        self._compared_ms[node_id] = wall_ms
        for book in (self._compared_ms, self.told):
            if len(book) > MOST_COMPARED:
                del book[next(iter(book))]

    def complete_ms(self, node_id: NodeId) -> int:
        """Up to when we have all that this node had, in wall-clock time; 0: unknown."""
        return self._compared_ms.get(node_id, self.here_ms)

    def take(self, key: Key, item: FoundItem | StoreItem, now: Instant) -> bool:
        """Keep a record that was pulled; returns whether there was room for it."""
        size = RECORD_OVERHEAD_BYTES + len(item.value or b"") + len(item.name or b"")
        self._paid_ns = max(self._paid_ns, now.mono_ns) + size * 1_000_000_000 // self._bytes_per_s
        self.links.counters.repair_bytes += size
        ahead_ms = wall_ms_of(item.version) - now.wall_ms
        forgotten = item.value is None and 0 < item.expires_ms <= now.wall_ms
        if ahead_ms > self._max_offset_ms or (forgotten and self.store.held(key) is None):
            return True  # a false clock's, or the end of what is not here: nobody has to keep it
        name = item.name
        if name is not None and is_false_name(key, name):
            name = None
        record = Record(Version(item.version), item.value, item.expires_ms, name)
        try:
            if self.store.put(key, record, now.wall_ms) is None:
                self.links.counters.records_pulled += 1
        except RefusedError:
            return False
        return True

    def paid_until(self, now: Instant) -> int | None:
        """When the next records may be asked for; None: now."""
        ahead_ns = self._paid_ns - now.mono_ns
        return self._paid_ns - BURST_NS if ahead_ns > BURST_NS else None
