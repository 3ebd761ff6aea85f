"""A node and where it is reached, as every room refers to it.

Rule: plain frozen data.
"""

from msgspec import Struct

from p2pcore.ids import NodeId
from p2pcore.wire.messages import WireContact

__all__ = ["Contact", "point_of"]


class Contact(Struct, frozen=True, gc=False):
    """A node and where it listens; `point` is its id as a number, for distances."""

    node_id: NodeId
    address: str
    point: int

    @classmethod
    def of(cls, node_id: bytes, address: str) -> "Contact":
        """From what stands on the wire."""
        return cls(NodeId(node_id), address, int.from_bytes(node_id))

    def on_wire(self) -> WireContact:
        """As it is sent to others."""
        return WireContact(self.node_id, self.address)


def point_of(identifier: bytes) -> int:
    """A node id or key as a number: distance is `a ^ b`."""
    return int.from_bytes(identifier)
