"""What nodes ask each other about their records, and how much of it one may ask."""

from hashlib import sha256
from random import Random
from typing import Any

import pytest

from p2pcore.config import CoordinatorConfig
from p2pcore.contact import point_of
from p2pcore.effects import Instant, LinkId, Send
from p2pcore.ids import Key, NodeId
from p2pcore.node import Node
from p2pcore.replication import reconciliation_server
from p2pcore.replication.custody import Custody, view_of
from p2pcore.storage.memory import Record
from p2pcore.storage.recent import heads_in
from p2pcore.versions import Version
from p2pcore.wire import messages as m
from p2pcore.wire.comparing import Form
from p2pcore.wire.limits import MAX_BATCH_ITEMS, SLOTS

NOW = Instant(10**9, 10**12)
LINK = LinkId(1)
PEER = NodeId(b"\7" * 32)
VERSION = Version(b"\1" * 16)


def node_with(count: int, role: m.Role) -> Node:
    """A node that holds so many records, and has been greeted by one peer."""
    node = Node(CoordinatorConfig(), NodeId(b"\1" * 32), lambda purpose: Random(purpose))
    node.open("10.0.0.1:1")
    for number in range(count):
        key = Key(sha256(number.to_bytes(4)).digest())
        node.store.put(key, Record(VERSION, b"v", 0), NOW.wall_ms)
    node.connected(LINK, PEER, "10.0.0.2:1", incoming=True, now=NOW)
    address, settings = ("10.0.0.2:1", node.settings) if role is m.Role.NODE else ("", None)
    node.receive(LINK, m.Ready(1, 1, role, address, settings), NOW)
    node.drain()
    return node


def said(node: Node, request: Any) -> Any:
    node.receive(LINK, request, NOW)
    sent = [effect.message for effect in node.drain() if isinstance(effect, Send)]
    return sent[-1]


@pytest.mark.parametrize(
    "request_",
    [
        m.Survey(1, True, []),
        m.Survey(1, True, [], 1, 2, 3),
        m.ListKeys(1, [1]),
        m.Confirm(1, []),
        m.Sum(1, b""),
        m.Sketch(1, 0, b"", b""),
        m.Resolve(1, 0, []),
        m.Recent(1, 0, 0),
        m.Draw(1, bytes(8)),
    ],
    ids=str,
)
def test_a_client_is_refused_what_nodes_ask(request_: m.Message) -> None:
    node = node_with(10, m.Role.CLIENT)
    reply = said(node, request_)
    assert isinstance(reply, m.Failed)
    assert reply.reason == m.Reason.MISBEHAVED
    assert "nodes only" in reply.text
    assert node.counters.requests_refused == 1
    assert said(node, m.Ping(2)) == m.Pong(2), "it keeps its link"


def test_slots_are_named_once() -> None:
    node = node_with(10, m.Role.NODE)
    reply = said(node, m.ListKeys(1, [7] * SLOTS))
    assert isinstance(reply, m.Goodbye)
    assert reply.reason == m.Reason.MISBEHAVED
    assert "4096 slots are named, of which 1 are different" in reply.text


def test_all_slots_are_listed_in_pages() -> None:
    """However many are named in one request, and in whatever order."""
    node = node_with(3500, m.Role.NODE)
    slots = list(range(SLOTS))
    Random(1).shuffle(slots)
    found: list[bytes] = []
    more = True
    while more:
        page = said(node, m.ListKeys(1, slots, found[-1] if found else b""))
        assert isinstance(page, m.Listed)
        assert 0 < len(page.entries) <= MAX_BATCH_ITEMS
        found += [entry.key for entry in page.entries]
        more = page.more
    store: Any = node.store
    assert found == sorted(store._records)


@pytest.mark.parametrize("members", [0, 3, 20])
def test_a_survey_names_the_slots_that_may_be_the_asker_s(members: int) -> None:
    """Against the rule as it is written: fewer than N members are closer to the slot."""
    node = node_with(2000, m.Role.NODE)
    rng = Random(members)
    others = [rng.randbytes(32) for _ in range(members)]
    reply = said(node, m.Survey(1, True, others))
    asker = point_of(PEER) >> 244
    points = [point_of(other) >> 244 for other in others]
    expected = [
        (slot, digest)
        for slot, digest in node.store.slots()
        if sum(point ^ slot < asker ^ slot for point in points) < node.ownership.replicas
    ]
    assert reply == m.Surveyed(1, node.ownership.joined, expected)


# Comparisons

OTHERS = [bytes([number]) * 32 for number in (1, 90, 200)]


def surveyed(node: Node, salt: int = 3) -> m.Surveyed:
    reply = said(node, m.Survey(1, True, OTHERS, view_of(OTHERS), 5, salt))
    assert isinstance(reply, m.Surveyed)
    return reply


def test_what_comes_before_a_survey_is_refused() -> None:
    node = node_with(10, m.Role.NODE)
    for request in (m.Sum(1, b"\1"), m.Sketch(1, 0, b"", b""), m.Resolve(1, 0, [])):
        reply = said(node, request)
        assert isinstance(reply, m.Failed)
        assert "survey first" in reply.text
    assert said(node, m.Survey(1, True, [], 7, 5, 3)).form == Form.WHICH_MEMBERS
    assert said(node, m.Survey(1, True, OTHERS, 7, 5, 3)).form == Form.WHICH_MEMBERS, "others"
    assert len(surveyed(node).sums) == 384
    assert len(said(node, m.Sum(1, b"\1")).sums) == 384


def test_so_many_askers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation_server, "MOST_PEERS", 5)
    node = node_with(10, m.Role.NODE)
    server = node._sync_server.reconciliations
    for number in range(9):
        peer = NodeId(bytes([number]) * 32)
        server.answer(peer, m.Survey(1, True, OTHERS, view_of(OTHERS), 5, 3))
    assert list(server._askers) == [bytes([number]) * 32 for number in range(4, 9)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (m.Sum(1, b"\x40"), "no such group"),
        (m.Sketch(1, 0, b"\0\1\0\1", b""), "named twice"),
        (m.Sketch(1, 0, b"\xff\xff", b""), "no such"),
        (m.Sketch(1, 2, b"\0\1", bytes(16)), "16 bytes of sketches for 4 parts"),
        (m.Sketch(1, 8, bytes(40), b""), "5120 parts"),
    ],
)
def test_false_questions_are_refused(request_: m.Message, words: str) -> None:
    node = node_with(10, m.Role.NODE)
    surveyed(node)
    reply = said(node, request_)
    assert isinstance(reply, m.Failed)
    assert words in reply.text


def test_no_question_makes_a_node_look_at_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many slots or parts it names; what is not answered is asked again."""
    node = node_with(30_000, m.Role.NODE)
    surveyed(node)
    looks = 0
    held = node.store.held

    def counted(key: Key) -> Record | None:
        nonlocal looks
        looks += 1
        return held(key)

    monkeypatch.setattr(node.store, "held", counted)
    slots = b"".join(slot.to_bytes(2) for slot in range(SLOTS))
    sketched = said(node, m.Sketch(1, 0, slots, b""))
    assert 0 < sketched.done < SLOTS
    assert 250 < looks <= 600
    for prints in (bytes(5), b""):
        looks = 0
        asked = [(part, prints) for part in range(SLOTS)]
        resolved = said(node, m.Resolve(1, 0, asked))
        assert 0 < resolved.done < SLOTS
        assert looks <= 600


def test_the_newest_half_of_a_page_is_what_was_asked_for() -> None:
    """By the time of the versions, and by whose the records are."""
    node = node_with(0, m.Role.NODE)
    surveyed(node)
    mine = Custody(3, point_of(PEER), [point_of(other) for other in OTHERS])
    expected = []
    for number in range(600):
        key = Key(sha256(number.to_bytes(4)).digest())
        node.store.put(key, Record(Version((number << 80).to_bytes(16)), b"v", 0), NOW.wall_ms)
        node.store.tally()
        if number >= 300 and mine.has(key):
            expected.append((int.from_bytes(key[:8]), number << 16))
    heads = said(node, m.Recent(1, 300, 0)).heads
    assert list(heads_in(heads)) == expected
    assert 0 < len(expected) < 300
    assert said(node, m.Recent(1, 300, 1)).heads == b""


def test_records_are_drawn_by_the_beginnings_of_their_keys() -> None:
    node = node_with(5, m.Role.NODE)
    keys = sorted(vars(node.store)["_records"])
    starts = keys[0][:8] + bytes(8) + keys[2][:8]
    reply = said(node, m.Draw(1, starts))
    assert [item and item.key for item in reply.items] == [keys[0], None, keys[2]]
    assert reply.others == []
    big = Record(VERSION, bytes(1 << 20), 0)
    for key in (keys[0], keys[2]):
        node.store.drop(key, VERSION)
        node.store.put(key, big, NOW.wall_ms)
    reply = said(node, m.Draw(1, starts))
    assert (reply.items[0].value, reply.items[2], reply.others) == (big.value, None, [2])
