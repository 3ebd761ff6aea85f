"""What has changed here and is not on disk yet, and which answers wait for it.

Theory of operation. A `LoggedStore` tells each change, which gets the next number and goes to the
edge as `Persist`. The edge writes what waits in groups, syncs, and says up to which number all is
on disk (`persisted`). An answer by which others count on what is held here (`Stored`, `StoredMany`,
`Confirmed`) is held back until the changes are synced that it speaks of (`_low` to `_high`): those
made since the last answer, and those not synced yet that were asked about, so that an identical
retry waits like the first, and records are handed over only to disks. Reads answer from memory:
what they give is no promise that it stays.

A group that does not fit (`refused`) leaves its changes *behind*: memory has them, the disk has
not, and the store says that it lacks them. The answers that speak of them fail. No value more is
taken, tombstones are; what is behind is tried again every RETRY_NS, or when it is sent again. A
disk that has failed (`failed`) is never tried again: the node counts no longer.

The clock of the versions that are made here is on disk as well, ahead of itself: a version is made
only below what was written (`LEASE_MS`), and after a restart they begin there. So no version is
made twice, whatever the time of day was set to meanwhile. The same number says when this node was
last here: one that was away for longer than deletions are remembered would bring records back.

Who the neighbours are is written as well. When all come back after a cut of the power, nobody
counts and nobody can tell; so each waits for all but W - 1 of those that it knew (`sync.py`).

Rule: knows no file; an edge says what has become of each change, in order.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Effect, Instant, Notice, Persist
from p2pcore.errors import (
    BusyError,
    ConfigError,
    RefusedError,
    StorageBrokenError,
    StorageFullError,
)
from p2pcore.ids import Key
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.refusals import refusal_of
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.storage.logged import LoggedStore
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.storage.store import RecordStore, Saved
from p2pcore.versions import HybridClock, Version, version_at, wall_ms_of
from p2pcore.wire.messages import Reply

__all__ = ["CLOCK_KEY", "MEMBERS_KEY", "Journal", "storage"]

CLOCK_KEY = Key(b"clock")
"""Under which the clock is written; keys of records have 32 bytes."""

MEMBERS_KEY = Key(b"members")
"""Under which it is written who our neighbours are."""

ID_BYTES = 32
LEASE_MS = 10_000  # how far the clock on disk is ahead; well below `max_clock_offset_s`
RETRY_NS = 1_000_000_000  # between attempts to write what did not fit
MAX_UNSYNCED_BYTES = 64 << 20  # beyond it, the disk can't keep up and stores are refused as Busy
MAX_WAITING = 65_536  # answers; some 200 bytes each
PAGE_KEYS = 1000
CHANGE_BYTES = 200  # what a change takes beside its value

Settled = Callable[[Instant], None]


class _Held(NamedTuple):
    """An answer that waits."""

    due: int  # it leaves when all is synced up to here: in the order of requests
    low: int
    high: int
    link: Link
    reply: Reply


class Journal:
    """The log of one node's store.

    Args:
        clock: makes versions; the journal sees to it that it never goes back.
        ownership: learns that there are records, and that they can't be counted on any more.
        capacity_bytes, grace_ms: of the store, see `MemoryStore`.
    """

    def __init__(
        self,
        links: Links,
        effects: list[Effect],
        clock: HybridClock,
        ownership: Ownership,
        *,
        capacity_bytes: int,
        grace_ms: int,
    ) -> None:
        self._links = links
        self._effects = effects
        self._clock = clock
        self._ownership = ownership
        self._grace_ms = grace_ms
        self.store = LoggedStore(self, capacity_bytes=capacity_bytes, tombstone_grace_ms=grace_ms)
        self.trouble: RefusedError | None = None
        """Why nothing is taken at present: the disk is full, or has failed."""
        self.damaged: list[bytes] = []
        """Keys of records that came back from the disk otherwise than they were written."""
        self._written = 0  # the number of the last change
        self._over = 0  # the last one of which the edge has told what became of it
        self._unsynced: deque[tuple[Key, int]] = deque()  # keys and bytes of those between
        self._unsynced_bytes = 0
        self._numbers: dict[Key, int] = {}  # the last of each key that is not synced
        self._behind: dict[Key, None] = {}
        self._low = self._high = 0  # what the next answer speaks of
        self._waiting: deque[_Held] = deque()
        self._settling: list[Settled] = []
        self._members: dict[bytes, None] = {}
        self._lease_ms = 0  # up to here the clock on disk is good
        self.here_ms = 0
        """When this node was last here before it was restarted, in wall-clock time; 0: unknown."""
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    # What comes back from the disk, before the node joins

    def restore(self, saved: Iterable[Saved], now: Instant) -> None:
        """Take these back, in the order in which they were written. What is damaged is left out."""
        store = self.store
        for each in saved:
            if not each.is_sound:
                self.damaged.append(each.key)
            elif each.key == CLOCK_KEY:
                self._lease_ms = max(self._lease_ms, wall_ms_of(each.version))
            elif each.key == MEMBERS_KEY:
                self._members = _ids_of(each.value or b"")
            else:
                record = Record(Version(each.version), each.value, each.expires_ms, each.name)
                try:
                    store.restore(Key(each.key), record, now.wall_ms)
                except StorageFullError as error:
                    text = f"max_store_bytes is too small for what is on disk: {error}"
                    raise ConfigError(text) from None

    def open(self, now: Instant) -> None:
        """All is back: begin.

        Raises:
            ConfigError: it is so old that deleted records would come back.
        """
        away_ms = now.wall_ms - self._lease_ms
        if self._lease_ms and away_ms > self._grace_ms + LEASE_MS:
            raise ConfigError(
                f"the records were last in use {away_ms // 1000} s ago, and deletions are "
                f"remembered for {self._grace_ms // 1000} s: deleted records would come back. "
                "Move the records away, and the node gets them from the others; or, if the whole "
                "network was down, raise tombstone_grace_s beyond that time for this start"
            )
        self.here_ms = max(0, self._lease_ms - LEASE_MS)
        self._ownership.awaited = tuple(self._members)
        self._clock.observe(version_at(self._lease_ms))
        self._extend_lease(now)

    def write_anew(self) -> None:
        """The disk has nothing of what came back: write all of it."""
        if self._members:
            self._add_members()
        after = b""
        while keys := self.store.keys_after(after, PAGE_KEYS):
            for key in keys:
                self.add(key, self.store.held(key))
            after = keys[-1]

    # The log of the store

    def admit(self, record: Record) -> None:
        """Raises RefusedError if the disk can't keep what is offered."""
        if self.trouble is not None and (
            record.value is not None or isinstance(self.trouble, StorageBrokenError)
        ):
            raise self.trouble
        if self._unsynced_bytes > MAX_UNSYNCED_BYTES:
            text = f"{self._unsynced_bytes} bytes wait for the disk, {MAX_UNSYNCED_BYTES} may"
            raise BusyError(text)

    def add(self, key: Key, record: Record | None) -> None:
        """Have a change written."""
        self._written = number = self._written + 1
        if record is None:
            size = CHANGE_BYTES
            effect = Persist(number, key, None, None, 0)
        else:
            size = CHANGE_BYTES + len(record.value or b"")
            effect = Persist(
                number, key, record.version, record.value, record.expires_ms, record.name
            )
        self._effects.append(effect)
        self._unsynced.append((key, size))
        self._unsynced_bytes += size
        self._numbers[key] = number
        self._behind.pop(key, None)
        self._speaks_of(number)

    def is_behind(self, key: Key) -> bool:
        """True if the disk had no room for what is held of this key. Where it is on its way there,
        the next answer waits for it."""
        number = self._numbers.get(key)
        if number is not None:
            self._speaks_of(number)
        return key in self._behind

    def _speaks_of(self, number: int) -> None:
        self._low = min(self._low or number, number)
        self._high = max(self._high, number)

    def note_members(self, members: Iterable[bytes], *, all_synced: bool) -> None:
        """Write who our neighbours are: after a cut of the power they may have what we lack. One
        that is lost stays among them until what it held was synced."""
        now = dict.fromkeys(members)
        if not all_synced:
            now = self._members | now
        if now.keys() != self._members.keys():
            self._members = now
            self._add_members()

    def _add_members(self) -> None:
        version = version_at(self._lease_ms)
        self.add(MEMBERS_KEY, Record(version, b"".join(self._members), 0))

    # What waits for the disk

    @property
    def is_settled(self) -> bool:
        """True if all that is held here is on disk."""
        return self._over == self._written and not self._behind

    def reply(self, link: Link, reply: Reply) -> None:
        """Answer once all that this speaks of is on disk."""
        low, high = self._low, self._high
        self._low = self._high = 0
        waiting = self._waiting
        if isinstance(self.trouble, StorageBrokenError):
            self._links.reply(link, refusal_of(reply.id, self.trouble))
        elif high <= self._over:
            self._links.reply(link, reply)
        elif len(waiting) >= MAX_WAITING:
            error = BusyError(f"{MAX_WAITING} answers wait for the disk, which is the limit")
            self._links.reply(link, refusal_of(reply.id, error))
        else:
            due = max(high, waiting[-1].due) if waiting else high
            waiting.append(_Held(due, low, high, link, reply))

    def when_settled(self, settled: Settled, now: Instant) -> None:
        """Call back once all that is held here is on disk."""
        if self.is_settled:
            settled(now)
        else:
            self._settling.append(settled)

    # What the edge says, in the order of numbers

    def persisted(self, number: int, now: Instant) -> None:
        """All is synced from the last number that was told up to this one."""
        self._forget(number)
        waiting = self._waiting
        while waiting and waiting[0].due <= number:
            held = waiting.popleft()
            self._links.reply_late(held.link, held.reply, now)
        if self.is_settled:
            self._settle(now)

    def refused(self, number: int, reason: str, now: Instant) -> None:
        """There was no room on disk for what is between the last number and this one."""
        first = self._over + 1
        for key in self._forget(number):
            if key not in self._numbers:  # else something newer of it is on its way
                self._behind[key] = None
        if self.trouble is None:
            self.trouble = StorageFullError(f"the disk is full: {reason}")
            self._effects.append(Notice(f"{self.trouble}; stores are refused until there is room"))
        self.wake_at_ns = now.mono_ns + RETRY_NS
        self._refuse_waiting(first, number, now)

    def failed(self, reason: str, now: Instant) -> None:
        """The disk has failed: it is not known what is on it."""
        if isinstance(self.trouble, StorageBrokenError):
            return
        self.trouble = StorageBrokenError(f"the disk has failed: {reason}")
        self.wake_at_ns = None
        self._settling.clear()
        self._effects.append(Notice(f"{self.trouble}; this node keeps nothing more, and leaves"))
        self._refuse_waiting(0, self._written, now)
        self._ownership.expelled()

    def handle_timer(self, now: Instant) -> None:
        """Try again what did not fit, and keep the clock on disk ahead of the time."""
        if self.wake_at_ns is not None and now.mono_ns >= self.wake_at_ns:
            self._retry()
            self._extend_lease(now)

    def _extend_lease(self, now: Instant) -> None:
        reached_ms = max(now.wall_ms, wall_ms_of(self._clock.last))
        self.wake_at_ns = now.mono_ns + LEASE_MS * 1_000_000 // 2
        if reached_ms + LEASE_MS // 2 >= self._lease_ms:
            self._lease_ms = reached_ms + LEASE_MS
            self.add(CLOCK_KEY, Record(version_at(self._lease_ms), None, 0))

    def _retry(self) -> None:
        for key in list(self._behind):
            if key == CLOCK_KEY:
                self.add(key, Record(version_at(self._lease_ms), None, 0))
            elif key == MEMBERS_KEY:
                self._add_members()
            else:
                self.add(key, self.store.held(key))

    def _forget(self, number: int) -> list[Key]:
        """The keys of changes up to this number, which are not waited for any more."""
        keys = []
        while self._over < number:
            self._over += 1
            key, size = self._unsynced.popleft()
            self._unsynced_bytes -= size
            if self._numbers[key] == self._over:
                del self._numbers[key]
            keys.append(key)
        return keys

    def _settle(self, now: Instant) -> None:
        if isinstance(self.trouble, StorageFullError):
            self.trouble = None
            self._effects.append(Notice("there is room on disk again"))
        settling, self._settling = self._settling, []
        for settled in settling:
            settled(now)

    def _refuse_waiting(self, first: int, last: int, now: Instant) -> None:
        """Answer those that speak of a change between these."""
        waiting, self._waiting = self._waiting, deque()
        assert self.trouble is not None
        for held in waiting:
            if held.low <= last and held.high >= first:
                reply = refusal_of(held.reply.id, self.trouble)
                self._links.reply_late(held.link, reply, now)
            else:
                self._waiting.append(held)


def _ids_of(joined: bytes) -> dict[bytes, None]:
    return dict.fromkeys(joined[n : n + ID_BYTES] for n in range(0, len(joined), ID_BYTES))


def storage(
    config: CoordinatorConfig,
    links: Links,
    effects: list[Effect],
    clock: HybridClock,
    ownership: Ownership,
    *,
    disk: bool,
) -> tuple[RecordStore, Journal | None]:
    """The store of a node; and its journal, where it has a disk."""
    capacity_bytes, grace_ms = config.max_store_bytes, round(config.tombstone_grace_s * 1000)
    if not disk:
        return MemoryStore(capacity_bytes=capacity_bytes, tombstone_grace_ms=grace_ms), None
    journal = Journal(
        links, effects, clock, ownership, capacity_bytes=capacity_bytes, grace_ms=grace_ms
    )
    return journal.store, journal
