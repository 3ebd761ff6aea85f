"""What one read brings goes to its handlers: in order, in time, no further than the link lasts."""

import pytest

from p2pcore.effects import Instant, LinkId
from p2pcore.ids import NodeId
from p2pcore.session.dispatch import Dispatch
from p2pcore.session.link import Link
from p2pcore.wire import messages as m

LINK = LinkId(1)
NOW = Instant(1000, 0)
PINGS = [m.Ping(number) for number in range(4)]


class Peer:
    """One link, which has greeted; what was handled and what it was accused of."""

    def __init__(self) -> None:
        self.link = Link(LINK, NodeId(bytes(32)), "10.0.0.1:1", incoming=True)
        self.link.role = m.Role.CLIENT
        self.by_id = {LINK: self.link}
        self.seen: list[int] = []
        self.accused: list[str] = []
        self.dispatch = Dispatch(self.by_id, lambda link, text, now: self.accused.append(text))
        self.dispatch.handlers[m.Ping] = self._on_ping
        self.ends_at = -1
        self.now_ns = 0

    def _on_ping(self, link: Link, ping: m.Ping, now: Instant) -> None:
        self.seen.append(ping.id)
        self.now_ns += 10
        if ping.id == self.ends_at:
            del self.by_id[LINK]

    def read(self, end_ns: int = 0) -> int:
        return self.dispatch.receive_read(LINK, list(PINGS), NOW, lambda: self.now_ns, end_ns)


@pytest.fixture
def peer() -> Peer:
    return Peer()


def test_all_of_a_read_is_handled_where_time_is_no_matter(peer: Peer) -> None:
    assert peer.read() == 4
    assert peer.seen == [0, 1, 2, 3]
    assert peer.link.heard_ns == NOW.mono_ns


@pytest.mark.parametrize(("end_ns", "done"), [(1, 1), (15, 2), (35, 4), (1000, 4)])
def test_what_time_leaves_over_is_not_handled(peer: Peer, end_ns: int, done: int) -> None:
    assert peer.read(end_ns) == done
    assert peer.seen == list(range(done))


def test_what_is_left_over_of_an_iterator_is_still_in_it(peer: Peer) -> None:
    messages = iter(PINGS)
    assert peer.dispatch.receive_read(LINK, messages, NOW, lambda: peer.now_ns, 15) == 2
    assert [message.id for message in messages] == [2, 3]


def test_nothing_more_is_handled_of_a_link_that_has_ended(peer: Peer) -> None:
    peer.ends_at = 1
    assert peer.read() == 4, "nothing of it is wanted any more"
    assert peer.seen == [0, 1]
    assert peer.read() == 4
    assert peer.seen == [0, 1]


def test_who_has_not_greeted_is_accused_and_so_is_who_asks_what_nobody_answers(peer: Peer) -> None:
    peer.link.role = None
    peer.read()
    assert peer.seen == []
    assert len(peer.accused) == 4
    peer.link.role = m.Role.CLIENT
    peer.dispatch.receive_read(LINK, [m.Pong(1)], NOW, lambda: 0, 0)
    assert peer.accused[-1] == "Pong is nothing to ask here"
