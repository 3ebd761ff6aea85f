"""How a replica serves: it keeps what is its, and says whether that counts.

What a message holds as key and version has the right length, or it would not have been decoded. It
is taken for a `Key` or `Version` without calling these types, which costs more than the look-up.

Rule: every request is answered from what is here, and at once, but that with a disk a promise to
keep something waits until it is synced (`journal.py`). Whether this node is a replica of a key, and
counts, is one look-up in `ownership.py`.
"""

from collections.abc import Callable
from typing import cast

from p2pcore.contact import point_of
from p2pcore.effects import LONG_DELAY, Instant, is_spent
from p2pcore.errors import RefusedError
from p2pcore.ids import Key
from p2pcore.overlay.directory import Directory
from p2pcore.replication.naming import NameServer, is_false_name
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.replication.refusals import refusal_of
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.session.manners import for_nodes
from p2pcore.storage.memory import TALLY_RECORDS, Record
from p2pcore.storage.recent import starts_in
from p2pcore.storage.store import RecordStore
from p2pcore.versions import LAST_MS, Version, version_at, wall_ms_of
from p2pcore.wire.limits import MAX_VALUE_BYTES
from p2pcore.wire.messages import (
    Draw,
    Drawn,
    Failed,
    Fetch,
    FetchMany,
    Found,
    FoundItem,
    FoundMany,
    Missing,
    NotReady,
    NotReplica,
    Reason,
    Reply,
    Stale,
    Store,
    Stored,
    StoredMany,
    StoreItem,
    StoreMany,
)

__all__ = ["Replica"]

TIDY_NS = 1_000_000_000  # how late an expired record may free its memory
JUMP_MS = 1000  # of the time of day between two looks; slewing is below 0.1 s in a second
STEADY_NS = 300_000_000_000
"""So long after a jump no value is let go of because its time is over: the clock may jump back. As
long as ntpd wants to see an offset before it believes in it (its setting stepout)."""
TALLIED_AT_ONCE = 128  # 0.4 ms where 300,000 records are held, which are not in any cache
SLICE_NS = 2_000_000  # between slices where many have to be seen to: four times what one takes

_number = int.from_bytes  # `point_of`, without a call in between
NOT_REPLICA, READY = Standing.NOT_REPLICA, Standing.READY


class Replica:
    """Answers stores and fetches; registers its handlers with the links.

    Args:
        max_offset_ms: versions further ahead of our time of day than this are refused.
        promise: sends an answer by which others count on what is held here.
    """

    def __init__(
        self,
        links: Links,
        directory: Directory,
        ownership: Ownership,
        store: RecordStore,
        *,
        max_offset_ms: int,
        promise: Callable[[Link, Reply], None],
    ) -> None:
        self._links = links
        self._directory = directory
        self._ownership = ownership
        self._store = store
        self._promise = promise
        self._max_offset_ms = max_offset_ms
        self._counters = links.counters
        self._believed_ms = -1  # nobody's time of day
        self._too_new = version_at(0)
        self._offset_ms: int | None = None  # of the time of day from the monotonic clock
        self._steady_ns = 0  # from then on what the time of day says is believed
        self.on_jump: Callable[[Instant], None] = _ignore
        """Called when the time of day has jumped: what was refused, or has expired, may be ours."""
        self.wake_at_ns: int | None = None  # when `handle_timer` has work, in monotonic ns
        NameServer(links, store, ownership)
        links.handlers |= {
            Store: self._on_store,
            Fetch: self._on_fetch,
            StoreMany: self._on_store_many,
            FetchMany: self._on_fetch_many,
            Draw: for_nodes(links, self._on_draw),
        }

    def handle_timer(self, now: Instant) -> None:
        """Free the memory of records whose time is over, and do the store's bookkeeping. To be
        called whenever the node is woken, for the sake of its clocks."""
        self._watch_clock(now)
        if self.wake_at_ns is not None and now.mono_ns >= self.wake_at_ns:
            steady = now.mono_ns >= self._steady_ns
            if steady:
                self._store.expire(now.wall_ms)
            self._store.tally(TALLIED_AT_ONCE)
            self.wake_at_ns = None
            end_ms = self._store.next_end_ms()
            more = len(self._store.untallied) >= TALLIED_AT_ONCE
            if more or (steady and end_ms is not None and end_ms <= now.wall_ms):
                self.wake_at_ns = now.mono_ns + SLICE_NS
            self.tidy_later(now)

    def _watch_clock(self, now: Instant) -> None:
        """Notice when the time of day jumps."""
        offset_ms = now.wall_ms - now.mono_ns // 1_000_000
        before_ms = offset_ms if self._offset_ms is None else self._offset_ms
        if not -JUMP_MS <= offset_ms - before_ms <= JUMP_MS:
            self._steady_ns = now.mono_ns + STEADY_NS
            self.on_jump(now)
        self._offset_ms = offset_ms

    def tidy_later(self, now: Instant) -> None:
        """The store has changed, and there may be records whose time will be over."""
        untallied = self._store.untallied
        if len(untallied) >= TALLY_RECORDS:
            soon_ns = now.mono_ns + SLICE_NS
            self.wake_at_ns = min(self.wake_at_ns or soon_ns, soon_ns)
        elif self.wake_at_ns is None and (untallied or self._store.next_end_ms() is not None):
            self.wake_at_ns = now.mono_ns + TIDY_NS

    def _too_late(
        self, link: Link, request: Store | Fetch | StoreMany | FetchMany, now: Instant
    ) -> bool:
        """Whether nobody waits for the answer any more: then there is none."""
        if not is_spent(request.budget, now.delay) or link.peer_id == self._links.self_id:
            return False
        self._links.counters.requests_too_late += 1
        return True

    def _on_store(self, link: Link, request: Store, now: Instant) -> None:
        if now.delay >= LONG_DELAY and self._too_late(link, request, now):
            return
        self._counters.stores += 1
        key: Key = request.key  # type: ignore[assignment]
        standing = self._ownership.standing(_number(key))
        if standing is NOT_REPLICA:
            self._not_replica(link, request.id, key, now)
            return
        if now.wall_ms != self._believed_ms:
            self._believe_at(now.wall_ms)
        if request.version >= self._too_new:
            ahead_ms = wall_ms_of(request.version) - now.wall_ms
            text = (
                f"the version is {ahead_ms} ms ahead of this node's clock, "
                f"the limit is {self._max_offset_ms} ms"
            )
            self._links.reply(link, Failed(request.id, Reason.CLOCK_OFFSET, text, now.delay))
            return
        name = request.name
        if name is not None and is_false_name(key, name):
            text = "the record's key is not the hash of its name"
            self._links.reply(link, Failed(request.id, Reason.MISBEHAVED, text))
            return
        version: Version = request.version  # type: ignore[assignment]
        record = Record(version, request.value, request.expires_ms, name)
        store = self._store
        try:
            newer = store.put(key, record, now.wall_ms)
        except RefusedError as error:
            self._links.reply(link, refusal_of(request.id, error, now.delay))
            return
        if self.wake_at_ns is None or len(store.untallied) >= TALLY_RECORDS:
            self.tidy_later(now)
        if newer is not None:
            self._links.reply(link, Stale(request.id, newer, now.delay))
        elif request.expires_ms and self._is_long_over(record, now):
            over_ms = now.wall_ms - request.expires_ms
            text = (
                f"the record's time was over {over_ms} ms ago by this node's clock, "
                f"the limit is {self._max_offset_ms} ms"
            )
            self._links.reply(link, Failed(request.id, Reason.CLOCK_OFFSET, text, now.delay))
        elif standing is READY:
            self._promise(link, Stored(request.id, now.delay))
        else:
            self._not_ready(link, request.id, now)

    def _believe_at(self, wall_ms: int) -> None:
        """At this time of day, versions from `_too_new` on are further ahead than the limit."""
        self._believed_ms = wall_ms
        first_ms = wall_ms + self._max_offset_ms + 1
        self._too_new = version_at(min(max(first_ms, 0), LAST_MS))

    def _is_long_over(self, record: Record, now: Instant) -> bool:
        """Whether, by this clock, a record was sent so long after its end that a clock is wrong. It
        is kept, but this copy does not last, and must not count."""
        return record.value is not None and (
            0 < record.expires_ms < now.wall_ms - self._max_offset_ms
        )

    def _on_fetch(self, link: Link, request: Fetch, now: Instant) -> None:
        if now.delay >= LONG_DELAY and self._too_late(link, request, now):
            return
        self._counters.fetches += 1
        key: Key = request.key  # type: ignore[assignment]
        standing = self._ownership.standing(_number(key))
        if standing is not READY:
            self._declined(link, request.id, key, standing, now)
            return
        record = self._store.get(key, now.wall_ms)
        if record is None:
            self._links.reply(link, Missing(request.id, now.delay))
        else:
            version, value, expires_ms = record.version, record.value, record.expires_ms
            found = Found(request.id, version, value, expires_ms, now.delay, record.name)
            self._links.reply(link, found)

    def _on_store_many(self, link: Link, request: StoreMany, now: Instant) -> None:
        if now.delay >= LONG_DELAY and self._too_late(link, request, now):
            return
        self._counters.stores += len(request.items)
        self._believe_at(now.wall_ms)
        others = [place for place, item in enumerate(request.items) if not self._took(item, now)]
        self.tidy_later(now)
        self._promise(link, StoredMany(request.id, others, now.delay))

    def _took(self, item: StoreItem, now: Instant) -> bool:
        """Store one item of a batch; whether that counts. If not: why is told when it comes again
        on its own."""
        if item.version >= self._too_new:
            return False
        standing = self._ownership.standing(_number(item.key))
        if standing is NOT_REPLICA:
            return False
        if item.name is not None and is_false_name(item.key, item.name):
            return False
        version: Version = item.version  # type: ignore[assignment]
        key: Key = item.key  # type: ignore[assignment]
        record = Record(version, item.value, item.expires_ms, item.name)
        try:
            newer = self._store.put(key, record, now.wall_ms)
        except RefusedError:
            return False
        if newer is not None or standing is not READY:
            return False
        return not (record.expires_ms and self._is_long_over(record, now))

    def _on_fetch_many(self, link: Link, request: FetchMany, now: Instant) -> None:
        if now.delay >= LONG_DELAY and self._too_late(link, request, now):
            return
        self._links.counters.fetches += len(request.keys)
        items: list[FoundItem | None] = []
        others: list[int] = []
        room = MAX_VALUE_BYTES  # a reply is one frame
        held = request.held and link.contact is not None
        get, get_held, standing = self._store.get, self._store.held, self._ownership.standing
        wall_ms = now.wall_ms
        for place, key in enumerate(cast(list[Key], request.keys)):
            record = get_held(key) if held else get(key, wall_ms)
            item, size = None, 0
            if record is not None:
                value, name = record.value, record.name
                item = FoundItem(record.version, value, record.expires_ms, name)
                size = (len(value) if value else 0) + (len(name) if name else 0)
            if size > room or not (held or standing(_number(key)) is READY):
                others.append(place)
                item = None
            else:
                room -= size
            items.append(item)
        self._links.reply(link, FoundMany(request.id, items, others, now.delay))

    def _on_draw(self, link: Link, request: Draw, now: Instant) -> None:
        items: list[StoreItem | None] = []
        others: list[int] = []
        room = MAX_VALUE_BYTES
        for place, start in enumerate(starts_in(request.keys)):
            key = self._store.first_with(start)
            record = self._store.held(key) if key is not None else None
            size = len(record.value or b"") + len(record.name or b"") if record else 0
            if key is None or record is None or size > room:
                items.append(None)
                others += [] if record is None else [place]
                continue
            room -= size
            ends_ms = record.expires_ms
            items.append(StoreItem(key, record.version, record.value, ends_ms, record.name))
        self._links.counters.fetches += len(items)
        self._links.reply(link, Drawn(request.id, items, others))

    def _declined(
        self, link: Link, request_id: int, key: Key, standing: Standing, now: Instant
    ) -> None:
        if standing is NOT_REPLICA:
            self._not_replica(link, request_id, key, now)
        else:
            self._not_ready(link, request_id, now)

    def _not_replica(self, link: Link, request_id: int, key: Key, now: Instant) -> None:
        """This node is no replica of the key; the peer is told who may be."""
        closest = self._directory.closest_known(point_of(key), self._ownership.replicas)
        contacts = [contact.on_wire() for contact in closest]
        self._links.reply(link, NotReplica(request_id, contacts, now.delay))

    def _not_ready(self, link: Link, request_id: int, now: Instant) -> None:
        self._links.counters.not_ready += 1
        self._links.reply(link, NotReady(request_id, now.delay))


def _ignore(now: Instant) -> None:
    """What the hook does until somebody listens."""
