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

Rule: knows no file; an edge says what has become of each change, in order.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Effect, Instant, Notice, Persist, earliest
from p2pcore.errors import (
    BusyError,
    ConfigError,
    RefusedError,
    StorageBrokenError,
    StorageFullError,
)
from p2pcore.ids import Key
from p2pcore.replication.handover import Handover
from p2pcore.replication.notes import CLOCK_KEY, LEASE_MS, MEMBERS_KEY, Notes
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.recall import Recalls
from p2pcore.replication.refusals import refusal_of
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.storage.logged import LoggedStore
from p2pcore.storage.memory import MemoryStore, Record
from p2pcore.storage.store import RecordStore, Row, Saved
from p2pcore.versions import HybridClock, Version
from p2pcore.wire.messages import Reply

__all__ = ["CLOCK_KEY", "LEASE_MS", "MEMBERS_KEY", "Journal", "storage"]

RETRY_NS = 1_000_000_000  # between attempts to write what did not fit
MAX_UNSYNCED_BYTES = 64 << 20  # beyond it, the disk can't keep up and stores are refused as Busy
MAX_WAITING = 65_536  # answers; some 200 bytes each
CHANGE_BYTES = 200  # what a change takes beside its value
LEASE_NS = LEASE_MS * 1_000_000
TOO_SMALL = "max_store_bytes is too small for what is on disk"

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
        capacity_bytes, grace_ms, cache_bytes: of the store, see `LoggedStore`.
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
        cache_bytes: int = 1 << 62,
    ) -> None:
        self._links = links
        self._effects = effects
        self._ownership = ownership
        self.store = LoggedStore(
            self,
            capacity_bytes=capacity_bytes,
            tombstone_grace_ms=grace_ms,
            cache_bytes=cache_bytes,
        )
        self.recalls = Recalls(links, effects, self.store, ownership)
        self.notes = Notes(clock, ownership, grace_ms, self.add)
        self.trouble: RefusedError | None = None
        """Why nothing is taken at present: the disk is full, or has failed."""
        self.damaged: list[bytes | int] = []
        """Keys, or rows, of records that came back from the disk otherwise than they were written.
        """
        self._written = 0  # the number of the last change: the last row
        self._over = 0  # the last one of which the edge has told what became of it
        self._unsynced: deque[tuple[Key, int]] = deque()  # keys and bytes of those between
        self._unsynced_bytes = 0
        self._numbers: dict[Key, int] = {}  # the last of each key that is not synced
        self._behind: dict[Key, int] = {}  # and the number of the change that did not fit
        self._low = self._high = 0  # what the next answer speaks of
        self._waiting: deque[_Held] = deque()
        self._settling: list[Settled] = []
        self._due_ns: int | None = None  # when the clock is written again, and what did not fit

    @property
    def wake_at_ns(self) -> int | None:
        """When `handle_timer` has work, in monotonic ns."""
        return earliest(self._due_ns, self.recalls.wake_at_ns)

    def take_part(
        self, handover: Handover, changed: Callable[[Instant, bool], None]
    ) -> tuple["Journal"]:
        """Stand before whoever needs values; `changed` is called when a record was lost, and the
        others are to be asked for it now (True)."""
        handover.bring = self.recalls.bring
        self.recalls.serve(lambda now: changed(now, True))
        return (self,)

    # What comes back from the disk, before the node joins

    def restore(self, saved: Iterable[Saved], now: Instant) -> None:
        """Take these back, in the order in which they were written. What is damaged is left out."""
        store = self.store
        for each in saved:
            self._written = max(self._written, each.row)
            if not each.is_sound:
                self.damaged.append(each.key)
            elif not self.notes.restore(each):
                record = Record(Version(each.version), each.value, each.expires_ms, each.name)
                try:
                    store.restore(Key(each.key), record, now.wall_ms, each.row)
                except StorageFullError as error:
                    raise ConfigError(f"{TOO_SMALL}: {error}") from None

    def take_back(self, rows: list[Row]) -> list[int]:
        """Take back records without their values, which were checked, in the order in which they
        were written; `taken_back` must follow. Returns rows that are not needed any more.

        Raises:
            ConfigError: it is too much.
        """
        try:
            return self.store.take_back(rows)
        except StorageFullError as error:
            raise ConfigError(f"{TOO_SMALL}: {error}") from None

    def taken_back(self, last_row: int) -> None:
        """That was all of them; no row is in use beyond the last."""
        self._written = last_row
        self.store.count_anew()

    def open(self, now: Instant) -> None:
        """All is back: begin.

        Raises:
            ConfigError: it is so old that deleted records would come back.
        """
        self._over = self.store.synced = self._written
        self.notes.in_doubt |= bool(self.damaged)
        self.notes.open(now)
        self._due_ns = now.mono_ns + LEASE_NS // 2
        self.recalls.start(now)

    def begin_empty(self) -> None:
        """The disk has nothing any more of what came back."""
        self.store.clear()
        self.notes.begin_empty()

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

    def add(self, key: Key, record: Record | None, replaces: int) -> int:
        """Have a change written."""
        self._written = number = self._written + 1
        behind = self._behind.pop(key, 0) if self._behind else 0
        replaces = replaces or behind or self._numbers.get(key, 0)
        if record is None:
            size = CHANGE_BYTES
            effect = Persist(number, key, None, None, 0, None, replaces)
        else:
            size = CHANGE_BYTES + len(record.value or b"")
            effect = Persist(
                number,
                key,
                record.version,
                record.value,
                record.expires_ms,
                record.name,
                replaces,
            )
        self._effects.append(effect)
        self._unsynced.append((key, size))
        self._unsynced_bytes += size
        self._numbers[key] = number
        self._speaks_of(number)
        return number

    def is_behind(self, key: Key) -> bool:
        """True if the disk had no room for what is held of this key. Where it is on its way there,
        the next answer waits for it."""
        number = self._numbers.get(key)
        if number is not None:
            self._speaks_of(number)
        return key in self._behind

    def _speaks_of(self, number: int) -> None:
        if not self._low or number < self._low:
            self._low = number
        if number > self._high:
            self._high = number

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
        self.store.synced = number
        self.store.trim()
        waiting = self._waiting
        while waiting and waiting[0].due <= number:
            held = waiting.popleft()
            self._links.reply_late(held.link, held.reply, now)
        if self.is_settled:
            self._settle(now)

    def refused(self, number: int, reason: str, now: Instant) -> None:
        """There was no room on disk for what is between the last number and this one."""
        first = self._over + 1
        for at, key in enumerate(self._forget(number), first):
            if key not in self._numbers:  # else something newer of it is on its way
                self._behind[key] = at
                self.store.pin(key)
        self.store.synced = number
        if self.trouble is None:
            self.trouble = StorageFullError(f"the disk is full: {reason}")
            self._effects.append(Notice(f"{self.trouble}; stores are refused until there is room"))
        self._due_ns = now.mono_ns + RETRY_NS
        self._refuse_waiting(first, number, now)

    def failed(self, reason: str, now: Instant) -> None:
        """The disk has failed: it is not known what is on it."""
        if isinstance(self.trouble, StorageBrokenError):
            return
        self.trouble = StorageBrokenError(f"the disk has failed: {reason}")
        self._due_ns = None
        self._settling.clear()
        self._effects.append(Notice(f"{self.trouble}; this node keeps nothing more, and leaves"))
        self._refuse_waiting(0, self._written, now)
        self._ownership.expelled()

    def handle_timer(self, now: Instant) -> None:
        """Try again what did not fit, keep the clock on disk ahead of the time, and look at what is
        there."""
        self.recalls.handle_timer(now)
        if self._due_ns is not None and now.mono_ns >= self._due_ns:
            for key, number in list(self._behind.items()):
                if not self.notes.write_again(key):
                    self.store.write_again(key, number)
            self._due_ns = now.mono_ns + LEASE_NS // 2
            self.notes.extend_lease(now)

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
        links,
        effects,
        clock,
        ownership,
        capacity_bytes=capacity_bytes,
        grace_ms=grace_ms,
        cache_bytes=config.cache_bytes,
    )
    return journal.store, journal
