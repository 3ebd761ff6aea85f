"""Whether a reply can be the answer to what was asked.

Theory of operation. A decoded message has fields of the right types. That says nothing of whether
it belongs to the question: it may be of a kind that answers something else, name places that the
question does not have, or a page that does not lie beyond the last. Each kind of question has its
kinds of answers here, and what must hold between the two, so that whoever has asked may rely on it.
What cannot be told from the two (whether a value is the right one) is not looked for; and whatever
answers a `Ping` is a sign of life.

Rule: pure functions of question and reply. A new request is a new line in _ANSWERS.
"""

from collections.abc import Callable
from operator import attrgetter, lt
from typing import Any

from p2pcore.ids import key_of
from p2pcore.wire.comparing import Form
from p2pcore.wire.limits import (
    GROUPS,
    HEAD_BYTES,
    MAX_NAMES_BYTES,
    PRINT_BYTES,
    SLOT_BITS,
    SLOT_BYTES,
    SUM_BYTES,
)
from p2pcore.wire.messages import (
    Confirm,
    Confirmed,
    Contacts,
    Draw,
    Drawn,
    Failed,
    Fetch,
    FetchMany,
    FindNode,
    Found,
    FoundMany,
    Get,
    Heads,
    IndirectPing,
    IndirectPong,
    Inspect,
    Inspected,
    Listed,
    ListKeys,
    ListNames,
    Mark,
    Marked,
    Message,
    Missing,
    NamesListed,
    NotReady,
    NotReplica,
    Put,
    PutDone,
    Recent,
    Reply,
    Resolve,
    Sketch,
    Sketched,
    Stale,
    Store,
    Stored,
    StoredMany,
    StoreMany,
    Sum,
    Summed,
    Survey,
    Surveyed,
)

__all__ = ["PLAIN_ANSWERS", "objection"]

_Check = Callable[[Any, Any], str | None]


def objection(question: Message | None, reply: Reply) -> str | None:
    """Why no honest node answers this with that, in words; None if one may, or none was asked."""
    checks = _ANSWERS.get(type(question))
    if checks is None:
        return None
    check = checks.get(type(reply), _is_no_answer)
    return None if check is None else check(question, reply)


def _is_no_answer(question: Message, reply: Reply) -> str | None:
    return None if type(reply) is Failed else "it answers something else"


def _places(places: list[int], count: int, name: str) -> str | None:
    """Each at most once, and within what was asked about."""
    if places and max(places) >= count:
        return f"{name} has place {max(places)} of {count}"
    return f"{name} has a place twice" if len(set(places)) < len(places) else None


def _newer(question: Store | Put, reply: Stale) -> str | None:
    return None if reply.version > question.version else "the version is no newer one"


def _not_older(question: Put, reply: PutDone) -> str | None:
    return None if reply.version >= question.version else "the version is an older one"


def _stored_many(question: StoreMany, reply: StoredMany) -> str | None:
    return _places(reply.others, len(question.items), "others")


def _found_many(question: FetchMany, reply: FoundMany) -> str | None:
    if len(reply.items) != len(question.keys):
        return f"{len(reply.items)} answers for {len(question.keys)} keys"
    return _places(reply.others, len(question.keys), "others")


def _confirmed(question: Confirm, reply: Confirmed) -> str | None:
    count = len(question.entries)
    return _places(reply.lacking, count, "lacking") or _places(reply.unready, count, "unready")


def _contacts(question: Message, reply: Contacts | NotReplica) -> str | None:
    ids = dict.fromkeys(map(_node_id, reply.contacts))
    return None if len(ids) == len(reply.contacts) else "a contact is named twice"


def _surveyed(question: Survey, reply: Surveyed) -> str | None:
    if reply.form == Form.WHICH_MEMBERS and question.members:
        return "it was told the members"
    if len(reply.sums) not in (0, GROUPS * SUM_BYTES) or reply.form > Form.WHICH_MEMBERS:
        return f"{len(reply.sums)} bytes of sums in form {reply.form}"
    slots = [slot for slot, _ in reply.slots]
    return None if _rises(slots) else "the slots are not in order"


def _summed(question: Sum, reply: Summed) -> str | None:
    expected = len(question.groups) * GROUPS * SUM_BYTES
    if len(reply.sums) == expected:
        return None
    return f"{len(reply.sums)} bytes of sums in place of {expected}"


def _sketched(question: Sketch, reply: Sketched) -> str | None:
    """Some of the slots are done, and what is said is said of these."""
    if not 0 < reply.done <= len(question.slots) // SLOT_BYTES:
        return f"{reply.done} slots are done"
    asked = _cut(question.slots[: reply.done * SLOT_BYTES], SLOT_BYTES)
    crowded = _cut(reply.crowded, SLOT_BYTES)
    slots = dict.fromkeys(int.from_bytes(slot) for slot in asked)
    parts = [part for part, _ in reply.prints]
    if not _rises(sorted(parts)) or not _rises(sorted(crowded)) or not set(crowded) <= set(asked):
        return "a slot is named twice, or was not asked for"
    if any(part >> question.part_bits not in slots for part in parts):
        return "a part is of a slot that was not asked for"
    if any(len(prints) % PRINT_BYTES for _, prints in reply.prints):
        return "a print is cut off"
    for head in _cut(reply.heads, HEAD_BYTES):
        if int.from_bytes(head[:8]) >> 64 - SLOT_BITS not in slots:
            return "a head is of a slot that was not asked for"
    return _whole_heads(reply.heads)


def _resolved(question: Resolve, reply: Heads) -> str | None:
    if not 0 < reply.done <= len(question.prints):
        return f"{reply.done} parts are done"
    return _whole_heads(reply.heads)


def _recent(question: Recent, reply: Heads) -> str | None:
    return _whole_heads(reply.heads)


def _whole_heads(heads: bytes) -> str | None:
    return "a head is cut off" if len(heads) % HEAD_BYTES else None


def _drawn(question: Draw, reply: Drawn) -> str | None:
    starts = _cut(question.keys, HEAD_BYTES // 2)
    if len(reply.items) != len(starts):
        return f"{len(reply.items)} answers for {len(starts)} keys"
    for start, item in zip(starts, reply.items, strict=True):
        if item is not None and not item.key.startswith(start):
            return "a key is none that was asked for"
    return _places(reply.others, len(starts), "others")


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _listed(question: ListKeys, reply: Listed) -> str | None:
    """A page lies beyond the last one, in the slots that were asked for."""
    if not reply.entries:
        return "there is more, beyond nothing" if reply.more else None
    keys = [entry.key for entry in reply.entries]
    if keys[0] <= question.after or not _rises(keys):
        return "the keys do not go on in order"
    slots = dict.fromkeys(question.slots)
    shift = 8 * _SLOT_BYTES - SLOT_BITS
    for start in dict.fromkeys([key[:_SLOT_BYTES] for key in keys]):
        if int.from_bytes(start) >> shift not in slots:
            return "a key is of a slot that was not asked for"
    return None


def _names_listed(question: ListNames, reply: NamesListed) -> str | None:
    """Names of keys beyond the last one, as many and as far as were asked for. The key of a name is
    its hash: none can be of another record."""
    if not question.after < reply.reached <= question.last:
        return "it does not go on to what was asked for"
    if len(reply.names) > question.limit or sum(map(len, reply.names)) > MAX_NAMES_BYTES:
        return f"{len(reply.names)} names are more than were asked for"
    if not all(name.startswith(question.prefix) for name in reply.names):
        return "a name does not begin with the prefix"
    keys = [key_of(name) for name in reply.names]
    inside = not keys or (question.after < keys[0] and keys[-1] <= reply.reached)
    return None if inside and _rises(keys) else "the names are not in the order of their keys"


def _rises(things: list[Any]) -> bool:
    """Whether each is larger than the one before."""
    return all(map(lt, things, things[1:]))


_node_id = attrgetter("node_id")
_SLOT_BYTES = (SLOT_BITS + 7) // 8

_ANSWERS: dict[type, dict[type, _Check | None]] = {
    FindNode: {Contacts: _contacts},
    Store: {Stored: None, Stale: _newer, NotReplica: _contacts, NotReady: None},
    Fetch: {Found: None, Missing: None, NotReplica: _contacts, NotReady: None},
    Put: {PutDone: _not_older, Stale: _newer},
    Get: {Found: None, Missing: None},
    StoreMany: {StoredMany: _stored_many},
    FetchMany: {FoundMany: _found_many},
    Survey: {Surveyed: _surveyed},
    ListKeys: {Listed: _listed},
    Sum: {Summed: _summed},
    Sketch: {Sketched: _sketched},
    Resolve: {Heads: _resolved},
    Recent: {Heads: _recent},
    Draw: {Drawn: _drawn},
    Confirm: {Confirmed: _confirmed},
    Inspect: {Inspected: None},
    Mark: {Marked: None},
    ListNames: {NamesListed: _names_listed, NotReady: None},
    IndirectPing: {IndirectPong: None},
}

PLAIN_ANSWERS = {
    question: tuple(reply for reply, check in checks.items() if check is None)
    for question, checks in _ANSWERS.items()
}
"""Replies to which there is never an objection, by question."""
