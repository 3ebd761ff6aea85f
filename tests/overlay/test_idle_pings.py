"""Who is pinged when nothing is asked: whom, how often, and who is not."""

from itertools import pairwise

import pytest

from p2pcore.contact import Contact
from p2pcore.effects import Connect, Instant, LinkId, Send
from p2pcore.ids import NodeId
from p2pcore.overlay.liveness import FAR_NS, MAX_DIALS, PROBE_NS, QUIET_NS, Liveness
from p2pcore.overlay.table import BUCKET_SIZE, ContactTable
from p2pcore.wire import messages as m
from tests.session.harness import CLIENT_READY, ME, NODE_READY, Harness

STEP_NS = 100_000_000
NEAR, FAR, CLIENT, TALKER, RETIRED = 1, 2, 3, 4, 5
IDS = {number: NodeId(bytes([number + 10]) * 32) for number in range(1, 6)}


class Idle:
    """A machine that asks nothing, linked to one of each kind. Every ping is answered."""

    def __init__(self, *, is_node: bool) -> None:
        self.harness = Harness(m.Role.NODE if is_node else m.Role.CLIENT)
        self.harness.links.pool.favoured = lambda: {IDS[NEAR]: None, IDS[TALKER]: None}
        self.table = ContactTable(ME)
        self.liveness = Liveness(self.harness.links, self.table if is_node else None)
        for number, node_id in IDS.items():
            self.harness.greeted(number, node_id, CLIENT_READY if number == CLIENT else NODE_READY)
            self.liveness.on_link(self.harness.now)
        self.harness.links.by_id[LinkId(RETIRED)].coordinating = 1
        self.harness.receive(RETIRED, m.Goodbye(m.Reason.SURPLUS))
        self.pinged_ns: dict[int, list[int]] = {number: [] for number in IDS}
        self.dialled_ns: dict[NodeId | None, list[int]] = {}

    def run(self, passed_ns: int) -> None:
        for _ in range(passed_ns // STEP_NS):
            now = self.harness.now = Instant(self.harness.now.mono_ns + STEP_NS, 10**12)
            self.harness.receive(TALKER, m.Ping(7))
            self.liveness.handle_timer(now)
            for effect in self.harness.drain():
                if isinstance(effect, Connect):
                    self.dialled_ns.setdefault(effect.node_id, []).append(now.mono_ns)
                elif isinstance(effect, Send) and isinstance(effect.message, m.Ping):
                    (number,) = effect.links
                    self.pinged_ns[number].append(now.mono_ns)
                    self.harness.receive(number, m.Pong(effect.message.id))

    def gaps_ns(self, number: int) -> set[int]:
        times = self.pinged_ns[number]
        return {later - before for before, later in pairwise(times)}


def test_a_node_pings_those_near_it_often_and_the_others_now_and_then() -> None:
    idle = Idle(is_node=True)
    idle.run(10 * FAR_NS)
    assert idle.gaps_ns(NEAR) == {PROBE_NS}
    assert idle.gaps_ns(FAR) == {FAR_NS}
    assert len(idle.pinged_ns[NEAR]) == 10 * FAR_NS // PROBE_NS
    assert len(idle.pinged_ns[FAR]) == 10


@pytest.mark.parametrize("is_node", [True, False], ids=["node", "client"])
def test_who_talks_is_not_pinged_nor_a_client_nor_a_link_that_is_given_up(is_node: bool) -> None:
    idle = Idle(is_node=is_node)
    idle.run(2 * FAR_NS)
    assert idle.pinged_ns[NEAR]
    assert not idle.pinged_ns[TALKER] + idle.pinged_ns[CLIENT] + idle.pinged_ns[RETIRED]


def test_a_client_pings_every_node_that_it_is_linked_to_and_dials_nobody() -> None:
    idle = Idle(is_node=False)
    idle.run(10 * QUIET_NS)
    assert idle.gaps_ns(NEAR) == idle.gaps_ns(FAR) == {QUIET_NS}
    assert not idle.dialled_ns


def test_a_node_dials_those_whom_it_knows_without_a_link() -> None:
    """The near ones at every look, the others every FAR_NS, and not all at once."""
    idle = Idle(is_node=True)
    for first in (64, 128):  # two buckets
        for number in range(BUCKET_SIZE):
            idle.table.heard_from(Contact.of(bytes([first + number]) + bytes(31), "10.0.0.9:1"))
    near, *_ = known = {contact.node_id: None for contact in idle.table.contacts()}
    assert len(known) > MAX_DIALS
    idle.harness.links.pool.favoured = lambda: {near: None}
    idle.run(FAR_NS)
    assert set(idle.dialled_ns) == {near}
    idle.run(QUIET_NS)
    assert len(idle.dialled_ns) == MAX_DIALS
    idle.run(QUIET_NS)
    assert set(idle.dialled_ns) == set(known)
