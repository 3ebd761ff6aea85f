"""A client: asks nodes to store and retrieve, holds nothing itself."""

from p2pcore.config import ClientConfig
from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine, Streams
from p2pcore.overlay.lost import LostContacts
from p2pcore.session.link import Link
from p2pcore.wire.messages import Role

__all__ = ["Client"]

LOOKED_FOR_NS = 600_000_000_000  # a node that is lost; later, a lookup finds it where it is back


class Client(Machine):
    """The sans-IO client.

    Args:
        config: the client's settings.
        node_id: the id of its (usually short-lived) identity.
        streams: random streams by purpose.
    """

    def __init__(self, config: ClientConfig, node_id: NodeId, streams: Streams) -> None:
        super().__init__(node_id, Role.CLIENT, streams, config, settings=None, max_links=0)
        self._lost = LostContacts(streams("lost"), kept_ns=LOOKED_FOR_NS)
        self._timed += (self._lost,)
        self.liveness.on_silent = self._on_silent

    def connect(self, operation: int, now: Instant) -> None:
        """Find a member of the network; completes with None."""

        def linked(error: P2PError | None, now: Instant) -> None:
            self.complete(operation, error)

        self.bootstrap.ensure(now, linked)

    def leave(self) -> None:
        """Say goodbye to everybody."""
        self._operations.clear()
        self.links.goodbye("the client closes")

    def handle_timer(self, now: Instant) -> None:
        super().handle_timer(now)
        if self._lost.wake_at_ns is not None and now.mono_ns >= self._lost.wake_at_ns:
            for contact in self._lost.due(now):
                self.links.connect(contact.address, contact.node_id, now)

    def _on_link(self, link: Link, now: Instant) -> None:
        if link.contact is not None:
            self._lost.remove(link.peer_id)
            self.directory.found(link.contact)
            self.table.heard_from(link.contact)
        super()._on_link(link, now)

    def _on_silent(self, contact: Contact, now: Instant) -> None:
        """It is taken for gone, and gets its share again as soon as it is there."""
        self._lost.add(contact, now)
        self.directory.lose(contact.node_id, now)

    def _on_unreachable(
        self, address: str, node_id: NodeId | None, error: P2PError, now: Instant
    ) -> None:
        contact = self.table.get(node_id) if node_id is not None else None
        if contact is not None and isinstance(error, UnreachableError):
            self._lost.add(contact, now)
        super()._on_unreachable(address, node_id, error, now)
