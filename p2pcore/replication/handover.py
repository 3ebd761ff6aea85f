"""How a node gives up records: once those that they belong to have confirmed that they have them.

Theory of operation. A *sweep* goes through the store in the order of keys, STEP_LOOKS of them in a
turn of the loop however many there are, and gathers records of which this node is no replica any
more. The N closest nodes of each are asked whether they hold that version or a newer one and count
for it (`Confirm`). What somebody lacks is sent to it (`StoreMany`) and asked about again. A record
is dropped when all N have confirmed it, and never before; what is still here at the end of a sweep
is looked at again in the next. So a record has N ready holders, or this one as well.

A node that leaves on purpose does the same with all that it holds, except that it does not wait for
the others to be ready: it may go when N others hold each record, since those who take its place
become ready from the replicas that stay (`sync.py`).

Rule: a record leaves the store only here and in `RecordStore.expire`.
"""

from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Instant, earliest
from p2pcore.errors import P2PError, ProtocolError
from p2pcore.ids import Key, NodeId
from p2pcore.overlay.directory import Directory, Placed
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.session.link import Call
from p2pcore.session.links import Links
from p2pcore.storage.memory import RECORD_OVERHEAD_BYTES
from p2pcore.storage.store import RecordStore
from p2pcore.versions import Version
from p2pcore.wire.limits import MAX_BATCH_BYTES
from p2pcore.wire.messages import (
    Confirm,
    Confirmed,
    Entry,
    Message,
    Reply,
    StoredMany,
    StoreItem,
    StoreMany,
)

__all__ = ["Handover"]

AFTER_CHANGE_NS = 1_500_000_000  # those who take over need a moment to become ready
SWEEP_NS = 30_000_000_000  # between sweeps when nothing has changed
FIRST_RETRY_NS = 500_000_000  # between sweeps while something is left
STEP_NS = 5_000_000  # between the steps of a sweep: they must not add up to a pause
STEP_LOOKS = 256  # records looked at in one step: 0.3 ms, which is less than a read takes
STEP_RECORDS = 256  # of those, to be given up: placing and asking takes some 5 us for each
STEP_TIMEOUT_NS = 3_000_000_000  # for one answer
ROUNDS = 3  # of asking and sending, for one step; the rest is left to the next sweep

Over = Callable[[Instant], None]
Bring = Callable[[Iterable[Key], Over, Instant], None]


class _Part(Call):
    """What is asked of one of the nodes that take over: confirm, take, confirm again."""

    __slots__ = ("_round", "_step", "contact", "entries", "lacking", "unready")

    def __init__(self, step: "_Step", contact: Contact) -> None:
        super().__init__(0, 0)
        self.contact = contact
        self.entries: list[Entry] = []
        self.lacking: dict[int, None] = {}  # places in `entries`
        self.unready: dict[int, None] = {}
        self._step = step
        self._round = 0

    def confirm(self, now: Instant) -> None:
        self._round += 1
        self._ask(lambda call_id: Confirm(call_id, self.entries), now)

    def replied(self, node_id: NodeId, reply: Reply, now: Instant) -> None:
        if isinstance(reply, Confirmed):
            self.lacking = dict.fromkeys(reply.lacking)
            self.unready = dict.fromkeys(reply.unready)
            if self.lacking and self._round < ROUNDS:
                self._step.handover.push(self, now)
            else:
                self._step.part_over(self, now)
        elif isinstance(reply, StoredMany):
            self.confirm(now)
        else:
            self._fail(now)

    def failed(self, node_id: NodeId, error: P2PError, now: Instant) -> None:
        if isinstance(error, ProtocolError):
            self._step.handover.avoid(self.contact)
        self._fail(now)

    def expired(self, now: Instant) -> None:
        self._fail(now)

    def _fail(self, now: Instant) -> None:
        self.lacking = dict.fromkeys(range(len(self.entries)))
        self._step.part_over(self, now)

    def send(self, items: list[StoreItem], now: Instant) -> None:
        if self._step.ended:
            return
        if items:
            self._ask(lambda call_id: StoreMany(call_id, items), now)
        else:
            self._step.part_over(self, now)  # gone from here meanwhile: expired, or newer

    def _ask(self, question: Callable[[int], Message], now: Instant) -> None:
        links = self._step.handover.links
        links.drop(self)
        self.id = links.new_call_id()
        self.due_ns = now.mono_ns + STEP_TIMEOUT_NS
        links.ask(self, [self.contact], question(self.id), now)


class _Step:
    """Some records, and all the nodes that are to have them."""

    __slots__ = ("_entries", "_open", "_parts", "_unplaced", "ended", "handover")

    def __init__(self, handover: "Handover", entries: list[Entry]) -> None:
        self.handover = handover
        self._entries = entries
        self._unplaced: dict[bytes, None] = {}  # keys whose heirs could not be found
        self._parts: dict[NodeId, _Part] = {}
        self._open = 0  # places, then parts, that are waited for
        self.ended = False

    def begin(self, now: Instant) -> None:
        self._open = len(self._entries)
        for entry in self._entries:
            self.handover.place(entry, partial(self._placed, entry), now)

    def _placed(self, entry: Entry, heirs: list[Contact] | P2PError, now: Instant) -> None:
        if self.ended:
            return
        if isinstance(heirs, P2PError) or len(heirs) < self.handover.fewest:
            self._unplaced[entry.key] = None
        else:
            for contact in heirs:
                part = self._parts.get(contact.node_id)
                if part is None:
                    part = self._parts[contact.node_id] = _Part(self, contact)
                part.entries.append(entry)
        self._open -= 1
        if not self._open:
            self._ask(now)

    def _ask(self, now: Instant) -> None:
        self._open = len(self._parts)
        for part in list(self._parts.values()):
            part.confirm(now)
        if not self._parts:  # nobody else is there
            left = [entry for entry in self._entries if entry.key in self._unplaced]
            self.handover.step_over(left, [], now)

    def end(self) -> None:
        self.ended = True
        for part in self._parts.values():
            self.handover.links.enough(part)

    def part_over(self, part: _Part, now: Instant) -> None:
        self.handover.links.drop(part)
        self._open -= 1
        if self._open:
            return
        missing = dict(self._unplaced)
        for each in self._parts.values():
            places = each.lacking if self.handover.leaving else each.lacking | each.unready
            missing |= {each.entries[place].key: None for place in places}
        left = [entry for entry in self._entries if entry.key in missing]
        done = [entry for entry in self._entries if entry.key not in missing]
        self.handover.step_over(left, done, now)


class Handover:
    """Gives up what is not this node's to keep.

    Args:
        bytes_per_s: how fast records may be sent, on average, except when leaving.
    """

    def __init__(
        self,
        links: Links,
        directory: Directory,
        ownership: Ownership,
        store: RecordStore,
        rng: Random,
        *,
        bytes_per_s: int,
    ) -> None:
        self.links = links
        self.bring: Bring = lambda keys, then, now: then(now)
        """Has values in memory that may be on disk, and calls back."""
        self._directory = directory
        self._ownership = ownership
        self._store = store
        self._rng = rng
        self._bytes_per_s = bytes_per_s
        self._step: _Step | None = None
        self._after = b""  # the last key that the sweep has looked at
        self._swept = False  # whether that was the last of all
        self._left = False  # whether this sweep had to leave something
        self._retries = 0
        self._avoided: dict[NodeId, None] = {}  # while leaving: their answers are false
        self._paid_ns = 0  # what was sent is paid for by then
        self._next_ns: int | None = None  # the next step or sweep
        self._leave_by_ns: int | None = None
        self._gone: Over | None = None  # while leaving

    @property
    def leaving(self) -> bool:
        """True if everything is handed over."""
        return self._gone is not None

    @property
    def fewest(self) -> int:
        """How many have to hold a record before we may give it up."""
        return 0 if self.leaving else self._ownership.replicas

    @property
    def wake_at_ns(self) -> int | None:
        """When `handle_timer` has work, in monotonic ns."""
        if self._leave_by_ns is None:
            return self._next_ns
        return earliest(self._next_ns, self._leave_by_ns)

    def start(self, now: Instant) -> None:
        """This node is in the overlay."""
        self._next_ns = now.mono_ns + round(SWEEP_NS * self._rng.uniform(0.75, 1.25))

    def membership_changed(self, now: Instant) -> None:
        """Somebody joined, or was lost: what we hold may be others' to keep."""
        if self._next_ns is not None and not self.leaving:
            self._retries = 0
            due_ns = now.mono_ns + round(AFTER_CHANGE_NS * self._rng.uniform(0.75, 1.25))
            self._next_ns = min(self._next_ns, due_ns)

    def leave(self, now: Instant, deadline_ns: int, gone: Over) -> None:
        """Hand over everything; calls back when that is done, or at the deadline."""
        if self._step is not None:
            self._step.end()
            self._step = None
        self._gone = gone
        self._leave_by_ns = deadline_ns
        self._begin()
        self._go_on(now)

    def handle_timer(self, now: Instant) -> None:
        """Take the next step; or give up leaving in good order."""
        if self._leave_by_ns is not None and now.mono_ns >= self._leave_by_ns:
            self._finish(now)
        elif self._next_ns is not None and now.mono_ns >= self._next_ns and self._step is None:
            self._go_on(now)

    # Steps

    def _begin(self) -> None:
        """Another sweep."""
        self._after = b""
        self._swept = self._left = False

    def _go_on(self, now: Instant) -> None:
        """Gather some records that are to be given up, and offer them."""
        self._next_ns = None
        if self.leaving and not self._directory.closest_known(0, 1):
            self._finish(now)  # nobody else is there
            return
        entries = self._gather()
        if entries:
            self._step = _Step(self, entries)
            self._step.begin(now)
        else:
            self._plan(now)

    def _gather(self) -> list[Entry]:
        """The next records that are others' to keep, of the next few of all."""
        count = STEP_RECORDS if self.leaving else STEP_LOOKS
        keys = self._store.keys_after(self._after, count)
        self._swept = len(keys) < count
        if keys:
            self._after = keys[-1]
        entries = self._extras(keys)
        if len(entries) > STEP_RECORDS:
            del entries[STEP_RECORDS:]
            self._after, self._swept = entries[-1].key, False
        return entries

    def _extras(self, keys: list[Key]) -> list[Entry]:
        """Those of these that are others' to keep."""
        extras = []
        for key in keys:
            record = self._store.held(key)
            if record is not None and self._is_anothers(key):
                extras.append(Entry(key, record.version, record.lasts_ms))
        return extras

    def _is_anothers(self, key: bytes) -> bool:
        return self._ownership.standing(point_of(key)) is Standing.NOT_REPLICA

    def step_over(self, left: list[Entry], done: list[Entry], now: Instant) -> None:
        """Every node that was asked has answered, or will not."""
        self._step = None
        self._left = self._left or bool(left)
        for entry in left:
            self._directory.invalidate(point_of(entry.key), now)
        if not self.leaving:
            for entry in done:
                # A change meanwhile may have made the record ours again, or it has a newer version.
                key, version = Key(entry.key), Version(entry.version)
                if self._is_anothers(key) and self._store.drop(key, version):
                    self.links.counters.records_dropped += 1
        self._plan(now)

    def _plan(self, now: Instant) -> None:
        """When to take the next step. Never at once: this may be the answer to the last one, and
        steps that end within a turn would make one long turn of a whole sweep."""
        if not self._swept:
            self._next_ns = (
                now.mono_ns if self.leaving else max(now.mono_ns + STEP_NS, self._paid_ns)
            )
            return
        left = self._left
        self._begin()
        if self.leaving and not left:
            self._finish(now)
            return
        self._retries = self._retries + 1 if left else 0
        retry_ns = min(SWEEP_NS, FIRST_RETRY_NS << min(self._retries, 10))
        if self.leaving:
            retry_ns = STEP_NS
        delay_ns = retry_ns if left else SWEEP_NS
        self._next_ns = now.mono_ns + round(delay_ns * self._rng.uniform(0.75, 1.25))

    def _finish(self, now: Instant) -> None:
        if self._step is not None:
            self._step.end()
            self._step = None
        self._next_ns = self._leave_by_ns = None
        gone, self._gone = self._gone, None
        if gone is not None:
            gone(now)

    # What steps need

    def place(self, entry: Entry, placed: Placed, now: Instant) -> None:
        """Find out who is to hold a record that we give up: as many as there are, up to N. In a
        network larger than our table, those closest to a distant key are looked up."""
        point, count = point_of(entry.key), self._ownership.replicas
        known = self._directory.replicas(point, count, now)
        if known is not None:
            placed(self._heirs(known), now)
        else:
            self._directory.locate(
                point, count, now, lambda found, now: placed(self._heirs(found), now)
            )

    def _heirs(self, found: list[Contact] | P2PError) -> list[Contact] | P2PError:
        if not self._avoided or isinstance(found, P2PError):
            return found
        return [contact for contact in found if contact.node_id not in self._avoided]

    def avoid(self, contact: Contact) -> None:
        """This one answers what no honest node does. Who stays asks it again in the next sweep; who
        leaves does not wait for it: the other heirs have the records, and are copied from."""
        if self.leaving:
            self._avoided[contact.node_id] = None

    def push(self, part: _Part, now: Instant) -> None:
        """Have what a node lacks of a step sent to it, as much as fits into one message."""
        self.links.drop(part)  # it is asked nothing while the disk is
        keys: list[Key] = []
        size = 0
        for place in part.lacking:
            key = Key(part.entries[place].key)
            record = self._store.held(key)
            if record is not None:
                size += len(record.value or b"") + len(record.name or b"")
                if keys and size > MAX_BATCH_BYTES:
                    break
                keys.append(key)
        self.bring(keys, lambda now: part.send(self._items(keys, now), now), now)

    def _items(self, keys: list[Key], now: Instant) -> list[StoreItem]:
        items: list[StoreItem] = []
        for key in keys:
            record = self._store.held(key)
            if record is not None and not record.is_cold:  # it may have changed meanwhile
                ends_ms = record.expires_ms
                items.append(StoreItem(key, record.version, record.value, ends_ms, record.name))
        sent = sum(RECORD_OVERHEAD_BYTES + len(item.value or b"") for item in items)
        self._paid_ns = max(self._paid_ns, now.mono_ns) + sent * 1_000_000_000 // self._bytes_per_s
        self.links.counters.records_pushed += len(items)
        self.links.counters.repair_bytes += sent
        return items
