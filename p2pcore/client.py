"""A client: asks nodes to store and retrieve, holds nothing itself."""

from p2pcore.config import ClientConfig
from p2pcore.effects import Instant
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine, Streams
from p2pcore.session.link import Link
from p2pcore.wire.messages import Role

__all__ = ["Client"]


class Client(Machine):
    """The sans-IO client.

    Args:
        config: the client's settings.
        node_id: the id of its (usually short-lived) identity.
        streams: random streams by purpose.
    """

    def __init__(self, config: ClientConfig, node_id: NodeId, streams: Streams) -> None:
        super().__init__(node_id, Role.CLIENT, streams, config, settings=None, max_links=0)

    def connect(self, operation: int, now: Instant) -> None:
        """Find a member of the network; completes with None."""

        def linked(error: P2PError | None, now: Instant) -> None:
            self.complete(operation, error)

        self.bootstrap.ensure(now, linked)

    def leave(self) -> None:
        """Say goodbye to everybody."""
        self._operations.clear()
        self.links.goodbye("the client closes")

    def _on_link(self, link: Link, now: Instant) -> None:
        if link.contact is not None:
            self.table.heard_from(link.contact)
        super()._on_link(link, now)
