"""Who may link to a node: limits by identity, and what is kept for nodes that are known."""

import pytest

from p2pcore.effects import Close, LinkId, Send
from p2pcore.ids import NodeId
from p2pcore.session.admission import MAX_LINKS_PER_PEER, max_links_per_peer
from p2pcore.wire import messages as m
from tests.session.harness import CLIENT_READY, OTHER, PEER, Harness


def identity(number: int) -> NodeId:
    return NodeId(bytes([number + 100]) * 32)


def refused(harness: Harness, number: int, peer: NodeId) -> bool:
    effects = harness.connected(number, peer)
    sent = effects[0]
    assert isinstance(sent, Send)
    if isinstance(sent.message, m.Ready):
        return False
    assert isinstance(sent.message, m.Goodbye)
    assert sent.message.reason is m.Reason.TOO_MANY_CONNECTIONS
    assert any(isinstance(effect, Close) for effect in effects)
    return True


@pytest.mark.parametrize(("max_links", "most"), [(1, 2), (8, 2), (16, 4), (32, 8), (1024, 8)])
def test_one_identity_has_so_many_links(max_links: int, most: int) -> None:
    assert max_links_per_peer(max_links) == most


@pytest.mark.parametrize("greeted", [False, True])
def test_one_identity_can_not_take_all(greeted: bool) -> None:
    harness = Harness(max_links=1024)
    taken = 0
    for number in range(1, 1025):
        if not refused(harness, number, PEER):
            taken += 1
            if greeted:
                harness.receive(number, CLIENT_READY)
    assert taken == MAX_LINKS_PER_PEER
    assert not refused(harness, 2000, OTHER)
    harness.links.disconnected(LinkId(1), None, harness.now)
    harness.drain()
    assert not refused(harness, 2001, PEER), "there is room again"
    assert refused(harness, 2002, PEER)


def test_what_we_open_does_not_count() -> None:
    harness = Harness(max_links=64)
    for number in range(1, 20):
        harness.connected(number, PEER, incoming=False)
    assert not refused(harness, 30, PEER)


def test_links_are_kept_for_known_nodes() -> None:
    harness = Harness(max_links=10)
    known = dict.fromkeys([identity(101), identity(102), identity(103)])
    harness.links.admission.is_known = known.__contains__
    harness.links.admission.count_known = lambda: len(known)
    taken = sum(not refused(harness, number, identity(number)) for number in range(1, 50))
    assert taken == 7
    for number, peer in enumerate(known, 101):
        assert not refused(harness, number, peer)
    assert refused(harness, 200, identity(101)), "ten are open now"


def test_a_known_node_gets_in_where_too_many_strangers_were_first() -> None:
    harness = Harness(max_links=10)
    for number in range(1, 9):
        assert not refused(harness, number, identity(number)), "no node is known so far"
    known = dict.fromkeys([identity(101), identity(102), identity(103)])
    harness.links.admission.is_known = known.__contains__
    harness.links.admission.count_known = lambda: len(known)
    assert refused(harness, 9, identity(9)), "three of ten are kept, and eight are taken"
    assert not refused(harness, 101, identity(101))


def test_the_words_say_how_many_of_how_many() -> None:
    harness = Harness(max_links=10)
    harness.links.admission.count_known = lambda: 99
    for number in range(1, 6):
        assert not refused(harness, number, identity(number))
    effects = harness.connected(6, identity(6))
    (close,) = (effect for effect in effects if isinstance(effect, Close))
    assert "5 of 10 connections are open" in close.text


def test_a_claim_is_no_reason() -> None:
    """Whoever says that it is a node gets in as a stranger does, until it is known."""
    harness = Harness(max_links=4)
    harness.links.admission.count_known = lambda: 2
    ready = m.Ready(1, 1, m.Role.NODE, "10.0.0.2:1", m.Settings(3, 2, 2))
    for number in (1, 2):
        harness.greeted(number, identity(number), ready)
    assert refused(harness, 3, identity(3))
