"""Replies that are well formed, and no answer to what was asked."""

import pytest

from p2pcore.errors import ProtocolError
from p2pcore.ids import key_of
from p2pcore.session.answers import _ANSWERS, objection
from p2pcore.wire import messages as m
from tests.session.harness import CONTACT, PEER, Asked, Harness

KEYS = [bytes([n]) * 32 for n in range(4)]
OLD, VERSION, NEW = (bytes([n]) * 16 for n in (1, 2, 3))
ENTRIES = [m.Entry(key, VERSION) for key in KEYS]
SLOTS = [0, 16, 32, 48]  # of these keys
TWICE = [m.WireContact(KEYS[1], "10.0.0.1:1")] * 2

STORE = m.Store(1, KEYS[0], VERSION, b"v")
PUT = m.Put(1, KEYS[0], VERSION, b"v", 0, 100)
MANY = m.FetchMany(1, KEYS)
STORE_MANY = m.StoreMany(1, [m.StoreItem(key, VERSION, b"v") for key in KEYS])
LIST = m.ListKeys(1, SLOTS[1:3], KEYS[1])
CONFIRM = m.Confirm(1, ENTRIES)
SURVEY = m.Survey(1, True, [KEYS[0]], 5, 6, 7)
SKETCH = m.Sketch(1, 2, b"\0\x10\0\x20", b"")
RESOLVE = m.Resolve(1, 2, [(16 << 2, bytes(10))])
HEAD = KEYS[1][:8] + VERSION[:8]
DRAW = m.Draw(1, KEYS[1][:8] + KEYS[3][:8])
NAMES = sorted([b"na", b"nb", b"nc"], key=key_of)
PLACES = [key_of(name) for name in NAMES]
LIST_NAMES = m.ListNames(1, b"n", PLACES[0], PLACES[2], 2)


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (STORE, m.Stale(1, NEW)),
        (PUT, m.PutDone(1, NEW, 3, 2)),
        (STORE_MANY, m.StoredMany(1, [0, 3])),
        (MANY, m.FoundMany(1, [None] * 4, [3])),
        (m.Survey(1, True, []), m.Surveyed(1, True, [(1, 0), (4095, 7)])),
        (LIST, m.Listed(1, [ENTRIES[2]], True)),
        (LIST, m.Listed(1, [], False)),
        (CONFIRM, m.Confirmed(1, [0, 1, 2, 3], [3, 0])),
        (SURVEY, m.Surveyed(1, True, [], 1, bytes(384))),
        (SURVEY, m.Surveyed(1, True, [], 1)),
        (m.Survey(1, True, [], 5, 6, 7), m.Surveyed(1, True, [], 2)),
        (SURVEY, m.Surveyed(1, True, [(1, 0), (4095, 7)])),
        (m.Sum(1, b"\1\7"), m.Summed(1, bytes(768))),
        (SKETCH, m.Sketched(1, 1, HEAD, [(16 << 2 | 3, bytes(10))])),
        (SKETCH, m.Sketched(1, 2, b"", [], b"\0\x20")),
        (RESOLVE, m.Heads(1, HEAD, 1)),
        (m.Recent(1, 0, 0), m.Heads(1, HEAD * 2)),
        (DRAW, m.Drawn(1, [m.StoreItem(KEYS[1], VERSION, b"v"), None], [1])),
        (LIST_NAMES, m.NamesListed(1, NAMES[1:], PLACES[2])),
        (LIST_NAMES, m.NamesListed(1, NAMES[1:2], PLACES[1])),
        (LIST_NAMES, m.NamesListed(1, [], PLACES[1])),
        (LIST_NAMES, m.NotReady(1)),
        (m.FindNode(1, KEYS[0]), m.Contacts(1, TWICE[:1])),
    ],
)
def test_what_may_be_an_answer(question: m.Message, reply: m.Reply) -> None:
    assert objection(question, reply) is None


@pytest.mark.parametrize(
    ("question", "reply", "words"),
    [
        (STORE, m.Stale(1, VERSION), "no newer"),
        (STORE, m.NotReplica(1, TWICE), "twice"),
        (PUT, m.Stale(1, OLD), "no newer"),
        (PUT, m.PutDone(1, OLD, 3, 2), "older"),
        (STORE_MANY, m.StoredMany(1, [4]), "place 4 of 4"),
        (STORE_MANY, m.StoredMany(1, [1, 1]), "twice"),
        (MANY, m.FoundMany(1, [None] * 3, []), "3 answers for 4 keys"),
        (MANY, m.FoundMany(1, [None] * 4, [9]), "place 9 of 4"),
        (m.Survey(1, True, []), m.Surveyed(1, True, [(7, 0), (7, 0)]), "order"),
        (LIST, m.Listed(1, [ENTRIES[1]], True), "go on"),
        (LIST, m.Listed(1, [ENTRIES[2], ENTRIES[2]], False), "go on"),
        (LIST, m.Listed(1, [ENTRIES[3]], False), "not asked for"),
        (LIST, m.Listed(1, [], True), "beyond nothing"),
        (CONFIRM, m.Confirmed(1, [], [4]), "unready has place 4 of 4"),
        (CONFIRM, m.Confirmed(1, [1 << 60], []), "of 4"),
        (CONFIRM, m.Confirmed(1, [2, 2], []), "twice"),
        (m.FindNode(1, KEYS[0]), m.Contacts(1, TWICE), "twice"),
        (SURVEY, m.Surveyed(1, True, [], 1, bytes(383)), "383 bytes"),
        (SURVEY, m.Surveyed(1, True, [], 3), "form 3"),
        (SURVEY, m.Surveyed(1, True, [], 2), "was told"),
        (m.Sum(1, b"\1\7"), m.Summed(1, bytes(384)), "in place of 768"),
        (SKETCH, m.Sketched(1, 0, b"", []), "0 slots are done"),
        (SKETCH, m.Sketched(1, 3, b"", []), "3 slots are done"),
        (SKETCH, m.Sketched(1, 1, b"", [(32 << 2, bytes(5))]), "a part is of"),
        (SKETCH, m.Sketched(1, 2, b"", [(32 << 2, bytes(5))] * 2), "named twice"),
        (SKETCH, m.Sketched(1, 1, b"", [(16 << 2, bytes(4))]), "a print is cut"),
        (SKETCH, m.Sketched(1, 1, bytes(16), []), "a head is of"),
        (SKETCH, m.Sketched(1, 1, HEAD[:15], []), "a head is cut"),
        (SKETCH, m.Sketched(1, 1, b"", [], b"\0\x20"), "not asked for"),
        (SKETCH, m.Sketched(1, 2, b"", [], b"\0\x20" * 2), "named twice"),
        (RESOLVE, m.Heads(1, HEAD, 0), "0 parts"),
        (RESOLVE, m.Heads(1, HEAD, 2), "2 parts"),
        (m.Recent(1, 0, 0), m.Heads(1, HEAD + b"x"), "cut off"),
        (DRAW, m.Drawn(1, [None], []), "1 answers for 2"),
        (DRAW, m.Drawn(1, [m.StoreItem(KEYS[2], VERSION, b"v"), None], []), "none that was"),
        (DRAW, m.Drawn(1, [None, None], [2]), "place 2 of 2"),
        (LIST_NAMES, m.NamesListed(1, [], PLACES[0]), "go on"),
        (LIST_NAMES, m.NamesListed(1, [], b"\xff" * 32), "go on"),
        (LIST_NAMES, m.NamesListed(1, NAMES[:2], PLACES[2]), "order"),
        (LIST_NAMES, m.NamesListed(1, NAMES[:0:-1], PLACES[2]), "order"),
        (LIST_NAMES, m.NamesListed(1, NAMES[1:], PLACES[1]), "order"),
        (LIST_NAMES, m.NamesListed(1, NAMES, PLACES[2]), "3 names are more"),
        (LIST_NAMES, m.NamesListed(1, [b"x"], PLACES[2]), "prefix"),
    ],
)
def test_what_no_honest_node_answers(question: m.Message, reply: m.Reply, words: str) -> None:
    assert words in (objection(question, reply) or "")


def test_every_request_has_its_answers() -> None:
    """A new message is thought of here, or this fails."""
    no_requests = {*m.REPLIES, m.Ready, m.Goodbye, m.Leaving, m.Ping}
    assert set(m.MESSAGES) - no_requests == set(_ANSWERS)
    answers = {kind for kinds in _ANSWERS.values() for kind in kinds}
    assert answers | {m.Pong, m.Failed} == set(m.REPLIES)


def test_a_false_answer_fails_the_call_and_ends_the_link() -> None:
    harness = Harness()
    harness.greeted(1)
    call = Asked(harness.links)
    harness.links.ask(call, [CONTACT], m.Confirm(call.id, ENTRIES), harness.now)
    harness.drain()
    assert harness.goodbye(harness.receive(1, m.Confirmed(call.id, [7], []))) is m.Reason.MISBEHAVED
    assert call.told == [(PEER, ProtocolError)]
    assert harness.links.counters.misbehaved == 1
    assert not harness.links.is_linked(PEER)


def test_an_answer_to_something_else_is_none() -> None:
    harness = Harness()
    harness.greeted(1)
    call = Asked(harness.links)
    harness.links.ask(call, [CONTACT], m.Fetch(call.id, KEYS[0]), harness.now)
    harness.drain()
    assert harness.goodbye(harness.receive(1, m.Stored(call.id))) is m.Reason.MISBEHAVED
    assert call.told == [(PEER, ProtocolError)]
