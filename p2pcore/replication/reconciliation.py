"""Finding out what a source has that we lack: what to ask next, and what its answers say.

Theory of operation. The source is asked from the top down, and only where sums differ:

    Survey   the sum of all that we share; equal: done. Else the sums of 64 groups of slots.
    Sum      the sums of the 64 slots of each group that differs.
    Sketch   for slots that differ, a sketch of what we have: heads of the records that we lack, or
             the prints of all records where a sketch does not tell.
    Resolve  the heads of those whose prints we don't have.

A head tells which record it is, and whether it is newer than ours; it is then drawn (`pull.py`).
A slot of which we have nothing is listed, as it is with sources that know none of this.

After an absence the source is asked first for the heads of what was written meanwhile (`Recent`):
by whoever comes back with its records, at once; else where all groups differ. Whatever that gives,
the sums are compared after it, and they alone say that nothing is missing.

The questions are bounded by the number of slots, and their looks at records by MAX_LOOKS in each.

Rule: knows what to ask; does not ask it, and takes no records.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

from p2pcore.contact import Contact, point_of
from p2pcore.effects import Instant
from p2pcore.replication.custody import Custody, group_sums, salted, view_of
from p2pcore.replication.pull_context import PullContext
from p2pcore.replication.sketches import (
    MAX_CROWD,
    MAX_LOOKS,
    Numbers,
    best_part_bits,
    by_part,
    packed_slots,
    print_of,
    prints_in,
    records_in,
    sketch_of,
    slots_in,
)
from p2pcore.storage.recent import PAGES, heads_in
from p2pcore.storage.slots import SUM_MASK
from p2pcore.wire.limits import GROUPS, MAX_SKETCHED, SUM_BYTES
from p2pcore.wire.messages import (
    Heads,
    Message,
    Recent,
    Reply,
    Resolve,
    Sketch,
    Sketched,
    Sum,
    Summed,
    Survey,
)

__all__ = ["Reconciliation"]

MANY_GROUPS = GROUPS - 2  # that differ: some hundreds of records do
LONGEST_ABSENCE_MS = 600_000  # beyond which what was written is not remembered, under any load
SKEW_MS = 2_000  # between the clocks of those who wrote and ours
MAX_SLOTS = 64  # in one question

Question = Callable[[int], Message]


class Reconciliation:
    """With one source, in one session.

    Args:
        members: by which it is judged what is ours.
        absent: this node has come back with its records.
    """

    def __init__(
        self, context: PullContext, contact: Contact, members: list[bytes], *, absent: bool
    ) -> None:
        self.heads: list[tuple[int, int]] = []
        """Of records that we may lack."""
        self.listed: list[int] = []
        """Slots that are to be listed."""
        self._context = context
        self._contact = contact
        self._members = members
        self._view = view_of(members)
        self._absent = absent
        self._replayed = False
        self._again = False  # the sums are to be compared once more
        self._since_ms = 0
        self._salt = 0
        self._joint: Custody | None = None  # what both should have
        self._ours: Custody | None = None  # what we should
        self._numbers = Numbers(0)
        self._next: deque[Question] = deque()
        self._slots: deque[int] = deque()  # to be sketched
        self._part_bits: int | None = 0
        self._unresolved: deque[tuple[int, bytes]] = deque()

    def begin(self, now: Instant) -> None:
        """The first questions."""
        complete_ms = self._context.complete_ms(self._contact.node_id)
        if complete_ms and 0 <= now.wall_ms - complete_ms <= LONGEST_ABSENCE_MS:
            self._since_ms = max(0, complete_ms - SKEW_MS)
        told = self._context.told.get(self._contact.node_id) == self._view
        self._survey(name_members=not told)
        if self._absent and self._since_ms:
            self._replay()

    def name_members(self) -> None:
        """The source does not know by which members we judge."""
        self._survey(name_members=True)

    def _survey(self, *, name_members: bool) -> None:
        context = self._context
        replicas, own = context.ownership.replicas, context.links.self_id
        points = [point_of(member) for member in self._members]
        if self._joint is None or self._ours is None:
            self._joint = Custody(replicas, point_of(own), points, self._contact.point)
            self._ours = Custody(replicas, point_of(own), points)
        self._salt = context.rng.getrandbits(62) | 1
        self._numbers = Numbers(self._salt)
        self._again = False
        members = self._members if name_members else []
        ready, salt = context.ownership.was_here, self._salt
        root = sum(self._sums().values()) & SUM_MASK
        self._next.append(lambda id: Survey(id, ready, members, self._view, root, salt))

    def _sums(self) -> dict[int, int]:
        assert self._joint is not None
        return self._joint.sums(self._context.store)

    def _differing(self, sums: bytes, part: Callable[[dict[int, int]], list[int]]) -> list[int]:
        """The places at which the source has something that is neither the sum of what both should
        have nor of what we should: a source that is to hand over what is not its own any more has
        all of that in some slots."""
        assert self._ours is not None
        theirs = _cut(sums)
        joint = _cut(salted(part(self._sums()), self._salt))
        places = [at for at, each in enumerate(theirs) if each != joint[at] and any(each)]
        if not places:
            return []
        own = part(self._ours.sums(self._context.store))
        ours = _cut(salted([own[at] for at in places], self._salt))
        return [at for at, each in zip(places, ours, strict=True) if theirs[at] != each]

    def _replay(self) -> None:
        """What was written while we were away comes first, then the sums once more."""
        self._replayed = self._again = True
        for page in range(PAGES):
            self._next.append(partial(_recent, self._since_ms, page))

    # What to ask next

    @property
    def is_ready(self) -> bool:
        """True if there is a question that needs no look at records."""
        return bool(self._next)

    @property
    def is_at_work(self) -> bool:
        """True if there is something to be asked that is known already."""
        return bool(self._next or self._slots or self._unresolved)

    def question(self) -> Question | None:
        """The next question. None: nothing, until something is answered."""
        if self._next:
            return self._next.popleft()
        if self._slots:
            return self._sketch()
        if self._unresolved:
            return self._resolve()
        return None

    def go_on(self) -> bool:
        """All is answered and taken; returns whether there is another question."""
        if self._again:
            self._survey(name_members=False)
        return self.is_at_work

    def _sketch(self) -> Question | None:
        assert self._ours is not None
        slots: list[int] = []
        sketches: list[bytes] = []
        looks, bits = 0, self._part_bits
        store = self._context.store
        most = min(MAX_SLOTS, MAX_SKETCHED >> (bits or 0))
        while self._slots and len(slots) < most:
            count = store.count(self._slots[0])
            looks += count
            if slots and looks > MAX_LOOKS:
                break
            slot = self._slots.popleft()
            if not 0 < count <= MAX_CROWD:
                self.listed.append(slot)
                continue
            slots.append(slot)
            if bits is not None:
                for part in by_part(records_in(store, self._ours, slot), slot, bits):
                    sketches.append(sketch_of([self._numbers.of(*pair) for pair in part]))
        packed, joined = packed_slots(slots), b"".join(sketches)
        return (lambda id: Sketch(id, bits or 0, packed, joined)) if slots else self.question()

    def _resolve(self) -> Question:
        bits = self._part_bits or 0
        prints: list[tuple[int, bytes]] = []
        looks = 0
        while self._unresolved:
            looks += 1 + self._context.store.count(self._unresolved[0][0] >> bits)
            if prints and looks > MAX_LOOKS:
                break
            prints.append(self._unresolved.popleft())
        return lambda id: Resolve(id, bits, prints)

    # What the answers say

    def told(self) -> None:
        """The source knows by which members we judge."""
        self._context.told[self._contact.node_id] = self._view

    def on_sums(self, sums: bytes) -> None:
        """The answer to a Survey: the sums of all groups, or none where all is equal."""
        if self._again and sums:
            return  # what was written meanwhile is on its way
        if not sums:
            self._again = False
            return
        groups = self._differing(sums, group_sums)
        if len(groups) >= MANY_GROUPS and self._since_ms and not self._replayed:
            self._replay()
        elif groups:
            asked = bytes(groups)
            self._next.append(lambda id: Sum(id, asked))

    def on_reply(self, question: Message | None, reply: Reply) -> None:
        """The answer to another question."""
        if isinstance(question, Sum) and isinstance(reply, Summed):
            self._on_summed(question, reply)
        elif isinstance(question, Sketch) and isinstance(reply, Sketched):
            self._on_sketched(question, reply)
        elif isinstance(reply, Heads):
            differing = 0
            if isinstance(question, Resolve):
                differing = 1
                self._unresolved.extend(question.prints[reply.done :])
            self._take_heads(reply.heads, differing)

    def _on_summed(self, question: Sum, reply: Summed) -> None:
        slots = [
            slot
            for group in question.groups
            for slot in range(group * GROUPS, (group + 1) * GROUPS)
        ]
        places = self._differing(reply.sums, lambda sums: [sums.get(slot, 0) for slot in slots])
        differing = [slots[at] for at in places]
        counts = [self._context.store.count(slot) for slot in differing]
        self.listed += [slot for slot, count in zip(differing, counts, strict=True) if not count]
        sketched = [slot for slot, count in zip(differing, counts, strict=True) if count]
        if sketched:
            assert self._joint is not None
            shared = max(self._joint.count, len(differing))
            self._part_bits = best_part_bits(len(differing), shared, sum(counts))
            self._slots.extend(sketched)

    def _on_sketched(self, question: Sketch, reply: Sketched) -> None:
        slots = slots_in(question.slots)
        self._slots.extendleft(reversed(slots[reply.done :]))
        self.listed += slots_in(reply.crowded)
        self._take_heads(reply.heads, 1)
        own: dict[int, dict[bytes, None]] = {}
        for part, prints in reply.prints:
            slot = part >> question.part_bits
            if slot not in own:
                own[slot] = self._prints(slot)
            lacking = [each for each in prints_in(prints) if each not in own[slot]]
            if lacking:
                self._unresolved.append((part, b"".join(lacking)))

    def _prints(self, slot: int) -> dict[bytes, None]:
        assert self._ours is not None
        records = records_in(self._context.store, self._ours, slot)
        return dict.fromkeys([print_of(self._numbers.of(*pair)) for pair in records])

    def _take_heads(self, packed: bytes, differing: int) -> None:
        """Heads of what we may lack. Of those that are known to be `differing` (1), also one whose
        half of a version is the same as ours is wanted."""
        heads = [(start, version + differing) for start, version in heads_in(packed)]
        self._context.rng.shuffle(heads)  # or all sources give the same at once
        self.heads += heads


def _recent(since_ms: int, page: int, call_id: int) -> Message:
    return Recent(call_id, since_ms, page)


def _cut(sums: bytes) -> list[bytes]:
    return [sums[at : at + SUM_BYTES] for at in range(0, len(sums), SUM_BYTES)]
