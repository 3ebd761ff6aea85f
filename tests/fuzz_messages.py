"""What the peers of `fuzz.py` say: every message of the protocol, true, nearly true and false."""

from random import Random
from typing import Any

from msgspec import inspect

from p2pcore.effects import Instant
from p2pcore.ids import ID_BYTES, Key, NodeId
from p2pcore.replication.custody import view_of
from p2pcore.wire import messages as m
from p2pcore.wire.limits import MAX_BATCH_ITEMS, SLOTS

__all__ = ["Speaker"]

REPLIES = m.REPLIES
QUESTIONS = [k for k in m.MESSAGES if k not in (*REPLIES, m.Ready, m.Goodbye)]
KEYS = 40
HUGE = (1 << 63) - 1


class Speaker:
    """Makes messages.

    Args:
        rng: where all chance comes from.
        peers: the ids that exist.
        subject: whom they talk to.
    """

    def __init__(self, rng: Random, peers: list[NodeId], subject: NodeId) -> None:
        self.rng = rng
        self.peers = peers
        self.subject = subject
        self.keys = [Key(rng.randbytes(ID_BYTES)) for _ in range(KEYS)]

    def is_question(self, message: Any) -> bool:
        return not isinstance(message, (*REPLIES, m.Ready, m.Goodbye))

    def address_of(self, peer: NodeId) -> str:
        index = self.peers.index(peer) if peer in self.peers else 90
        return f"10.0.0.{index + 1}:7000"

    # Parts

    def key(self) -> Key:
        if self.rng.random() < 0.8:
            return self.rng.choice(self.keys)
        return Key(self.rng.randbytes(ID_BYTES))

    def number(self) -> int:
        return self.rng.choice([0, 1, 2, 3, 5, 20, 255, 4095, HUGE, self.rng.randrange(1000)])

    def version(self, now: Instant) -> bytes:
        ms = now.wall_ms + self.rng.choice([0, 0, 0, -5000, 20_000, 40_000, 10**9])
        stamp = (ms << 16 | self.rng.randrange(4)).to_bytes(8)
        return self.rng.choice([stamp + bytes(8), stamp + b"\xff" * 8, bytes(16), b"\xff" * 16])

    def value(self) -> bytes | None:
        return self.rng.choice([None, b"", b"value", bytes(3000)])

    def expires(self, now: Instant) -> int:
        return self.rng.choice([0, 0, 1, now.wall_ms + 500, now.wall_ms - 1, HUGE])

    def places(self, count: int) -> list[int]:
        rng = self.rng
        if rng.random() < 0.8:
            return sorted(rng.sample(range(count), rng.randrange(count + 1)))
        return [self.number() for _ in range(rng.randrange(5))]

    def slots(self) -> list[int]:
        slots = [self.rng.randrange(SLOTS) for _ in range(self.rng.randrange(20))]
        return sorted(dict.fromkeys(slots)) if self.rng.random() < 0.7 else slots

    def contacts(self) -> list[m.WireContact]:
        rng, found = self.rng, []
        for _ in range(rng.randrange(21)):
            peer = rng.choice([*self.peers, self.subject])
            if rng.random() < 0.1:
                peer = NodeId(rng.randbytes(ID_BYTES))
            address = self.address_of(peer) if rng.random() < 0.9 else rng.choice(["", "x", "a:b"])
            found.append(m.WireContact(peer, address))
        if rng.random() < 0.8:
            found = list({contact.node_id: contact for contact in found}.values())
        return found

    def entries(self, now: Instant) -> list[m.Entry]:
        count = self.rng.randrange(20)
        return [m.Entry(self.key(), self.version(now)) for _ in range(count)]

    def store_items(self, now: Instant) -> list[m.StoreItem]:
        return [
            m.StoreItem(self.key(), self.version(now), self.value(), self.expires(now))
            for _ in range(self.rng.randrange(10))
        ]

    def found_item(self, now: Instant) -> m.FoundItem | None:
        if self.rng.random() < 0.3:
            return None
        return m.FoundItem(self.version(now), self.value(), self.expires(now))

    # Whole messages

    def ready(self, peer: NodeId, *, node: bool | None = None) -> m.Ready:
        rng = self.rng
        role = rng.choice([m.Role.NODE, m.Role.NODE, m.Role.CLIENT])
        if node and rng.random() < 0.95:
            role = m.Role.NODE
        settings = m.Settings(3, 2, 2) if rng.random() < 0.95 else m.Settings(0, 9, 1)
        address = self.address_of(peer) if rng.random() < 0.9 else rng.choice(["", "here", "a:b:c"])
        versions = (1, 1) if rng.random() < 0.97 else (2, 1)
        return m.Ready(*versions, role, address, settings if rng.random() < 0.97 else None)

    def anything(self, now: Instant, peer: NodeId) -> Any:
        """Said without being asked: mostly requests."""
        rng, roll = self.rng, self.rng.random()
        if roll < 0.03:
            return self.ready(peer)
        if roll < 0.05:
            return m.Goodbye(rng.choice([0, 2, 3, 13, 13, 99]), "bye")
        number = rng.choice([0, 1, rng.randrange(5000), HUGE])
        if roll < 0.15:
            return self.reply(rng.choice(REPLIES), number, now)
        return self.question(rng.choice(QUESTIONS), number, now)

    def question(self, kind: type, number: int, now: Instant) -> Any:
        rng, key, version = self.rng, self.key(), self.version(now)
        value, expires = self.value(), self.expires(now)
        ids = [rng.choice([*self.peers, self.subject]) for _ in range(rng.randrange(21))]
        budget = rng.choice([0, 1, 500, HUGE])
        made: dict[type, Any] = {
            m.FindNode: lambda: m.FindNode(number, key),
            m.Store: lambda: m.Store(number, key, version, value, expires),
            m.Fetch: lambda: m.Fetch(number, key),
            m.Put: lambda: m.Put(number, key, version, value, expires, budget),
            m.Get: lambda: m.Get(number, key, budget),
            m.StoreMany: lambda: m.StoreMany(number, self.store_items(now)),
            m.FetchMany: lambda: m.FetchMany(
                number, [self.key() for _ in range(rng.randrange(30))], rng.random() < 0.5
            ),
            m.Survey: lambda: self.survey(number, ids),
            m.Sum: lambda: m.Sum(number, self.some(rng.randbytes, 20)),
            m.Sketch: lambda: self.sketch(number),
            m.Resolve: lambda: m.Resolve(number, rng.randrange(9), self.prints(range(1 << 12))),
            m.Recent: lambda: m.Recent(number, self.expires(now), rng.choice([0, 0, 7, HUGE])),
            m.Draw: lambda: m.Draw(number, b"".join(self.key()[:8] for _ in range(9)) + b"x" * 3),
            m.ListKeys: lambda: m.ListKeys(number, self.slots(), rng.choice([b"", key, b"\xff"])),
            m.Confirm: lambda: m.Confirm(number, self.entries(now)),
            m.ListNames: lambda: m.ListNames(
                number, rng.choice([b"", b"n"]), rng.choice([b"", key]), self.key(), 1 + number
            ),
            m.IndirectPing: lambda: m.IndirectPing(
                number, self.rng.choice(self.peers), self.number()
            ),
        }
        return made[kind]() if kind in made else self.plain(kind, number)

    def reply(self, kind: type, number: int, now: Instant) -> Any:
        """Of this kind, whatever it may be an answer to."""
        rng = self.rng
        made: dict[type, Any] = {
            m.Contacts: lambda: m.Contacts(number, self.contacts()),
            m.Stale: lambda: m.Stale(number, self.version(now)),
            m.Found: lambda: m.Found(number, self.version(now), self.value(), self.expires(now)),
            m.NotReplica: lambda: m.NotReplica(number, self.contacts()),
            m.PutDone: lambda: m.PutDone(number, self.version(now), self.number(), self.number()),
            m.Failed: lambda: m.Failed(number, rng.choice([0, 2, 5, 6, 7, 8, 9, 77]), "no"),
            m.StoredMany: lambda: m.StoredMany(number, self.places(10)),
            m.FoundMany: lambda: m.FoundMany(
                number, [self.found_item(now) for _ in range(rng.randrange(9))], self.places(9)
            ),
            m.Surveyed: lambda: m.Surveyed(
                number, rng.random() < 0.8, [(slot, self.number()) for slot in self.slots()]
            ),
            m.Listed: lambda: m.Listed(number, self.entries(now), rng.random() < 0.5),
            m.Confirmed: lambda: m.Confirmed(number, self.places(20), self.places(20)),
            m.Summed: lambda: m.Summed(number, self.some(rng.randbytes, 384)),
            m.Sketched: lambda: m.Sketched(
                number, self.number(), self.heads(now), self.prints(range(1 << 12)), b"\0\1"
            ),
            m.Heads: lambda: m.Heads(number, self.heads(now), self.number()),
            m.Drawn: lambda: m.Drawn(number, [*self.store_items(now), None], self.places(9)),
            m.Inspected: lambda: self.inspected(number),
            m.IndirectPong: lambda: m.IndirectPong(number, rng.random() < 0.5),
            m.Marked: lambda: m.Marked(number, self.number(), self.number(), self.number()),
            m.NamesListed: lambda: m.NamesListed(number, [b"name", b"nome"], self.key()),
        }
        return made[kind]() if kind in made else self.plain(kind, number)

    def plain(self, kind: type, number: int) -> Any:
        """Of a kind that nothing better is known of: whatever its fields' types allow."""
        _, *fields = inspect.type_info(kind).fields  # type: ignore[attr-defined]
        return kind(number, *(self.field(each.type) for each in fields))

    def field(self, kind: inspect.Type) -> Any:
        rng = self.rng
        match kind:
            case inspect.IntType(le=le, lt=lt):
                return min(self.number(), le if le is not None else HUGE if lt is None else lt - 1)
            case inspect.BytesType(min_length=least, max_length=most):
                return rng.randbytes(rng.choice([least or 0, min(most or 999, 999)]))
            case inspect.StrType():
                return rng.choice(["", "x"])
            case inspect.BoolType():
                return rng.random() < 0.5
            case inspect.UnionType(types=types):
                return self.field(rng.choice(types))
            case inspect.NoneType():
                return None
            case inspect.EnumType(cls=cls):
                return rng.choice([*cls])
            case inspect.StructType(cls=cls, fields=fields):
                return cls(*(self.field(each.type) for each in fields))
            case inspect.ListType(item_type=item):
                return [self.field(item) for _ in range(rng.randrange(6))]
            case inspect.TupleType(item_types=items):
                return tuple(map(self.field, items))
            case inspect.DictType(key_type=key, value_type=value):
                return {self.field(key): self.field(value)}
        raise TypeError(f"nothing to say of {kind}")

    def inspected(self, number: int) -> m.Inspected:
        state = [self.number(), self.rng.random() < 0.5, *[self.number()] * 5]
        fields: list[Any] = [number, "x", *state, {"a": 1}]
        return m.Inspected(*fields)

    def answer(self, question: Any, now: Instant) -> Any:
        """To this question, honest as a rule."""
        rng = self.rng
        if rng.random() < 0.08:
            return self.reply(rng.choice(REPLIES), question.id, now)
        if rng.random() < 0.05:
            return self.reply(m.Failed, question.id, now)
        make = _HONEST.get(type(question))
        return make(self, question, now) if make is not None else m.Pong(question.id)

    # Of comparisons

    def some(self, make: Any, count: int) -> bytes:
        return bytes(make(self.rng.choice([0, 1, count, count])))

    def heads(self, now: Instant) -> bytes:
        heads = [self.key()[:8] + self.version(now)[:8] for _ in range(self.rng.randrange(9))]
        return b"".join(heads) + (b"x" if self.rng.random() < 0.05 else b"")

    def prints(self, parts: Any) -> list[tuple[int, bytes]]:
        chosen = self.rng.sample(parts, min(len(parts), self.rng.randrange(5)))
        return [(part, self.some(self.rng.randbytes, 15)) for part in chosen]

    def survey(self, number: int, ids: list[NodeId]) -> m.Survey:
        rng = self.rng
        salt = rng.choice([0, rng.getrandbits(63), HUGE])
        view = view_of(ids) if rng.random() < 0.8 else rng.getrandbits(32)
        return m.Survey(number, rng.random() < 0.5, ids, view, rng.getrandbits(62), salt)

    def sketch(self, number: int) -> m.Sketch:
        bits, slots = self.rng.randrange(9), self.slots()
        packed = b"".join(slot.to_bytes(2) for slot in slots)
        size = min(16 << 12, len(slots) << 4 + bits)
        return m.Sketch(number, bits, packed, self.some(self.rng.randbytes, size))

    def surveyed(self, q: m.Survey) -> m.Surveyed:
        rng = self.rng
        if not q.salt or rng.random() < 0.2:
            slots = [(slot, self.number()) for slot in self.slots()]
            return m.Surveyed(q.id, rng.random() < 0.8, slots)
        form = rng.choice([1, 1, 1, 2])
        sums = self.some(rng.randbytes, 384) if form == 1 else b""
        return m.Surveyed(q.id, rng.random() < 0.8, [], form, sums)

    def sketched(self, q: m.Sketch, now: Instant) -> m.Sketched:
        """Of the first few slots: heads of records that exist or don't, and prints of none."""
        rng = self.rng
        done = rng.randrange(1, len(q.slots) // 2 + 1)
        slots = [int.from_bytes(q.slots[at : at + 2]) for at in range(0, 2 * done, 2)]
        parts = [slot << q.part_bits | rng.randrange(1 << q.part_bits) for slot in slots]
        heads = b"".join(
            (rng.choice(slots) << 52 | rng.getrandbits(52)).to_bytes(8) + self.version(now)[:8]
            for _ in range(rng.randrange(5))
        )
        prints = [(part, rng.randbytes(5 * rng.randrange(4))) for part in parts[: rng.randrange(9)]]
        return m.Sketched(q.id, done, heads, prints, rng.choice([b"", q.slots[:2]]))

    def drawn(self, q: m.Draw, now: Instant) -> m.Drawn:
        items: list[m.StoreItem | None] = []
        for at in range(0, len(q.keys), 8):
            key = q.keys[at : at + 8] + self.rng.randbytes(24)
            item = m.StoreItem(key, self.version(now), self.value(), self.expires(now))
            items.append(item if self.rng.random() < 0.8 else None)
        return m.Drawn(q.id, items, self.places(len(items)) if self.rng.random() < 0.2 else [])

    def slot_page(self, question: m.ListKeys, now: Instant) -> m.Listed:
        """Keys that nobody holds, or some do, in the slots that were asked about."""
        rng, found = self.rng, []
        for slot in sorted(dict.fromkeys(question.slots))[: rng.randrange(1, 8)]:
            for _ in range(rng.choice([1, 5, 150])):
                key = slot << 244 | rng.getrandbits(244)
                found.append(key.to_bytes(ID_BYTES))
        keys = sorted(key for key in dict.fromkeys(found) if key > question.after)
        entries = [m.Entry(key, self.version(now)) for key in keys[:MAX_BATCH_ITEMS]]
        return m.Listed(question.id, entries, bool(entries) and rng.random() < 0.9)


def _store(self: Speaker, q: Any, now: Instant) -> Any:
    kind = self.rng.choice([m.Stored, m.Stored, m.Stale, m.NotReplica, m.NotReady])
    return m.Stored(q.id) if kind is m.Stored else self.reply(kind, q.id, now)


def _fetch(self: Speaker, q: Any, now: Instant) -> Any:
    kinds = [m.Found, m.Found, m.Missing, m.NotReplica, m.NotReady]
    return self.reply(self.rng.choice(kinds), q.id, now)


_HONEST: dict[type, Any] = {
    m.FindNode: lambda self, q, now: m.Contacts(q.id, self.contacts()),
    m.Store: _store,
    m.Fetch: _fetch,
    m.Put: lambda self, q, now: m.PutDone(q.id, q.version, 3, 2),
    m.Get: lambda self, q, now: self.reply(self.rng.choice([m.Found, m.Missing]), q.id, now),
    m.StoreMany: lambda self, q, now: m.StoredMany(q.id, self.places(len(q.items))),
    m.FetchMany: lambda self, q, now: m.FoundMany(
        q.id, [self.found_item(now) for _ in q.keys], self.places(len(q.keys))
    ),
    m.Survey: lambda self, q, now: self.surveyed(q),
    m.Sum: lambda self, q, now: m.Summed(q.id, self.rng.randbytes(384 * len(q.groups))),
    m.Sketch: Speaker.sketched,
    m.Resolve: lambda self, q, now: m.Heads(
        q.id, self.heads(now), self.rng.randrange(1, len(q.prints) + 1)
    ),
    m.Recent: lambda self, q, now: m.Heads(q.id, self.heads(now)),
    m.Draw: Speaker.drawn,
    m.ListKeys: Speaker.slot_page,
    m.Confirm: lambda self, q, now: m.Confirmed(
        q.id, self.places(len(q.entries)), self.places(len(q.entries))
    ),
    m.Inspect: lambda self, q, now: self.reply(m.Inspected, q.id, now),
    m.Mark: lambda self, q, now: self.reply(m.Marked, q.id, now),
    m.ListNames: lambda self, q, now: m.NamesListed(q.id, [], q.last),
}
