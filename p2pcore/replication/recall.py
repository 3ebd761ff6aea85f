"""How values that are on disk only come back, for whoever needs them.

Theory of operation. A request for a value that is not in memory waits, and is handled once more
when the value is there: as if it had come now. So nothing is read in the loop, and what happened
meanwhile is seen. Several that need one row wait for one read. What is being read is bounded by
MAX_READ_BYTES and MAX_READS, beyond which requests are refused as Busy.

A row that is not there as it was written is *damaged*. Where the value is in memory as well, it is
written again. Else the record is forgotten, here and on disk, and its key is a hole in what this
node answers for (`Ownership.lose`) until a sync has brought what the others have of it: it must not
say "missing" of what it has acknowledged.

What nobody asks for is looked at as well: SCRUB_SHARE of all records per minute, in the order of
keys, one step at a time and only while no request waits for the disk.

Rule: what an edge hands back was checked against its seal; here it is only told apart from what has
changed meanwhile.
"""

from collections.abc import Callable, Iterable
from functools import partial

from p2pcore.contact import point_of
from p2pcore.effects import Effect, Instant, Notice, Recall
from p2pcore.errors import BusyError
from p2pcore.ids import Key
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.refusals import refusal_of
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.session.manners import Handler, for_nodes
from p2pcore.storage.logged import Kept, LoggedStore
from p2pcore.storage.recent import starts_in
from p2pcore.storage.store import Saved
from p2pcore.wire.limits import MAX_VALUE_BYTES
from p2pcore.wire.messages import Draw, Fetch, FetchMany

__all__ = ["Recalls"]

MAX_READ_BYTES = 32 << 20  # being read at a time, with what waits for more of the same request
MAX_READS = 8192
SCRUB_SHARE = 0.01  # of all records, per minute
SCRUB_NS = 1_000_000_000  # between steps, at least
SCRUB_READS = 256  # in one step, at most
MINUTE_NS = 60_000_000_000

Then = Callable[[Instant], None]
Request = Fetch | FetchMany | Draw


class _Wait:
    """Somebody who needs some values, and those of them that are there."""

    __slots__ = ("left", "then", "values")

    def __init__(self, left: int, then: Then) -> None:
        self.left = left
        self.then = then
        self.values: list[tuple[Key, int, bytes]] = []


class Recalls:
    """What one node reads back from its disk."""

    def __init__(
        self, links: Links, effects: list[Effect], store: LoggedStore, ownership: Ownership
    ) -> None:
        self._links = links
        self._effects = effects
        self._store = store
        self._ownership = ownership
        self._reading: dict[int, tuple[Key, int, list[_Wait]]] = {}  # by row, with its bytes
        self._bytes = 0
        self._scrubbed = b""  # the last key that was looked at
        self._owed = 0.0  # records that are to be looked at by now
        self._on_hole: Then = _ignore
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns

    def serve(self, on_hole: Then) -> None:
        """Stand before those who answer from memory. `on_hole` is called when a record was lost,
        and the others are to be asked for it."""
        self._on_hole = on_hole
        handlers = self._links.handlers
        self._fetch, self._fetch_many = handlers[Fetch], handlers[FetchMany]
        self._draw = handlers[Draw]
        handlers |= {
            Fetch: self._on_fetch,
            FetchMany: self._on_fetch_many,
            Draw: for_nodes(self._links, self._on_draw),
        }

    # Who needs values

    def _on_fetch(self, link: Link, request: Fetch, now: Instant) -> None:
        key = Key(request.key)
        record = self._store.held(key)
        if isinstance(record, Kept) and record.is_cold:
            self._later(link, request, [key], now)
        else:
            self._store.touch(key)
            self._fetch(link, request, now)

    def _on_fetch_many(self, link: Link, request: FetchMany, now: Instant) -> None:
        self._answer(self._fetch_many, link, request, map(Key, request.keys), now)

    def _on_draw(self, link: Link, request: Draw, now: Instant) -> None:
        drawn = (self._store.first_with(start) for start in starts_in(request.keys))
        self._answer(self._draw, link, request, (key for key in drawn if key is not None), now)

    def _answer(
        self, handler: Handler, link: Link, request: Request, keys: Iterable[Key], now: Instant
    ) -> None:
        """With what is in memory of these, once that is as much as a reply takes."""
        cold = self._cold_of(keys, MAX_VALUE_BYTES)
        if cold:
            self._later(link, request, cold, now)
        else:
            handler(link, request, now)

    def _cold_of(self, keys: Iterable[Key], room_bytes: int) -> list[Key]:
        """Those whose values are on disk only, of as many as fit into so many bytes."""
        cold = []
        for key in keys:
            record = self._store.held(key)
            size = len(record.value or b"") if record is not None else 0
            if size <= room_bytes:
                room_bytes -= size
                if isinstance(record, Kept) and record.is_cold:
                    cold.append(key)
        return cold

    def _later(self, link: Link, request: Request, keys: list[Key], now: Instant) -> None:
        if self._bytes > MAX_READ_BYTES or len(self._reading) > MAX_READS:
            text = f"{self._bytes} bytes are being read from disk, {MAX_READ_BYTES} may"
            self._links.reply(link, refusal_of(request.id, BusyError(text)))
        else:
            self.bring(keys, partial(self._again, link, request), now)

    def _again(self, link: Link, request: Request, now: Instant) -> None:
        self._links.handlers[type(request)](link, request, now)
        self._links.own.settle(now)

    def bring(self, keys: Iterable[Key], then: Then, now: Instant) -> None:
        """Have these values in memory, as far as they are there at all, and call back: now, if that
        needs no disk. They stay for the call; afterwards they may go again."""
        wait = _Wait(0, then)
        for key in keys:
            record = self._store.held(key)
            if isinstance(record, Kept) and record.is_cold:
                wait.left += 1
                self._read(key, record, wait)
        if not wait.left:
            then(now)

    def _read(self, key: Key, record: Kept, *waits: _Wait) -> None:
        row = record.row
        if row not in self._reading:
            size = len(record.value or b"")
            self._reading[row] = key, size, []
            self._bytes += size
            self._effects.append(Recall(row, key))
        self._reading[row][2].extend(waits)

    # What the edge says

    def recalled(self, row: int, saved: Saved | None, now: Instant) -> bool:
        """This is what the disk has in a row. None: nothing, or not what was written. Returns
        whether it is what should be there."""
        reading = self._reading.pop(row, None)
        if reading is None:
            return True
        key, size, waits = reading
        self._bytes -= size
        self._links.counters.values_recalled += 1
        record, sound = self._store.held(key), True
        if isinstance(record, Kept) and record.row == row:  # else it has changed meanwhile
            if saved is None or (saved.key, saved.version) != (key, record.version):
                sound = False
                self._damaged(key, record, now)
            elif saved.value is not None:
                for wait in waits:
                    wait.values.append((key, row, saved.value))
        for wait in waits:
            wait.left -= 1
            if not wait.left:
                self._go_on(wait, now)
        self._store.trim()
        return sound

    def _go_on(self, wait: _Wait, now: Instant) -> None:
        for key, row, value in wait.values:
            self._store.warm(key, row, value)
        wait.then(now)

    def _damaged(self, key: Key, record: Kept, now: Instant) -> None:
        self._links.counters.values_damaged += 1
        if not record.is_cold:
            self._store.write_again(key, record.row)
            return
        self._store.lose(key)
        self._ownership.lose(point_of(key))
        text = f"the record of key {key.hex()} is damaged on disk: it is dropped, and pulled anew"
        self._effects.append(Notice(text))
        self._on_hole(now)

    # What nobody asks for

    def handle_timer(self, now: Instant) -> None:
        """Look at some records."""
        if self.wake_at_ns is None or now.mono_ns < self.wake_at_ns:
            return
        pause_ns = self._pause_ns()
        self.wake_at_ns = now.mono_ns + pause_ns
        if self._reading:
            return  # somebody waits for the disk
        self._owed += len(self._store) * SCRUB_SHARE * pause_ns / MINUTE_NS
        self._owed = min(self._owed, SCRUB_READS)
        count = int(self._owed)
        if count:
            self._owed -= count
            self._scrub(count)

    def start(self, now: Instant) -> None:
        """From now on, records are looked at."""
        self.wake_at_ns = now.mono_ns + SCRUB_NS

    def _pause_ns(self) -> int:
        """Until about one more is to be looked at; a minute at most, while there are none."""
        share_ns = MINUTE_NS / SCRUB_SHARE / max(1, len(self._store))
        return min(MINUTE_NS, max(SCRUB_NS, round(share_ns)))

    def _scrub(self, count: int) -> None:
        keys = self._store.keys_after(self._scrubbed, count)
        self._scrubbed = keys[-1] if len(keys) == count else b""
        for key in keys:
            record = self._store.held(key)
            if isinstance(record, Kept) and record.value and record.row <= self._store.synced:
                self._read(key, record)


def _ignore(now: Instant) -> None:
    """What the hook does until somebody listens."""
