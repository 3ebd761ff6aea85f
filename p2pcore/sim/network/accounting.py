"""What became of every message: sent = delivered + dropped + in flight, at all times."""

from p2pcore.wire.messages import Message

__all__ = ["Accounting"]


class Accounting:
    """The messages of a world. `in_flight` also counts what waits: in a receiver's queue, or for
    TCP to send it again once a partition is over."""

    __slots__ = (
        "bytes_sent", "delivered", "dropped", "in_flight", "kind_bytes", "kinds", "sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sent = 0
        self.delivered = 0
        self.dropped = 0
        self.in_flight = 0
        self.bytes_sent = 0
        """Bytes of frames: without TLS, TCP and IP."""
        self.kinds: dict[type[Message], int] = {}
        """How many of each message were sent."""
        self.kind_bytes: dict[type[Message], int] = {}
        """The bytes of their frames."""

    def count_kind(self, kind: type, count: int, size_bytes: int) -> None:
        """So many messages of this kind and size are sent."""
        self.kinds[kind] = self.kinds.get(kind, 0) + count
        self.kind_bytes[kind] = self.kind_bytes.get(kind, 0) + count * size_bytes

    def drop(self, count: int) -> None:
        """So many that were on their way get nowhere."""
        self.in_flight -= count
        self.dropped += count

    @property
    def balanced(self) -> bool:
        """True if nothing was lost sight of."""
        return self.sent == self.delivered + self.dropped + self.in_flight

    def __str__(self) -> str:
        return (
            f"{self.sent} sent = {self.delivered} delivered + {self.dropped} dropped "
            f"+ {self.in_flight} in flight"
        )
