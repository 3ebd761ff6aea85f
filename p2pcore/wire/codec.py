"""Frames in, messages out, and back.

Rule: nothing that a peer sends raises here. What cannot be read comes out as `Malformed` (the
end of that connection) or `Unknown` (one refused request), in its place among the messages.

A frame is a 4-byte big-endian length and as many bytes of MessagePack: one array.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Union

import msgspec

from p2pcore.wire.limits import HEADER_BYTES, MAX_FRAME_BYTES
from p2pcore.wire.messages import MESSAGES, Malformed, Message, Unknown

__all__ = ["NO_LIMIT", "FrameParser", "Incoming", "encode_frame"]

Incoming = Message | Unknown | Malformed

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Union[MESSAGES]).decode  # noqa: UP007
_size_at = Struct(">I").unpack_from
_KNOWN_TAGS = frozenset(kind.__struct_config__.tag for kind in MESSAGES)

# What msgspec raises on bytes that are no message: too deeply nested ones end in a RecursionError.
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def encode_frame(message: Message) -> bytes:
    """One message as it stands on the wire, header included."""
    body = _encode(message)
    return len(body).to_bytes(HEADER_BYTES) + body


NO_LIMIT = 1 << 29  # messages; no read brings so many
VIEWED_BYTES = 4096  # from so many on, a copy takes longer than to make a view
JOINED_BYTES = 16 * 1024  # small parts of an unfinished frame are put together to so many


class FrameParser:
    """Cuts one connection's bytes into messages. Holds at most one unfinished frame, and the frames
    beyond the limit of `feed`: as bytes, for messages may take ten times as much memory."""

    __slots__ = ("_at", "_broken", "_needed", "_parts", "held", "unfinished_bytes")

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of an unfinished frame
        self.unfinished_bytes = 0
        """Of these."""
        self._needed = 0  # bytes that they must have before another look is worth it
        self.held = b""
        """From `_at` on: whole frames that were too many, and what follows them. Feed nothing to
        have the next."""
        self._at = 0
        self._broken = False

    @property
    def pending_bytes(self) -> int:
        """How much is held: of an unfinished frame, and of frames that were too many."""
        return self.unfinished_bytes + len(self.held) - self._at

    @property
    def awaits_bytes(self) -> int:
        """How much more the unfinished frame needs; 0 if there is none."""
        return max(0, self._needed - self.unfinished_bytes) if self.unfinished_bytes else 0

    def put_back(self, messages: list[Incoming]) -> None:
        """There was no time for these, which came last: they wait as bytes again."""
        rest = self.held[self._at :] or self._joined()
        self.held, self._at = b"".join(map(_frame_again, messages)) + rest, 0

    def rest(self, limit: int) -> Iterator[Incoming]:
        """The next of what was held, decoded as it is asked for; `limit` at most."""
        while self.held and limit > 0:
            limit -= 1
            yield from self.feed(b"", 1)

    def hold(self, data: bytes) -> None:
        """Keep these bytes until `feed` is asked for what is in them."""
        if not self._broken:
            rest = self.held[self._at :] or self._joined()
            self.held, self._at = rest + data, 0

    def keep(self, data: bytes) -> bool:
        """Keep the next part of an unfinished frame, if it leaves it unfinished. Returns whether it
        does; if not, these bytes are to be fed."""
        if not self.unfinished_bytes or self.unfinished_bytes + len(data) >= self._needed:
            return False
        self._add(data)
        return True

    def feed(self, data: bytes, limit: int = NO_LIMIT) -> list[Incoming]:
        """The messages that these bytes complete, in order; `limit` of them at most."""
        if self._broken:
            return []
        start, end = 0, len(data)
        if not self.unfinished_bytes and not self.held and HEADER_BYTES <= end < VIEWED_BYTES:
            if _size_at(data)[0] == end - HEADER_BYTES:  # one small frame, where nothing is joined
                try:
                    return [_decode(data[HEADER_BYTES:])]
                except _UNREADABLE:
                    pass  # which is told below
        elif self.unfinished_bytes:
            self._add(data)
            if self.unfinished_bytes < self._needed:
                return []
            data = self._joined()
        elif self.held:
            start, self._at = self._at, 0
            data, self.held = self.held + data if data else self.held, b""
        messages: list[Incoming] = []
        end = len(data)
        while end - start >= HEADER_BYTES:
            (size,) = _size_at(data, start)
            if size > MAX_FRAME_BYTES:
                return self._break(messages, f"frame of {size} bytes, limit {MAX_FRAME_BYTES}")
            body = start + HEADER_BYTES
            stop = body + size
            if stop > end:
                break
            start = stop
            try:
                whole = data if size < VIEWED_BYTES else memoryview(data)
                messages.append(_decode(whole[body:stop]))
            except _UNREADABLE as error:
                unknown = _as_unknown(data[body:stop])
                if unknown is None:
                    return self._break(messages, f"no message: {error}")
                messages.append(unknown)
            if start == end:
                return messages  # as nearly always
            if len(messages) >= limit:
                if start > end - start:  # what is done with does not stay
                    data, start = data[start:], 0
                self.held, self._at = data, start
                return messages
        if start < end:
            self._add(data[start:])
            self._needed = HEADER_BYTES
            if end - start >= HEADER_BYTES:
                self._needed += _size_at(data, start)[0]
        return messages

    def _add(self, data: bytes) -> None:
        """Another part of the unfinished frame. Many small ones would take much more memory than
        what is in them."""
        parts = self._parts
        if parts and len(data) < VIEWED_BYTES and len(parts[-1]) < JOINED_BYTES:
            parts[-1] += data
        else:
            parts.append(data)
        self.unfinished_bytes += len(data)

    def _joined(self) -> bytes:
        """The parts of the unfinished frame, which are kept no longer."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self.unfinished_bytes = 0
        return data

    def _break(self, messages: list[Incoming], text: str) -> list[Incoming]:
        self._broken = True
        self._joined()
        messages.append(Malformed(text))
        return messages


def _frame_again(message: Incoming) -> bytes:
    if isinstance(message, Unknown):
        again = msgspec.msgpack.encode([message.tag, message.id])
        return len(again).to_bytes(HEADER_BYTES) + again
    assert not isinstance(message, Malformed), "after it, nothing is held"
    return encode_frame(message)


def _as_unknown(body: bytes) -> Unknown | None:
    """A request of a later version: an array of an unknown tag and an id."""
    try:
        items = msgspec.msgpack.decode(body)
    except _UNREADABLE:
        return None
    match items:
        case [int(tag), int(request_id), *_] if tag not in _KNOWN_TAGS and request_id >= 0:
            return Unknown(id=request_id, tag=tag)
    return None
