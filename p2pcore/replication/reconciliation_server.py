"""What a node answers when another finds out what differs between the two: sums, sketches, heads.

Theory of operation. A comparison goes from the top down (`Survey` with a salt, `Sum`, `Sketch`,
`Resolve`), and is led by who asks; here is remembered only by which members each of the last
MOST_PEERS judges, and the salt of its comparison. No answer looks at more than MAX_LOOKS records:
what there is no room for is left to another question.

Rule: answers from what is held, whatever node asks; heads and records are given to any node, as in
`SyncServer`.
"""

from collections.abc import Callable

from msgspec import Struct

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.ids import NodeId
from p2pcore.replication.custody import Custody, group_sums, salted, view_of
from p2pcore.replication.ownership import Ownership
from p2pcore.replication.sketches import (
    MAX_CROWD,
    MAX_LOOKS,
    Numbers,
    Records,
    by_part,
    packed_slots,
    part_of,
    print_of,
    prints_in,
    records_in,
    slots_in,
    solved,
)
from p2pcore.session.link import Link
from p2pcore.session.links import Links
from p2pcore.session.manners import for_nodes
from p2pcore.storage.recent import head_of, heads_in, packed
from p2pcore.storage.slots import SUM_MASK
from p2pcore.storage.store import RecordStore
from p2pcore.wire.comparing import Form
from p2pcore.wire.limits import GROUPS, MAX_SKETCHED, SKETCH_BYTES, SLOTS
from p2pcore.wire.messages import (
    Failed,
    Heads,
    Reason,
    Recent,
    Resolve,
    Sketch,
    Sketched,
    Sum,
    Summed,
    Survey,
    Surveyed,
)

__all__ = ["ReconciliationServer"]

MOST_PEERS = 128  # 4 KiB each

Question = Sum | Sketch | Resolve | Recent


class _Asker(Struct):
    """Who compares with us."""

    view: int
    custody: Custody
    salt: int


class ReconciliationServer:
    """The answering side of comparisons; registers its handlers with the links."""

    def __init__(self, links: Links, store: RecordStore, ownership: Ownership) -> None:
        self._links = links
        self._store = store
        self._ownership = ownership
        self._askers: dict[NodeId, _Asker] = {}
        self.on_difference: Callable[[NodeId], None] = _ignore
        """Called when somebody who compares with us holds something else."""
        links.handlers |= {
            Sum: for_nodes(links, self._known(self._on_sum)),
            Sketch: for_nodes(links, self._known(self._on_sketch)),
            Resolve: for_nodes(links, self._known(self._on_resolve)),
            Recent: for_nodes(links, self._known(self._on_recent)),
        }

    def answer(self, peer_id: NodeId, request: Survey) -> Surveyed:
        """The answer to a Survey that has a salt."""
        ready = self._ownership.joined
        asker = self._asker(peer_id, request)
        if not len(self._store):
            return Surveyed(request.id, ready, [], Form.SUMS)
        if asker is None:
            return Surveyed(request.id, ready, [], Form.WHICH_MEMBERS)
        sums = asker.custody.sums(self._store)
        if sum(sums.values()) & SUM_MASK == request.root:
            return Surveyed(request.id, ready, [], Form.SUMS)
        self.on_difference(peer_id)
        totals = salted(group_sums(sums), request.salt)
        return Surveyed(request.id, ready, [], Form.SUMS, totals)

    def _asker(self, peer_id: NodeId, request: Survey) -> _Asker | None:
        """Who asks, and how it judges; None if it must tell."""
        asker = self._askers.pop(peer_id, None)
        if request.members or asker is None or asker.view != request.view:
            if view_of(request.members) != request.view:
                return None
            points = [point_of(member) for member in request.members]
            custody = Custody(self._ownership.replicas, point_of(peer_id), points)
            asker = _Asker(request.view, custody, 0)
        asker.salt = request.salt
        self._askers[peer_id] = asker  # the last to be forgotten
        if len(self._askers) > MOST_PEERS:
            del self._askers[next(iter(self._askers))]
        return asker

    def _known(
        self, handler: Callable[[Link, _Asker, Question], None]
    ) -> Callable[[Link, Question, Instant], None]:
        """A handler of what is asked after a Survey."""

        def handle(link: Link, request: Question, now: Instant) -> None:
            asker = self._askers.get(link.peer_id)
            if asker is not None:
                handler(link, asker, request)
            else:
                text = "it is not known by which members you judge: survey first"
                self._links.reply(link, Failed(request.id, Reason.BUSY, text))

        return handle

    def _on_sum(self, link: Link, asker: _Asker, request: Question) -> None:
        assert isinstance(request, Sum)
        if max(request.groups, default=0) >= GROUPS:
            self._links.reply(link, Failed(request.id, Reason.MISBEHAVED, "no such group"))
            return
        sums = asker.custody.sums(self._store)
        asked = [
            sums.get(slot, 0)
            for group in request.groups
            for slot in range(group * GROUPS, (group + 1) * GROUPS)
        ]
        self._links.reply(link, Summed(request.id, salted(asked, asker.salt)))

    def _on_sketch(self, link: Link, asker: _Asker, request: Question) -> None:
        assert isinstance(request, Sketch)
        slots = slots_in(request.slots)
        problem = _problem_of(request, slots)
        if problem is not None:
            self._links.reply(link, Failed(request.id, Reason.MISBEHAVED, problem))
            return
        per_slot = SKETCH_BYTES << request.part_bits
        answer = _Answer(Numbers(asker.salt))
        crowded: list[int] = []
        done = looks = 0
        for place, slot in enumerate(slots):
            count = self._store.count(slot)
            looks += count if count <= MAX_CROWD else 0
            if done and looks > MAX_LOOKS:
                break
            done += 1
            if count > MAX_CROWD:
                crowded.append(slot)
                continue
            records = records_in(self._store, asker.custody, slot)
            sketches = request.sketches[place * per_slot : (place + 1) * per_slot]
            answer.add(records, slot, request.part_bits, sketches)
        heads, prints = b"".join(answer.heads), answer.prints
        self._links.reply(link, Sketched(request.id, done, heads, prints, packed_slots(crowded)))

    def _on_resolve(self, link: Link, asker: _Asker, request: Question) -> None:
        assert isinstance(request, Resolve)
        numbers, bits = Numbers(asker.salt), request.part_bits
        heads: list[bytes] = []
        done = looks = 0
        for part, prints in request.prints:
            slot = part >> bits
            count = self._store.count(slot) if slot < SLOTS else 0
            looks += 1 + count
            if done and looks > MAX_LOOKS:
                break
            if count > MAX_CROWD:
                text = f"slot {slot} has {count} records by now"
                self._links.reply(link, Failed(request.id, Reason.BUSY, text))
                return
            done += 1
            pairs = [
                (print_of(numbers.of(key, record)), head_of(key, record.version))
                for key, record in records_in(self._store, asker.custody, slot)
                if part_of(key, bits) == part
            ]
            wanted = dict.fromkeys(prints_in(prints))
            found = [head for each, head in pairs if each in wanted]
            # Where one is not there any more, it is a newer version that the asker lacks.
            heads += found if len(found) == len(wanted) else [head for _, head in pairs]
        self._links.reply(link, Heads(request.id, b"".join(heads), done))

    def _on_recent(self, link: Link, asker: _Asker, request: Question) -> None:
        assert isinstance(request, Recent)
        since = request.since_ms << 16
        has = asker.custody.shares
        page = heads_in(self._store.recent.page(request.page))
        found = [head for head in page if head[1] >= since and has[head[0] >> 52]]
        self._links.reply(link, Heads(request.id, packed(dict(found).items())))


def _ignore(node_id: NodeId) -> None:
    """What the hook does until somebody listens."""


class _Answer:
    """What is said of the slots of one Sketch."""

    def __init__(self, numbers: Numbers) -> None:
        self.heads: list[bytes] = []
        self.prints: list[tuple[int, bytes]] = []
        self._numbers = numbers

    def add(self, records: Records, slot: int, part_bits: int, sketches: bytes) -> None:
        """These records are in a slot, of whose parts there are sketches, or none."""
        for index, part in enumerate(by_part(records, slot, part_bits)):
            numbers = [self._numbers.of(key, record) for key, record in part]
            found = None
            if sketches:
                sketch = sketches[index * SKETCH_BYTES : (index + 1) * SKETCH_BYTES]
                found = solved(numbers, sketch)
            if found is not None:
                self.heads += [head_of(part[at][0], part[at][1].version) for at in found]
            elif numbers:
                prints = b"".join([print_of(number) for number in numbers])
                self.prints.append(((slot << part_bits) + index, prints))


def _problem_of(request: Sketch, slots: list[int]) -> str | None:
    """Why no honest node asks this."""
    parts = len(slots) << request.part_bits
    if parts > MAX_SKETCHED:
        return f"{parts} parts, {MAX_SKETCHED} may be"
    if len(dict.fromkeys(slots)) < len(slots) or max(slots, default=0) >= SLOTS:
        return "slots are named twice, or there are no such"
    if request.sketches and len(request.sketches) != parts * SKETCH_BYTES:
        return f"{len(request.sketches)} bytes of sketches for {parts} parts"
    return None
