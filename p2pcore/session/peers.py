"""What one machine thinks of a node that it is linked to: for people, and on the wire.

Rule: a picture of a link at one moment. How the estimates come about is in `routing/estimates.py`
and `overlay/liveness.py`.
"""

from collections.abc import Container

from msgspec import Struct

from p2pcore.ids import NodeId
from p2pcore.session.link import Link
from p2pcore.wire.messages import WirePeer

__all__ = ["PeerEstimate", "is_late", "pictured", "received", "sent", "worst_first"]

LATE, OUTLIER, SUSPECT = 1, 2, 4  # bits of `WirePeer.state`


class PeerEstimate(Struct, frozen=True):
    """What this machine thinks of a node that it is linked to.

    Attributes:
        node_id: 32 bytes, its id.
        strain: how long its answers take, against what is usual here for their kind and size: 1
            for a node like all others, 0 while nothing is known.
        late: it was given up waiting for, and has said nothing since.
        address: `host:port` at which it is reached.
        outlier: reads ask it last, for being slow or late.
        suspect: it has not answered a ping in its time, and is not given up yet.
        round_trip_ms: of pings, smoothed; 0 while nothing is known.
        hedges: reads that asked one replica more because this one was silent.
    """

    node_id: NodeId
    strain: float
    late: bool
    address: str = ""
    outlier: bool = False
    suspect: bool = False
    round_trip_ms: float = 0.0
    hedges: int = 0

    @property
    def state(self) -> str:
        """In a word: the worst of `suspect`, `late` and `outlier` that applies, or `well`."""
        named = (("suspect", self.suspect), ("late", self.late), ("outlier", self.outlier))
        return next((name for name, applies in named if applies), "well")


def is_late(link: Link) -> bool:
    """Whether it was given up waiting for, and has said nothing since."""
    return link.heard_ns <= link.late_ns


def pictured(link: Link, suspects: Container[NodeId]) -> PeerEstimate:
    """What is thought of the peer of this link."""
    trip = link.round_trip
    return PeerEstimate(
        node_id=link.peer_id,
        strain=round(link.strain, 2),
        late=is_late(link),
        address=link.contact.address if link.contact is not None else link.address,
        outlier=link.shunned or is_late(link),
        suspect=link.peer_id in suspects,
        round_trip_ms=round(trip.mean_ns / 1e6, 3) if trip is not None else 0.0,
        hedges=link.hedges,
    )


def worst_first(peers: list[PeerEstimate]) -> list[PeerEstimate]:
    """Those of whom the least is thought come first."""
    return sorted(peers, key=lambda peer: (peer.suspect, peer.outlier, peer.strain), reverse=True)


def sent(peer: PeerEstimate) -> WirePeer:
    """The same as it is told to others."""
    state = LATE * peer.late | OUTLIER * peer.outlier | SUSPECT * peer.suspect
    trip_us = round(1000 * peer.round_trip_ms)
    return WirePeer(
        peer.node_id, peer.address, round(1000 * peer.strain), state, trip_us, peer.hedges
    )


def received(peer: WirePeer) -> PeerEstimate:
    """What another machine has told of a peer of its own."""
    return PeerEstimate(
        node_id=NodeId(peer.node_id),
        strain=peer.strain_permille / 1000,
        late=bool(peer.state & LATE),
        address=peer.address,
        outlier=bool(peer.state & OUTLIER),
        suspect=bool(peer.state & SUSPECT),
        round_trip_ms=peer.round_trip_us / 1000,
        hedges=peer.hedges,
    )
