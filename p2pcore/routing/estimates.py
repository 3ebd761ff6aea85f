"""How quick each replica is, by this machine's own clock, and who is therefore asked last.

Theory of operation. One question to each peer is timed at a time, as TCP times one segment, and one
every 5 ms at most; its answer teaches whether or not anybody still waits for it. How long answers
take depends on what is asked: so each is compared with what is usual here for its kind and size
class (sizes by factors of four; of batches, whose parts for several peers differ in size, of two).
A peer's *strain* is the moving average of that ratio, 1 for a peer like all others. What outliers
take moves nothing that is usual.

Replicas are asked in rotation. One whose strain is above OUTLIER times the median of the key's
replicas is asked last until it is below BACK times: alone, the strain is no reason, for where all
are slow there is nothing to be gained. So is one that is *late*: it was not answering when a read
gave up waiting for it and asked another (see `hedges.py`), and has said nothing since. What it says
next ends that. An outlier is asked beside the others every PROBE_NS, at the cost of a token, so
that it is noticed when it is quick again; and writes go to all replicas anyway.

No clock of others is involved, and refusals teach nothing: they are quick.

Source: RFC 6298, section 3 (one sample per round trip); Dean and Barroso, "The Tail at Scale", CACM
56(2), 2013 (latency-induced probation). Simulations of ten policies: decision 0019.

Rule: estimates and orders; sends nothing.
"""

from collections.abc import Container, Mapping

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.ids import NodeId
from p2pcore.routing.budget import HedgeBudget
from p2pcore.session.link import Link
from p2pcore.session.peers import PeerEstimate, is_late, pictured
from p2pcore.wire.messages import (
    Found,
    FoundMany,
    Message,
    Missing,
    Reply,
    Store,
    Stored,
    StoredMany,
    StoreMany,
)

__all__ = ["OUTLIER", "PROBE_NS", "Estimates", "PeerEstimate"]

OUTLIER = 2.5  # times the median: as simulated; 1.5 and less makes all clients flee to the same two
BACK = 1.5  # so that who is at the limit does not come and go
PROBE_NS = 100_000_000  # an outlier that is quick again needs some five of these
ALPHA = 0.2  # weight of a new answer: a mean of five, so that some ten show a node that is slow
BACK_ALPHA = 0.4  # of one that is better than an outlier's strain: it was made up of bad ones
MOST = 8.0  # of one answer, so that the end of a long pause does not count for minutes
STEP = 0.03  # by which what is usual follows the answers; it is their median
LOOK = 64  # answers between looks at all peers
CLASSES = 8  # of sizes: below 256 bytes, 1 KiB, 4 KiB ... 1 MiB
BATCH_CLASSES = 16  # below 256 bytes, 512, 1 KiB ... 4 MiB
ITEM_BYTES = 256  # that an item of a batch counts beside its value
LOST = float("inf")


class Estimates:
    """What one machine thinks of the nodes that it asks.

    Args:
        by_node: the links on which nodes are asked; their owner keeps them.
        budget: pays for asking outliers beside the others.
        enabled: False: nobody is ever asked last.
    """

    __slots__ = ("_budget", "_by_node", "_enabled", "_least", "_looks", "_usual_ns", "alert")

    def __init__(
        self, by_node: Mapping[NodeId, Link], budget: HedgeBudget, *, enabled: bool
    ) -> None:
        self._by_node = by_node
        self._budget = budget
        self._enabled = enabled
        # Of reads, then of writes, by size class; then of reads and writes of many.
        self._usual_ns = [0.0] * (2 * CLASSES + 2 * BATCH_CLASSES)
        self._least = 1.0  # strain of all, at the last look
        self._looks = LOOK
        self.alert = False
        """True if there may be an outlier: orders have to be planned."""

    def learn(self, link: Link, reply: Reply, now: Instant) -> None:
        """The question that was timed on this link is answered."""
        question, link.timed_question, link.timed_id = link.timed_question, None, 0
        place = _place_of(question, reply)
        if place is None:
            return
        took_ns = now.mono_ns - link.timed_ns or 1
        usual_ns = self._usual_ns[place] or self._usual_near(place) or took_ns
        if not link.shunned:  # or it may be all that there is of its class
            self._usual_ns[place] = usual_ns * (1 + STEP if took_ns > usual_ns else 1 - STEP)
        self._strain(link, took_ns / usual_ns)
        self._looks -= 1
        if not self._looks:
            self._look()

    def _usual_near(self, place: int) -> float:
        """What is usual for a batch of the next size that is known: one node alone may have parts
        of this size, and that one be slow."""
        first = 2 * CLASSES + (place >= 2 * CLASSES + BATCH_CLASSES) * BATCH_CLASSES
        if place < first:
            return 0.0
        usual = enumerate(self._usual_ns[first : first + BATCH_CLASSES], first)
        known = [(abs(each - place), usual_ns) for each, usual_ns in usual if usual_ns]
        return min(known, default=(0, 0.0))[1]

    def _strain(self, link: Link, ratio: float) -> None:
        if ratio > MOST:
            ratio = MOST
        strain = link.strain
        if not strain:
            strain = ratio
        elif link.shunned and ratio < strain:
            strain += BACK_ALPHA * (ratio - strain)
        else:
            strain += ALPHA * (ratio - strain)
        link.strain = strain
        if strain > OUTLIER * self._least:
            self.alert = self._enabled

    def _look(self) -> None:
        """Is there still a reason to plan orders?"""
        self._looks = LOOK
        links = self._by_node.values()
        strains = [link.strain for link in links if link.strain]
        self._least = min(strains, default=1.0)
        uneven = max(strains, default=0.0) > OUTLIER * self._least
        shunned = any(link.shunned or is_late(link) for link in links)
        self.alert = self._enabled and (uneven or shunned)

    def missed(self, node_id: NodeId, since_ns: int, now: Instant) -> bool:
        """It has not answered what was asked at `since_ns`. Returns whether it has said nothing at
        all since then; if so, it is asked last until it does."""
        link = self._by_node.get(node_id)
        if link is None:
            return True
        if link.heard_ns >= since_ns:
            return False
        link.late_ns = now.mono_ns
        link.hedges += 1
        self.alert = self._enabled
        return True

    def plan(self, replicas: list[Contact], needed: int, now: Instant) -> tuple[list[Contact], int]:
        """Replicas in the order in which to ask them, and how many to begin with: `needed`, or one
        more, an outlier that is to show whether it still is one."""
        links = [self._by_node.get(contact.node_id) for contact in replicas]
        strains = [_strain_of(link) for link in links]
        known = sorted(strain for strain in strains if strain)
        median = known[(len(known) - 1) // 2] if known else LOST
        last = [n for n, link in enumerate(links) if link and _shun(link, strains[n], median)]
        if not last:
            return replicas, needed
        first = [contact for n, contact in enumerate(replicas) if n not in last]
        if len(first) >= needed:
            for place in last:
                if self._may_probe(links[place], now):
                    last.remove(place)
                    first.insert(needed, replicas[place])
                    needed += 1
                    break
        return first + [replicas[place] for place in last], needed

    def _may_probe(self, link: Link | None, now: Instant) -> bool:
        if link is None or link.timed_id or now.mono_ns - link.probed_ns < PROBE_NS:
            return False
        link.probed_ns = now.mono_ns
        return self._budget.take(now)

    def peers(self, suspects: Container[NodeId] = ()) -> list[PeerEstimate]:
        """What is thought of everybody who is linked, longest linked first."""
        return [pictured(link, suspects) for link in self._by_node.values()]


def _place_of(question: Message | None, reply: Reply) -> int | None:
    """Among what is usual; None: such an answer teaches nothing."""
    kind = type(reply)
    if kind is Found:
        return _size_class(reply.value)  # type: ignore[attr-defined]
    if kind is Stored and type(question) is Store:
        return CLASSES + _size_class(question.value)
    if kind is Missing:
        return 0
    if isinstance(reply, FoundMany):
        values = [item.value if item else None for item in reply.items]
        return 2 * CLASSES + _batch_class(values)
    if kind is StoredMany and type(question) is StoreMany:
        first = 2 * CLASSES + BATCH_CLASSES
        return first + _batch_class([item.value for item in question.items])
    return None


def _size_class(value: bytes | None) -> int:
    return (len(value) >> 8).bit_length() + 1 >> 1 if value else 0


def _batch_class(values: list[bytes | None]) -> int:
    size = ITEM_BYTES * len(values) + sum(len(value) for value in values if value)
    return min(BATCH_CLASSES - 1, (size >> 8).bit_length())


def _shun(link: Link, strain: float, median: float) -> bool:
    """Whether it is to be asked last, by what it is among the replicas of a key."""
    link.shunned = strain > (BACK if link.shunned else OUTLIER) * median
    return link.shunned


def _strain_of(link: Link | None) -> float:
    """0: not known."""
    if link is None:
        return 0.0
    return LOST if link.heard_ns <= link.late_ns else link.strain
