"""Who may link to a node, and how often.

Theory of operation. Incoming links are counted by identity: one client cannot take them all. As
many links as there are nodes in the contact table (and in the book of lost contacts), up to half of
all, are kept for these: a crowd of clients does not lock the network's own nodes out. What a peer
says of its role is a claim and no reason to let it in; that it was met as a node is. Both limits
stop accidents and crowds. A member who makes identities has as many as it wants.

With an allow list, only ids on it may link, in either direction and in any role: somebody who was
expelled and comes back as a client, or with a new identity, is not let in. A list may leave clients
free, for networks that trust all who hold the key to read and write, but not to hold records.

Rule: counts and judges; sends and closes nothing.
"""

from collections.abc import Callable

from msgspec import Struct

from p2pcore.ids import NodeId
from p2pcore.session.link import Link
from p2pcore.wire.messages import Reason, Role

__all__ = ["MAX_LINKS_PER_PEER", "Admission", "AllowList", "max_links_per_peer"]

MAX_LINKS_PER_PEER = 8  # two dials at once, a restart or two whose links are not known to be dead
FEWEST_PER_PEER = 2  # two nodes that dial each other at the same time

Objection = tuple[Reason, str]


def max_links_per_peer(max_links: int) -> int:
    """Incoming links that one identity may have where there may be `max_links` in all."""
    return max(FEWEST_PER_PEER, min(MAX_LINKS_PER_PEER, max_links // 4))


class AllowList(Struct, frozen=True):
    """Who is let in.

    Attributes:
        ids: of nodes and clients.
        any_client: whether clients may have other ids.
    """

    ids: frozenset[NodeId]
    any_client: bool = False


class Admission:
    """The allow list of one node, if there is one, and its incoming links by identity."""

    def __init__(self) -> None:
        self.allowed: AllowList | None = None
        self.is_known: Callable[[NodeId], bool] = _nobody  # as a node
        self.count_known: Callable[[], int] = int
        self._links: dict[NodeId, int] = {}
        self._total = 0

    def add(self, link: Link) -> None:
        """There is another link."""
        if link.incoming:
            self._links[link.peer_id] = self._links.get(link.peer_id, 0) + 1
            self._total += 1

    def remove(self, link: Link) -> None:
        """A link has ended."""
        if link.incoming:
            self._total -= 1
            self._links[link.peer_id] -= 1
            if not self._links[link.peer_id]:
                del self._links[link.peer_id]

    def clear(self) -> None:
        """Every link has ended."""
        self._links.clear()
        self._total = 0

    def admits(self, node_id: NodeId) -> bool:
        """Whether this id may be a node here."""
        return self.allowed is None or node_id in self.allowed.ids

    def expels(self, link: Link, role: Role | None) -> Objection | None:
        """Why the peer of this link is not let in with this role, None before it has said which."""
        if self.allowed is None or link.peer_id in self.allowed.ids:
            return None
        if role is not Role.NODE and link.incoming and self.allowed.any_client:
            return None
        return Reason.NOT_ALLOWED, f"id {link.peer_id.hex()} is not on the allow list here"

    def objection(self, link: Link, max_links: int) -> Objection | None:
        """Why this link, which was added, may not stay; None if it may."""
        expelled = self.expels(link, link.role) if self.allowed is not None else None
        if expelled is not None or not link.incoming:
            return expelled
        text = self._crowd(link.peer_id, max_links)
        return (Reason.TOO_MANY_CONNECTIONS, text) if text is not None else None

    def _crowd(self, peer_id: NodeId, max_links: int) -> str | None:
        if self._total > max_links:
            return f"{max_links} connections are open, which is the limit here"
        if self._links[peer_id] > FEWEST_PER_PEER:
            most = max_links_per_peer(max_links)
            if self._links[peer_id] > most:
                return f"{most} connections of this id are open, which is the limit here"
        most_kept = max_links // 2
        if self._total <= max_links - most_kept:
            return None
        kept = min(self.count_known(), most_kept)
        if self._total <= max_links - kept or self.is_known(peer_id):
            return None
        strangers = sum(n for node_id, n in self._links.items() if not self.is_known(node_id))
        if strangers <= max_links - kept:
            return None
        return (
            f"{strangers - 1} of {max_links} connections are open, which is the limit here "
            "for ids that are not known as nodes"
        )


def _nobody(node_id: NodeId) -> bool:
    """What is known until somebody says more."""
    return False
