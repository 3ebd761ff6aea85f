"""What waits to be sent on one connection.

Frames wait encoded while they are few. A peer that asks for much at once (thousands of requests
fit into one read) gets its other replies as it takes the first ones: they wait as messages, whose
values are those of the store and no copies, and are encoded when their turn comes.
"""

from collections import deque

from p2pcore.session.link import Counters
from p2pcore.wire.codec import encode_frame
from p2pcore.wire.messages import Found, FoundMany, Message, Put, Store, StoreMany

__all__ = ["Outbox"]

FULL_BYTES = 1024 * 1024  # of encoded frames, the size of one of the largest values
MAX_MESSAGES = 10_000  # waiting beside them; more than the requests in one read
FLUSH_BYTES = 256 * 1024  # taken at a time: on its way, it is copied three times


class Outbox:
    """Frames and messages in the order in which they leave, counted as they do."""

    __slots__ = (
        "_counters",
        "_later",
        "_size_bytes",
        "frames",
        "is_full",
        "later_bytes",
        "reply_bytes",
    )

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.frames: deque[bytes] = deque()
        """Those that wait, encoded. To be read, and to be changed through the methods."""
        self._size_bytes = 0
        self.reply_bytes = 0  # of frames that answer the peer, at most
        self._later: deque[Message] = deque()
        self.later_bytes = 0  # of the values in these
        self.is_full = False
        """True if what comes now has to wait as a message: `put_later`."""

    def put(self, frame: bytes) -> None:
        """Another frame."""
        self.frames.append(frame)
        self._size_bytes = size_bytes = self._size_bytes + len(frame)
        if size_bytes > FULL_BYTES:
            self.is_full = True

    def put_later(self, message: Message) -> bool:
        """Another message, to be encoded when there is room. Returns False if there are too many:
        the peer asks, and does not read."""
        self._later.append(message)
        self.later_bytes += _bulk(message)
        return len(self._later) <= MAX_MESSAGES

    def take(self) -> bytes:
        """What leaves now: everything, or about FLUSH_BYTES of it."""
        frames = self.frames
        if self._size_bytes > FLUSH_BYTES:
            return self._take_some()
        count, counters = len(frames), self._counters
        counters.messages_out += count
        counters.bytes_out += self._size_bytes
        if count == 1:
            data = frames.popleft()
        else:
            data = b"".join(frames)
            frames.clear()
        self._size_bytes = self.reply_bytes = 0
        if self.is_full:
            self._refill()
        return data

    def _take_some(self) -> bytes:
        frames, taken, size_bytes = self.frames, [], 0
        while size_bytes < FLUSH_BYTES:
            taken.append(frames.popleft())
            size_bytes += len(taken[-1])
        self._counters.messages_out += len(taken)
        self._counters.bytes_out += size_bytes
        self._size_bytes -= size_bytes
        self._refill()
        self.reply_bytes = min(self.reply_bytes, self._size_bytes)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _refill(self) -> None:
        """Encode what waits as messages, as far as there is room."""
        while self._later and self._size_bytes <= FLUSH_BYTES:
            message = self._later.popleft()
            self.later_bytes -= _bulk(message)
            self.put(encode_frame(message))
        self.is_full = self._size_bytes > FULL_BYTES or bool(self._later)


def _bulk(message: Message) -> int:
    """About how much memory a message keeps: its values."""
    if isinstance(message, Store | Put | Found):
        return len(message.value or b"")
    if isinstance(message, StoreMany | FoundMany):
        return sum(len(item.value or b"") for item in message.items if item is not None)
    return 0
