"""The pool: which links are given up, that nothing is lost with them, and that nobody is missed."""

import pytest

from p2pcore.contact import Contact
from p2pcore.effects import Close, Connect, Instant, LinkId, Send
from p2pcore.errors import BusyError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.session.links import SWEEP_NS
from p2pcore.session.pool import CROSSED_NS, RETIRE_NS
from p2pcore.wire import messages as m
from tests.session.harness import CLIENT_READY, CONTACT, NODE_READY, PEER, Asked, Harness

NODES = [NodeId(bytes([number]) * 32) for number in range(10, 20)]
CONTACTS = [Contact.of(node_id, "10.0.0.2:1") for node_id in NODES]


def pooled(size: int, links: int) -> Harness:
    """A harness with so many outgoing links, 1 to `links`, opened in this order."""
    harness = Harness(pool_size=size, max_links=1)
    for number in range(links):
        harness.now = Instant(harness.now.mono_ns + 1, harness.now.wall_ms)
        harness.greeted(number + 1, NODES[number], incoming=False)
    return harness


def given_up(harness: Harness, passed_ns: int = SWEEP_NS) -> list[int]:
    """The links whose peers were told that we don't keep them, at the next sweep."""
    numbers = []
    for effect in harness.sweep(passed_ns):
        assert isinstance(effect, Send), "the other side closes it"
        assert isinstance(effect.message, m.Goodbye)
        assert effect.message.reason == m.Reason.SURPLUS
        numbers += [int(link_id) for link_id in effect.links]
    return numbers


def use(harness: Harness, number: int) -> None:
    call = harness.ask(CONTACTS[number - 1])
    harness.now = Instant(harness.now.mono_ns + 1, harness.now.wall_ms)
    harness.receive(number, m.Stored(call.id))
    harness.links.drop(call)
    harness.drain()


def test_up_to_its_size_every_link_is_kept() -> None:
    harness = pooled(4, 4)
    assert given_up(harness) == []
    assert harness.links.wake_at_ns is None, "nothing is left to do"


def test_beyond_its_size_the_least_recently_used_goes() -> None:
    harness = pooled(3, 5)
    use(harness, 1)
    use(harness, 3)
    assert given_up(harness) == [2, 4]
    assert harness.links.counters.links_evicted == 2
    assert [harness.links.is_linked(node_id) for node_id in NODES[:5]] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert given_up(harness) == [], "once is enough"


def test_a_sign_of_life_is_no_use() -> None:
    harness = pooled(1, 2)
    call = harness.ask(CONTACTS[0])
    harness.receive(1, m.Pong(call.id))
    harness.links.drop(call)
    harness.drain()
    assert call.told
    assert given_up(harness) == [1]


def test_favoured_nodes_go_last() -> None:
    harness = pooled(2, 4)
    harness.links.pool.favoured = lambda: NODES[:3]
    assert given_up(harness) == [4, 1]


def test_links_that_others_have_opened_do_not_count() -> None:
    harness = Harness(pool_size=1)
    harness.greeted(1, NODES[0])
    harness.greeted(2, NODES[1])
    harness.greeted(3, NODES[2], incoming=False)
    harness.greeted(4, ready=CLIENT_READY)
    assert given_up(harness) == []


def test_what_is_in_use_is_kept_until_it_is_idle() -> None:
    harness = pooled(1, 3)
    first, second = harness.ask(CONTACTS[0]), harness.ask(CONTACTS[1])
    harness.links.by_id[LinkId(3)].coordinating = 1
    harness.drain()
    assert given_up(harness) == []
    harness.receive(1, m.Stored(first.id))
    assert given_up(harness) == [1]
    harness.links.drop(second)  # cancelled: nobody waits for that reply any more
    assert given_up(harness) == [2]


def test_the_end_of_a_link_given_up_is_no_loss_and_it_is_opened_again_on_demand() -> None:
    harness = pooled(1, 2)
    assert given_up(harness) == [1]
    ping = harness.receive(1, m.Ping(7))
    assert ping == [Send((LinkId(1),), m.Pong(7))], "what was asked meanwhile is answered"
    harness.links.disconnected(LinkId(1), None, harness.now)
    assert harness.told == ["link", "link"]
    assert harness.links.counters.links_broken == 0
    use(harness, 2)
    harness.ask(CONTACTS[0])
    assert harness.drain() == [Connect("10.0.0.2:1", NODES[0])]
    assert (harness.links.counters.pool_hits, harness.links.counters.pool_misses) == (1, 1)


def test_who_is_told_closes_at_once_when_nothing_is_in_flight(harness: Harness) -> None:
    harness.greeted(1)
    (close,) = harness.receive(1, m.Goodbye(m.Reason.SURPLUS, "enough"))
    assert isinstance(close, Close)
    assert harness.told == ["link"], "the node is not lost"
    assert not harness.links.by_id
    call = harness.ask(CONTACT)
    assert harness.drain() == [Connect(CONTACT.address, PEER)]
    assert call.told == []


def test_who_is_told_waits_for_what_is_in_flight(harness: Harness) -> None:
    """In either direction; what is asked later goes another way."""
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.links.by_id[LinkId(1)].coordinating = 1
    harness.drain()
    assert harness.receive(1, m.Goodbye(m.Reason.SURPLUS)) == []
    later = harness.ask(CONTACT)
    assert harness.drain() == [Connect(CONTACT.address, PEER)]
    assert harness.receive(1, m.Stored(call.id)) == []
    assert call.told == [(PEER, m.Stored(call.id))]
    assert harness.sweep(SWEEP_NS) == []
    harness.links.by_id[LinkId(1)].coordinating = 0
    (close,) = harness.sweep(SWEEP_NS)
    assert isinstance(close, Close)
    assert later.told == []
    assert harness.told == ["link"]


def test_a_cancelled_call_does_not_keep_a_link(harness: Harness) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.drain()
    harness.receive(1, m.Goodbye(m.Reason.SURPLUS))
    harness.links.drop(call)
    (close,) = harness.sweep(SWEEP_NS)
    assert isinstance(close, Close)


@pytest.mark.parametrize("ours", [True, False])
def test_nobody_waits_for_ever(ours: bool) -> None:
    """A peer that does not close, or does not answer what was asked."""
    harness = pooled(1, 2)
    if ours:
        assert given_up(harness) == [1]
    call = Asked(harness.links)
    if not ours:
        call = harness.ask(CONTACTS[0])
        harness.drain()
        assert harness.receive(1, m.Goodbye(m.Reason.SURPLUS)) == []
    harness.sweep(RETIRE_NS - SWEEP_NS)
    assert 1 in harness.links.by_id
    (close,) = harness.sweep(SWEEP_NS)
    assert isinstance(close, Close)
    assert call.told == ([] if ours else [(NODES[0], UnreachableError)])
    assert harness.told == ["link", "link"]


def test_a_crash_fails_what_was_in_flight_on_a_link_given_up(harness: Harness) -> None:
    harness.greeted(1)
    call = harness.ask(CONTACT)
    harness.receive(1, m.Goodbye(m.Reason.SURPLUS))
    later = harness.ask(CONTACT)
    harness.links.disconnected(LinkId(1), UnreachableError("reset"), harness.now)
    assert call.told == [(PEER, UnreachableError)]
    assert later.told == [], "that one waits for its own link"


def test_a_node_that_leaves_while_it_gives_a_link_up_has_left(harness: Harness) -> None:
    harness.greeted(1)
    harness.ask(CONTACT)
    harness.receive(1, m.Goodbye(m.Reason.SURPLUS))
    harness.receive(1, m.Goodbye(m.Reason.SHUTDOWN))
    assert harness.told == ["link", ("lost", True)]


@pytest.mark.parametrize("incoming_first", [True, False])
@pytest.mark.parametrize("me", [b"\0" * 32, b"\xff" * 32], ids=["smaller", "larger"])
def test_of_two_simultaneous_dials_that_of_the_smaller_id_stays(
    me: bytes, incoming_first: bool
) -> None:
    harness = Harness(me=NodeId(me))
    harness.greeted(1, incoming=incoming_first)
    call = harness.ask(CONTACT)
    harness.drain()
    harness.connected(2, incoming=not incoming_first)
    effects = harness.receive(2, NODE_READY)
    ours = 2 if incoming_first else 1
    if me < PEER:
        assert effects == [], "the other side gives up the one that it has dialled"
        goodbye = m.Goodbye(m.Reason.SURPLUS)
        closed = [e for e in harness.receive(3 - ours, goodbye) if isinstance(e, Close)]
        assert len(closed) == (not incoming_first), "the first one has an answer to bring"
    else:
        (send,) = effects
        assert isinstance(send, Send)
        assert send.links == (ours,)
    harness.receive(1, m.Stored(call.id))
    assert call.told == [(PEER, m.Stored(call.id))]
    later = harness.ask(CONTACT)
    (send,) = harness.drain()
    assert send == Send((LinkId(ours if me < PEER else 3 - ours),), m.Ping(later.id))
    assert harness.links.counters.links_evicted == 0


def test_of_two_dials_of_ours_the_earlier_stays(harness: Harness) -> None:
    harness.greeted(1, incoming=False)
    harness.connected(2, incoming=False)
    (send,) = harness.receive(2, NODE_READY)
    assert isinstance(send, Send)
    assert send.links == (2,)


@pytest.mark.parametrize("first_incoming", [True, False])
@pytest.mark.parametrize("me", [b"\0" * 32, b"\xff" * 32], ids=["smaller", "larger"])
def test_a_node_that_dials_though_it_is_linked_has_lost_that_link(
    me: bytes, first_incoming: bool
) -> None:
    """It lost its power, say, and is back before anybody has noticed."""
    harness = Harness(me=NodeId(me))
    harness.greeted(1, incoming=first_incoming)
    harness.sweep(CROSSED_NS + 1)
    call = harness.ask(CONTACT)
    harness.drain()
    harness.connected(2)
    (close,) = harness.receive(2, NODE_READY)
    assert close == Close(LinkId(1), "the node has come back on another link")
    assert call.told == [(PEER, UnreachableError)], "another replica is asked"
    assert harness.told == ["link", ("lost", False), "link"]
    later = harness.ask(CONTACT)
    assert harness.drain() == [Send((LinkId(2),), m.Ping(later.id))]


def test_an_old_link_is_kept_when_it_is_we_who_dial_again(harness: Harness) -> None:
    harness.greeted(1)
    harness.sweep(CROSSED_NS + 1)
    harness.connected(2, incoming=False)
    harness.receive(2, NODE_READY)
    assert harness.told == ["link", "link"]
    assert LinkId(1) in harness.links.by_id


def test_a_node_that_is_full_is_there(harness: Harness) -> None:
    call = harness.ask(CONTACT)
    harness.connected(1, incoming=False)
    harness.receive(1, m.Goodbye(m.Reason.TOO_MANY_CONNECTIONS))
    assert call.told == [(PEER, BusyError)]
    assert harness.told == [("unreachable", "10.0.0.2:1", PEER, BusyError)]


@pytest.fixture
def harness() -> Harness:
    return Harness()
