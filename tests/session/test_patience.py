"""Patience: what openings teach of the time that answers take."""

import pytest

from p2pcore.effects import Connect, Instant
from p2pcore.errors import UnreachableError
from p2pcore.overlay.table import Contact
from p2pcore.session.patience import LEAST_NS, LONGEST_NS
from p2pcore.wire import messages as m
from tests.session.desk import CONTACT, ME, NODE_READY, PEER, Desk
from tests.session.test_pool import CONTACTS, NODES

MS = 1_000_000


def opened(desk: Desk, number: int, took_ms: int) -> None:
    """A link of ours, so long after the dial."""
    node_id = NODES[number - 1]
    desk.board.connect("10.0.0.2:1", node_id, desk.now)
    desk.now = Instant(desk.now.mono_ns + took_ms * MS, desk.now.wall_ms)
    desk.drain()
    desk.greeted(number, node_id, incoming=False)


def patience_ms(desk: Desk, *numbers: int) -> float:
    """For the node of each number; those without a link are in `CONTACTS`, too."""
    contacts = [CONTACTS[number - 1] for number in numbers]
    return desk.board.patience.of(contacts, desk.now) / MS


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_nobody_is_waited_for_longer_where_all_are_near(desk: Desk) -> None:
    assert patience_ms(desk, 1) == LEAST_NS / MS, "nothing is known yet"
    for number, took_ms in enumerate((1, 290, 3, 300), start=1):
        opened(desk, number, took_ms)
        assert patience_ms(desk, number, 9) == LEAST_NS / MS


def test_a_link_is_waited_for_as_long_as_it_took_to_open(desk: Desk) -> None:
    opened(desk, 1, 900)
    opened(desk, 2, 30)
    assert patience_ms(desk, 1) == 900
    assert patience_ms(desk, 2) == LEAST_NS / MS
    assert patience_ms(desk, 2, 1) == 900
    assert desk.board.patience.of([Contact.of(ME, "")], desk.now) == LEAST_NS
    desk.greeted(3, NODES[2], incoming=True)
    assert patience_ms(desk, 3) == LEAST_NS / MS, "who has dialled us is not measured"


def test_a_node_without_a_link_is_waited_for_as_links_have_taken_to_open(desk: Desk) -> None:
    """The figures are those of RFC 6298, section 2, for samples of 400 and then 800 ms."""
    opened(desk, 1, 300)
    assert patience_ms(desk, 9) == LEAST_NS / MS
    opened(desk, 2, 600)
    assert patience_ms(desk, 9) == (400 + 400 / 8) + 4 * (200 + (400 - 200) / 4)
    for number in range(3, 11):
        opened(desk, number, 30)
    assert patience_ms(desk, 9) < 1000


def test_it_is_bounded(desk: Desk) -> None:
    opened(desk, 1, 4900)
    assert patience_ms(desk, 1) == patience_ms(desk, 9) == LONGEST_NS / MS


def test_what_is_being_dialled_already_has_less_time_left(desk: Desk) -> None:
    opened(desk, 1, 450)
    assert patience_ms(desk, 9) == 1800
    desk.ask(CONTACTS[8])
    desk.sweep(1000 * MS)
    assert patience_ms(desk, 9) == 800
    desk.sweep(1000 * MS)
    assert patience_ms(desk, 9) == LEAST_NS / MS
    address = CONTACTS[8].address
    desk.board.connect_failed(address, NODES[8], UnreachableError("no answer"), desk.now)
    assert patience_ms(desk, 9) == 1800


def test_a_link_that_is_turned_away_teaches_nothing(desk: Desk) -> None:
    desk.ask(CONTACT)
    assert desk.drain() == [Connect(CONTACT.address, PEER)]
    desk.connected(1, incoming=False)
    desk.sweep(1000 * MS)
    desk.receive(1, m.Goodbye(m.Reason.TOO_MANY_CONNECTIONS))
    opened(desk, 2, 450)
    assert desk.board.links[2].opening_ns == 450 * MS  # type: ignore[index]
    desk.connected(3, incoming=False)
    assert desk.receive(3, NODE_READY) == []
    assert desk.board.links[3].opening_ns == 0, "it was never asked for"  # type: ignore[index]
