"""Static swarms whose first node has very many records, links or contacts.

Records are put into the stores, links are told to the node and have nobody behind them, contacts
are told to its table: to bring so many by messages would take minutes. What a figure is about comes
by messages and timers.

Rule: p2pcore only through `subject`; nothing here measures.
"""

from __future__ import annotations

from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.static_swarm import EPOCH_MS, StaticMember, StaticSwarm

__all__ = ["CROWDS", "CrowdedSwarm", "contact_crowd", "link_crowd", "record_crowd"]

CROWDS: dict[str, tuple[int, int]] = {
    "records": (50_000, 100_000),
    "links": (250, 500),
    "contacts": (5_000, 10_000),
}
"""How many make a crowd: half of it, and the whole."""

ENDING = 2  # one in so many has an end, which is far away
FAR_MS = 24 * 3_600_000
SOON_MS = 3_600_000
SOON = 8192  # records that end after an hour, however many there are
SETTLE_NS = 90_000_000_000  # until nodes have compared what they hold, and look after it no more
FIRST_LINK = 1_000_000  # no link of the swarm has such a number


class CrowdedSwarm:
    """A swarm, and what its first node can be told."""

    def __init__(self, nodes: int, size: int, **settings: Any) -> None:
        subject.require("durability")  # earlier nodes have other parts than those it reaches for
        quorum = min(nodes, 2)
        network = subject.NetworkSettings(
            replication=nodes, write_quorum=quorum, read_quorum=quorum
        )
        self.swarm = StaticSwarm(nodes, network, **settings)
        self.size = size
        self.client = self.swarm.client()
        self.client.operate(self.client.machine.connect)
        self.member = self.swarm.nodes[0]
        self.node = self.member.machine
        [self.link] = [n for n, end in self.member.links.items() if end[0] is self.client]
        self.keys: list[Any] = []
        self.links: list[int] = []
        self._nobody = StaticMember(self.swarm, 0, "10.9.0.1:1", None)
        self._numbers = 0

    def number(self) -> int:
        """One that was not given before."""
        self._numbers += 1
        return self._numbers

    def tell(self, messages: list[Any], links: list[int] | None = None) -> list[Any]:
        """The node receives these on the client's link, or each on one of the links; what it wants
        done, of which nothing is done."""
        now = self.swarm.now()
        for place, message in enumerate(messages):
            self.node.receive(self.link if links is None else links[place], message, now)
        return self.node.drain()  # type: ignore[no-any-return]

    def turn(self, times: int) -> None:
        """The node is woken before anything is due, and asked when something will be."""
        now = self.swarm.now()
        for _ in range(times):
            self.node.handle_timer(now)
            self.node.next_deadline()

    def come(self, role: str) -> int:
        """Somebody links to the node and greets it; the link's number."""
        number = self.number()
        link, peer_id = FIRST_LINK + number, Random(number).randbytes(32)
        address = f"10.9.{number >> 8}.{number & 255}:4100"
        roles = subject.part("wire.messages", "Role")
        told = (roles.NODE, address, self.node.settings) if role == "node" else (
            roles.CLIENT, "", None)  # fmt: skip
        now = self.swarm.now()
        self.member.links[link] = self._nobody, link, None
        self.node.connected(link, peer_id, address, incoming=True, now=now)
        self.node.receive(link, subject.part("session.greeting", "greeting")(*told), now)
        return link

    def go(self, link: int) -> None:
        """The link ends."""
        del self.member.links[link]
        self.node.disconnected(link, None, self.swarm.now())


def record_crowd(size: int) -> CrowdedSwarm:
    """Two nodes that hold the same `size` empty records, all of them listed, taken back from their
    disks; `keys` are those of records without an end."""
    wall_ms, key_of = EPOCH_MS, subject.part("ids", "key_of")
    version = subject.part("versions", "HybridClock")(bytes(range(32))).next(wall_ms)
    rows = []
    for number in range(size):
        name = b"name %d" % number
        ends_ms = wall_ms + FAR_MS + number if number % ENDING == 0 else 0
        ends_ms = wall_ms + SOON_MS if number < SOON else ends_ms
        rows.append((1 + number, key_of(name), version, ends_ms, 0, name))
    crowd = CrowdedSwarm(2, size, disk=True, rows=rows)
    crowd.keys = [key for _, key, _, ends_ms, _, _ in rows if not ends_ms]
    return crowd


def link_crowd(size: int) -> CrowdedSwarm:
    """Three nodes; the first one has `size` clients more, who say nothing."""
    crowd = CrowdedSwarm(3, size)
    crowd.swarm.run(SETTLE_NS)
    crowd.links = [crowd.come("client") for _ in range(size)]
    crowd.member.pump()
    return crowd


def contact_crowd(size: int) -> CrowdedSwarm:
    """Three nodes; the first one and the client have heard of `size` others, who are not asked."""
    crowd = CrowdedSwarm(3, size)
    crowd.swarm.run(SETTLE_NS)
    contact, random = subject.part("contact", "Contact"), Random(size)
    for number in range(size):
        other = contact.of(random.randbytes(32), f"10.8.{number >> 8}.{number & 255}:4100")
        crowd.node.table.heard_from(other)
        crowd.client.machine.table.heard_from(other)
    return crowd
