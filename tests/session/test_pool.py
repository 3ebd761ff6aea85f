"""The pool: which links are given up, that nothing is lost with them, and that nobody is missed."""

import pytest

from p2pcore.effects import Close, Connect, Instant, LinkId, Send
from p2pcore.errors import BusyError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.overlay.table import Contact
from p2pcore.session.pool import CROSSED_NS, RETIRE_NS
from p2pcore.session.switchboard import SWEEP_NS
from p2pcore.wire import messages as m
from tests.session.desk import CLIENT_READY, CONTACT, NODE_READY, PEER, Asked, Desk

NODES = [NodeId(bytes([number]) * 32) for number in range(10, 20)]
CONTACTS = [Contact.of(node_id, "10.0.0.2:1") for node_id in NODES]


def pooled(size: int, links: int) -> Desk:
    """A desk with so many outgoing links, 1 to `links`, opened in this order."""
    desk = Desk(pool_size=size, max_links=1)
    for number in range(links):
        desk.now = Instant(desk.now.mono_ns + 1, desk.now.wall_ms)
        desk.greeted(number + 1, NODES[number], incoming=False)
    return desk


def given_up(desk: Desk, passed_ns: int = SWEEP_NS) -> list[int]:
    """The links whose peers were told that we don't keep them, at the next sweep."""
    numbers = []
    for effect in desk.sweep(passed_ns):
        assert isinstance(effect, Send), "the other side closes it"
        assert isinstance(effect.message, m.Goodbye)
        assert effect.message.reason == m.Reason.SURPLUS
        numbers += [int(link_id) for link_id in effect.links]
    return numbers


def use(desk: Desk, number: int) -> None:
    call = desk.ask(CONTACTS[number - 1])
    desk.now = Instant(desk.now.mono_ns + 1, desk.now.wall_ms)
    desk.receive(number, m.Stored(call.id))
    desk.board.drop(call)
    desk.drain()


def test_up_to_its_size_every_link_is_kept() -> None:
    desk = pooled(4, 4)
    assert given_up(desk) == []
    assert desk.board.wake_at_ns is None, "nothing is left to do"


def test_beyond_its_size_the_least_recently_used_goes() -> None:
    desk = pooled(3, 5)
    use(desk, 1)
    use(desk, 3)
    assert given_up(desk) == [2, 4]
    assert desk.board.counters.links_evicted == 2
    assert [desk.board.is_linked(node_id) for node_id in NODES[:5]] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert given_up(desk) == [], "once is enough"


def test_a_sign_of_life_is_no_use() -> None:
    desk = pooled(1, 2)
    call = desk.ask(CONTACTS[0])
    desk.receive(1, m.Pong(call.id))
    desk.board.drop(call)
    desk.drain()
    assert call.told
    assert given_up(desk) == [1]


def test_favoured_nodes_go_last() -> None:
    desk = pooled(2, 4)
    desk.board.pool.favoured = lambda: NODES[:3]
    assert given_up(desk) == [4, 1]


def test_links_that_others_have_opened_do_not_count() -> None:
    desk = Desk(pool_size=1)
    desk.greeted(1, NODES[0])
    desk.greeted(2, NODES[1])
    desk.greeted(3, NODES[2], incoming=False)
    desk.greeted(4, ready=CLIENT_READY)
    assert given_up(desk) == []


def test_what_is_in_use_is_kept_until_it_is_idle() -> None:
    desk = pooled(1, 3)
    first, second = desk.ask(CONTACTS[0]), desk.ask(CONTACTS[1])
    desk.board.links[LinkId(3)].coordinating = 1
    desk.drain()
    assert given_up(desk) == []
    desk.receive(1, m.Stored(first.id))
    assert given_up(desk) == [1]
    desk.board.drop(second)  # cancelled: nobody waits for that reply any more
    assert given_up(desk) == [2]


def test_the_end_of_a_link_given_up_is_no_loss_and_it_is_opened_again_on_demand() -> None:
    desk = pooled(1, 2)
    assert given_up(desk) == [1]
    ping = desk.receive(1, m.Ping(7))
    assert ping == [Send((LinkId(1),), m.Pong(7))], "what was asked meanwhile is answered"
    desk.board.disconnected(LinkId(1), None, desk.now)
    assert desk.told == ["link", "link"]
    assert desk.board.counters.links_broken == 0
    use(desk, 2)
    desk.ask(CONTACTS[0])
    assert desk.drain() == [Connect("10.0.0.2:1", NODES[0])]
    assert (desk.board.counters.pool_hits, desk.board.counters.pool_misses) == (1, 1)


def test_who_is_told_closes_at_once_when_nothing_is_in_flight(desk: Desk) -> None:
    desk.greeted(1)
    (close,) = desk.receive(1, m.Goodbye(m.Reason.SURPLUS, "enough"))
    assert isinstance(close, Close)
    assert desk.told == ["link"], "the node is not lost"
    assert not desk.board.links
    call = desk.ask(CONTACT)
    assert desk.drain() == [Connect(CONTACT.address, PEER)]
    assert call.told == []


def test_who_is_told_waits_for_what_is_in_flight(desk: Desk) -> None:
    """In either direction; what is asked later goes another way."""
    desk.greeted(1)
    call = desk.ask(CONTACT)
    desk.board.links[LinkId(1)].coordinating = 1
    desk.drain()
    assert desk.receive(1, m.Goodbye(m.Reason.SURPLUS)) == []
    later = desk.ask(CONTACT)
    assert desk.drain() == [Connect(CONTACT.address, PEER)]
    assert desk.receive(1, m.Stored(call.id)) == []
    assert call.told == [(PEER, m.Stored(call.id))]
    assert desk.sweep(SWEEP_NS) == []
    desk.board.links[LinkId(1)].coordinating = 0
    (close,) = desk.sweep(SWEEP_NS)
    assert isinstance(close, Close)
    assert later.told == []
    assert desk.told == ["link"]


def test_a_cancelled_call_does_not_keep_a_link(desk: Desk) -> None:
    desk.greeted(1)
    call = desk.ask(CONTACT)
    desk.drain()
    desk.receive(1, m.Goodbye(m.Reason.SURPLUS))
    desk.board.drop(call)
    (close,) = desk.sweep(SWEEP_NS)
    assert isinstance(close, Close)


@pytest.mark.parametrize("ours", [True, False])
def test_nobody_waits_for_ever(ours: bool) -> None:
    """A peer that does not close, or does not answer what was asked."""
    desk = pooled(1, 2)
    if ours:
        assert given_up(desk) == [1]
    call = Asked(desk.board)
    if not ours:
        call = desk.ask(CONTACTS[0])
        desk.drain()
        assert desk.receive(1, m.Goodbye(m.Reason.SURPLUS)) == []
    desk.sweep(RETIRE_NS - SWEEP_NS)
    assert 1 in desk.board.links
    (close,) = desk.sweep(SWEEP_NS)
    assert isinstance(close, Close)
    assert call.told == ([] if ours else [(NODES[0], UnreachableError)])
    assert desk.told == ["link", "link"]


def test_a_crash_fails_what_was_in_flight_on_a_link_given_up(desk: Desk) -> None:
    desk.greeted(1)
    call = desk.ask(CONTACT)
    desk.receive(1, m.Goodbye(m.Reason.SURPLUS))
    later = desk.ask(CONTACT)
    desk.board.disconnected(LinkId(1), UnreachableError("reset"), desk.now)
    assert call.told == [(PEER, UnreachableError)]
    assert later.told == [], "that one waits for its own link"


def test_a_node_that_leaves_while_it_gives_a_link_up_has_left(desk: Desk) -> None:
    desk.greeted(1)
    desk.ask(CONTACT)
    desk.receive(1, m.Goodbye(m.Reason.SURPLUS))
    desk.receive(1, m.Goodbye(m.Reason.SHUTDOWN))
    assert desk.told == ["link", ("lost", True)]


@pytest.mark.parametrize("incoming_first", [True, False])
@pytest.mark.parametrize("me", [b"\0" * 32, b"\xff" * 32], ids=["smaller", "larger"])
def test_of_two_simultaneous_dials_that_of_the_smaller_id_stays(
    me: bytes, incoming_first: bool
) -> None:
    desk = Desk(me=NodeId(me))
    desk.greeted(1, incoming=incoming_first)
    call = desk.ask(CONTACT)
    desk.drain()
    desk.connected(2, incoming=not incoming_first)
    effects = desk.receive(2, NODE_READY)
    ours = 2 if incoming_first else 1
    if me < PEER:
        assert effects == [], "the other side gives up the one that it has dialled"
        goodbye = m.Goodbye(m.Reason.SURPLUS)
        closed = [e for e in desk.receive(3 - ours, goodbye) if isinstance(e, Close)]
        assert len(closed) == (not incoming_first), "the first one has an answer to bring"
    else:
        (send,) = effects
        assert isinstance(send, Send)
        assert send.links == (ours,)
    desk.receive(1, m.Stored(call.id))
    assert call.told == [(PEER, m.Stored(call.id))]
    later = desk.ask(CONTACT)
    (send,) = desk.drain()
    assert send == Send((LinkId(ours if me < PEER else 3 - ours),), m.Ping(later.id))
    assert desk.board.counters.links_evicted == 0


def test_of_two_dials_of_ours_the_earlier_stays(desk: Desk) -> None:
    desk.greeted(1, incoming=False)
    desk.connected(2, incoming=False)
    (send,) = desk.receive(2, NODE_READY)
    assert isinstance(send, Send)
    assert send.links == (2,)


@pytest.mark.parametrize("first_incoming", [True, False])
@pytest.mark.parametrize("me", [b"\0" * 32, b"\xff" * 32], ids=["smaller", "larger"])
def test_a_node_that_dials_though_it_is_linked_has_lost_that_link(
    me: bytes, first_incoming: bool
) -> None:
    """It lost its power, say, and is back before anybody has noticed."""
    desk = Desk(me=NodeId(me))
    desk.greeted(1, incoming=first_incoming)
    desk.sweep(CROSSED_NS + 1)
    call = desk.ask(CONTACT)
    desk.drain()
    desk.connected(2)
    (close,) = desk.receive(2, NODE_READY)
    assert close == Close(LinkId(1), "the node has come back on another link")
    assert call.told == [(PEER, UnreachableError)], "another replica is asked"
    assert desk.told == ["link", ("lost", False), "link"]
    later = desk.ask(CONTACT)
    assert desk.drain() == [Send((LinkId(2),), m.Ping(later.id))]


def test_an_old_link_is_kept_when_it_is_we_who_dial_again(desk: Desk) -> None:
    desk.greeted(1)
    desk.sweep(CROSSED_NS + 1)
    desk.connected(2, incoming=False)
    desk.receive(2, NODE_READY)
    assert desk.told == ["link", "link"]
    assert LinkId(1) in desk.board.links


def test_a_node_that_is_full_is_there(desk: Desk) -> None:
    call = desk.ask(CONTACT)
    desk.connected(1, incoming=False)
    desk.receive(1, m.Goodbye(m.Reason.TOO_MANY_CONNECTIONS))
    assert call.told == [(PEER, BusyError)]
    assert desk.told == [("unreachable", "10.0.0.2:1", PEER, BusyError)]


@pytest.fixture
def desk() -> Desk:
    return Desk()
