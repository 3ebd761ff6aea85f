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
from p2pcore.storage.memory import Record
from p2pcore.versions import Version
from p2pcore.wire import messages as m
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
    "request_", [m.Survey(1, True, []), m.ListKeys(1, [1]), m.Confirm(1, [])], ids=str
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
    assert found == sorted(node.store._records)


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
