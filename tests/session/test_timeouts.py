"""Timeouts: what openings teach of the time that answers take."""

import pytest

from p2pcore.contact import Contact
from p2pcore.effects import Connect, Instant
from p2pcore.errors import UnreachableError
from p2pcore.session.timeouts import LEAST_NS, LONGEST_NS
from p2pcore.wire import messages as m
from tests.session.harness import CONTACT, ME, NODE_READY, PEER, Harness
from tests.session.test_pool import CONTACTS, NODES

MS = 1_000_000


def opened(harness: Harness, number: int, took_ms: int) -> None:
    """A link of ours, so long after the dial."""
    node_id = NODES[number - 1]
    harness.links.connect("10.0.0.2:1", node_id, harness.now)
    harness.now = Instant(harness.now.mono_ns + took_ms * MS, harness.now.wall_ms)
    harness.drain()
    harness.greeted(number, node_id, incoming=False)


def wait_ms(harness: Harness, *numbers: int) -> float:
    """For the node of each number; those without a link are in `CONTACTS`, too."""
    contacts = [CONTACTS[number - 1] for number in numbers]
    return harness.links.timeouts.of(contacts, harness.now) / MS


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_nobody_is_waited_for_longer_where_all_are_near(harness: Harness) -> None:
    assert wait_ms(harness, 1) == LEAST_NS / MS, "nothing is known yet"
    for number, took_ms in enumerate((1, 290, 3, 300), start=1):
        opened(harness, number, took_ms)
        assert wait_ms(harness, number, 9) == LEAST_NS / MS


def test_a_link_is_waited_for_as_long_as_it_took_to_open(harness: Harness) -> None:
    opened(harness, 1, 900)
    opened(harness, 2, 30)
    assert wait_ms(harness, 1) == 900
    assert wait_ms(harness, 2) == LEAST_NS / MS
    assert wait_ms(harness, 2, 1) == 900
    assert harness.links.timeouts.of([Contact.of(ME, "")], harness.now) == LEAST_NS
    harness.greeted(3, NODES[2], incoming=True)
    assert wait_ms(harness, 3) == LEAST_NS / MS, "who has dialled us is not measured"


def test_a_node_without_a_link_is_waited_for_as_links_have_taken_to_open(harness: Harness) -> None:
    """The figures are those of RFC 6298, section 2, for samples of 400 and then 800 ms."""
    opened(harness, 1, 300)
    assert wait_ms(harness, 9) == LEAST_NS / MS
    opened(harness, 2, 600)
    assert wait_ms(harness, 9) == (400 + 400 / 8) + 4 * (200 + (400 - 200) / 4)
    for number in range(3, 11):
        opened(harness, number, 30)
    assert wait_ms(harness, 9) < 1000


def test_it_is_bounded(harness: Harness) -> None:
    opened(harness, 1, 4900)
    assert wait_ms(harness, 1) == wait_ms(harness, 9) == LONGEST_NS / MS


def test_what_is_being_dialled_already_has_less_time_left(harness: Harness) -> None:
    opened(harness, 1, 450)
    assert wait_ms(harness, 9) == 1800
    harness.ask(CONTACTS[8])
    harness.sweep(1000 * MS)
    assert wait_ms(harness, 9) == 800
    harness.sweep(1000 * MS)
    assert wait_ms(harness, 9) == LEAST_NS / MS
    address = CONTACTS[8].address
    harness.links.connect_failed(address, NODES[8], UnreachableError("no answer"), harness.now)
    assert wait_ms(harness, 9) == 1800


def test_a_link_that_is_turned_away_teaches_nothing(harness: Harness) -> None:
    harness.ask(CONTACT)
    assert harness.drain() == [Connect(CONTACT.address, PEER)]
    harness.connected(1, incoming=False)
    harness.sweep(1000 * MS)
    harness.receive(1, m.Goodbye(m.Reason.TOO_MANY_CONNECTIONS))
    opened(harness, 2, 450)
    assert harness.links.by_id[2].opening_ns == 450 * MS  # type: ignore[index]
    harness.connected(3, incoming=False)
    assert harness.receive(3, NODE_READY) == []
    assert harness.links.by_id[3].opening_ns == 0, "it was never asked for"  # type: ignore[index]
