"""What became of every message: sent = delivered + dropped + in flight, at all times."""

from p2pcore.wire.messages import Message

__all__ = ["Accounting"]


class Accounting:
    """The messages of a world. `in_flight` also counts what waits: in a receiver's queue, or for
    TCP to send it again once a partition is over."""

    __slots__ = ("bytes_sent", "delivered", "dropped", "in_flight", "kinds", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.delivered = 0
        self.dropped = 0
        self.in_flight = 0
        self.bytes_sent = 0
        """Bytes of frames: without TLS, TCP and IP."""
        self.kinds: dict[type[Message], int] = {}
        """How many of each message were sent."""

    @property
    def balanced(self) -> bool:
        """True if nothing was lost sight of."""
        return self.sent == self.delivered + self.dropped + self.in_flight

    def __str__(self) -> str:
        return (
            f"{self.sent} sent = {self.delivered} delivered + {self.dropped} dropped "
            f"+ {self.in_flight} in flight"
        )
