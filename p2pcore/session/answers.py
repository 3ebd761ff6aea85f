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

from p2pcore.wire.limits import SLOT_BITS
from p2pcore.wire.messages import (
    Confirm,
    Confirmed,
    Contacts,
    Failed,
    Fetch,
    FetchMany,
    FindNode,
    Found,
    FoundMany,
    Get,
    Inspect,
    Inspected,
    Listed,
    ListKeys,
    Mark,
    Marked,
    Message,
    Missing,
    NotReady,
    NotReplica,
    Put,
    PutDone,
    Reply,
    Stale,
    Store,
    Stored,
    StoredMany,
    StoreMany,
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
    slots = [slot for slot, _ in reply.slots]
    return None if _rises(slots) else "the slots are not in order"


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
    Confirm: {Confirmed: _confirmed},
    Inspect: {Inspected: None},
    Mark: {Marked: None},
}

PLAIN_ANSWERS = {
    question: tuple(reply for reply, check in checks.items() if check is None)
    for question, checks in _ANSWERS.items()
}
"""Replies to which there is never an objection, by question."""
