"""One TCP connection: TLS and framing between a transport and its host.

Life: handshaking -> open -> closing -> gone. While closing, what the peer still sends is read and
thrown away, so that the kernel does not answer it with a reset that would overtake our goodbye.
"""

import asyncio
import contextlib
import enum
import time
from typing import Protocol, cast

from p2pcore.aio.lobby import Lobby
from p2pcore.aio.outbox import Outbox
from p2pcore.aio.patience import FRAME_STALLS, LINGER_S, NOT_READ
from p2pcore.aio.system import keep_alive, socket_of
from p2pcore.aio.tls import PIECE_BYTES, TlsSession
from p2pcore.aio.turn import Backlog
from p2pcore.effects import LinkId
from p2pcore.errors import P2PError
from p2pcore.ids import NodeId
from p2pcore.session.link import Counters
from p2pcore.wire.codec import FrameParser

__all__ = ["OPEN", "Connection", "Stage"]

JOINED_BYTES = 64 * 1024  # written at once; of more, a copy takes longer than further writes
HIGH_WATER_BYTES = 64 * 1024  # in the transport, before we stop to read a client's requests


class Stage(enum.Enum):
    """Where in its life a connection is."""

    HANDSHAKING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    GONE = enum.auto()


OPEN = Stage.OPEN  # a global name is quicker to read


class ConnectionIntake(Protocol):
    """What a connection needs of whoever handles what comes in."""

    def received(self, connection: "Connection", data: bytes) -> None: ...

    def drained(self, connection: "Connection") -> None: ...

    def weigh(self, connection: "Connection") -> None: ...


class ConnectionOwner(Protocol):
    """What a connection needs of its host, which it tells of everything that happens."""

    counters: Counters
    serves: bool
    """True for a node: what it answers is for others."""
    read_buffer: memoryview
    """What bytes are read into: one for all connections of a loop, which reads one at a time."""
    small_buffer: memoryview
    """As much of it as is read where no large frame has begun: the rest waits in the kernel."""

    @property
    def intake(self) -> ConnectionIntake: ...

    @property
    def lobby(self) -> Lobby: ...

    def shaking(self, connection: "Connection") -> None: ...

    def authenticated(self, connection: "Connection", peer_id: NodeId) -> bool: ...

    def gone(self, connection: "Connection", error: P2PError | None, *, told: bool) -> None: ...

    def is_client(self, link_id: LinkId) -> bool: ...

    def watch_stalls(self) -> None: ...


class Connection(asyncio.BufferedProtocol):
    """The protocol object of one transport.

    Args:
        host: its owner.
        link_id: the link's name.
        tls: the session, not started yet.
        address: as dialled; None for an incoming connection.
        expected_id: who must answer; None for whoever of the network does.
    """

    __slots__ = (
        "_host",
        "_reading",
        "_tls",
        "_transport",
        "_waiting_bytes",
        "_waiting_since_ns",
        "address",
        "backlog",
        "buffer",
        "expected_id",
        "frame_since_ns",
        "heard_ns",
        "incoming",
        "link_id",
        "opened",
        "outbox",
        "parser",
        "paused",
        "put_off",
        "stage",
        "unflushed",
    )

    def __init__(
        self,
        host: ConnectionOwner,
        link_id: LinkId,
        tls: TlsSession,
        address: str | None,
        expected_id: NodeId | None,
    ) -> None:
        self._host = host
        self.buffer = host.small_buffer
        self._tls = tls
        self._transport: asyncio.Transport | None = None
        self.outbox = Outbox(host.counters)
        self.paused = False
        self._reading = True
        self._waiting_bytes = 0  # for the peer to read, when last looked at
        self._waiting_since_ns = 0
        self.link_id = link_id
        self.incoming = address is None
        self.address = address or ""
        self.expected_id = expected_id
        self.parser = FrameParser()
        self.stage = Stage.HANDSHAKING
        self.heard_ns = 0
        self.backlog = Backlog()
        self.frame_since_ns = 0  # when the unfinished frame began; 0 if there is none
        self.unflushed = False
        self.put_off = False  # whether the next turn goes on with that
        self.opened: asyncio.Future[None] | None = None  # somebody waits for the handshake

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What a TCP transport is by contract; uvloop's does not inherit from asyncio's.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        with (
            contextlib.suppress(OSError),
            socket_of(transport.get_extra_info("socket").fileno()) as twin,
        ):
            keep_alive(twin)
        if self.incoming:
            peer = transport.get_extra_info("peername") or ("?", 0)
            self.address = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        self._host.shaking(self)
        if not self.incoming:
            self._tls.start()
            transport.write(self._tls.pending_output())

    def get_buffer(self, sizehint: int) -> memoryview:
        # Shared by all connections of the loop, which does nothing between this call and
        # buffer_updated but read into it.
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.stage is not OPEN:
            if self.stage is Stage.HANDSHAKING:
                self._host.lobby.received(self, self.buffer[:nbytes])
            return
        data = self.buffer[:nbytes]
        try:
            if nbytes > PIECE_BYTES:
                self._keep_parts(data[:-PIECE_BYTES])
                data = data[-PIECE_BYTES:]
                if self.stage is not OPEN:
                    return
            parts = self._tls.parts(data)
        except P2PError as error:
            self.fail(error)
            return
        if len(parts) == 1 and not self._tls.ended:  # as nearly always
            self._host.intake.received(self, parts[0])
        else:
            self._take(b"".join(parts))

    def _keep_parts(self, data: memoryview) -> None:
        """What comes of a large frame before its last part is kept as it is decrypted: to be put
        together once."""
        intake, counters = self._host.intake, self._host.counters
        for at in range(0, len(data), PIECE_BYTES):
            for plain in self._tls.parts(data[at : at + PIECE_BYTES]):
                if self.parser.keep(plain):
                    counters.bytes_in += len(plain)
                elif self.stage is Stage.OPEN:
                    intake.received(self, plain)

    def _take(self, plain: bytes) -> None:
        if (plain or self.parser.pending_bytes) and self.stage is OPEN:
            self._host.intake.received(self, plain)
        if self._tls.ended and self.stage is OPEN:
            self.fail(None)

    def eof_received(self) -> bool:
        if self.stage is Stage.CLOSING:
            self._abort()
        else:
            self.fail(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stage is not Stage.GONE:
            was_closing = self.stage is Stage.CLOSING
            self.stage = Stage.GONE
            self._host.gone(self, None, told=was_closing)

    def pause_writing(self) -> None:
        self.paused = True
        self._waiting_bytes = 0
        self._host.watch_stalls()

    def resume_writing(self) -> None:
        self.paused = False
        if self._transport is not None and not self._transport.is_closing():
            self.flush()
            self._host.intake.weigh(self)
            self._host.intake.drained(self)

    # What the lobby calls

    @property
    def is_shaking(self) -> bool:
        """Whether the handshake is to go on."""
        return self.stage is Stage.HANDSHAKING

    def shake(self, data: bytes | memoryview) -> None:
        """The handshake goes on with what the peer has sent."""
        try:
            plain = self._tls.receive(data)
        except P2PError as error:
            self.fail(error)
            return
        self._write(self._tls.pending_output())
        if self._tls.peer_id is None:
            return
        self.stage = Stage.OPEN
        if self._host.authenticated(self, self._tls.peer_id):
            self._take(plain)

    # What the intake calls

    def stop_reading(self) -> None:
        """Read nothing for now."""
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self.backlog.stopped_ns = time.monotonic_ns()
            self._transport.pause_reading()

    def read_on(self, now_ns: int) -> None:
        """Read again; the peer's silence was ours."""
        if not self._reading and self._transport is not None:
            self._reading = True
            self.heard_ns = now_ns
            if self.frame_since_ns:
                self.frame_since_ns = now_ns
            self._transport.resume_reading()

    def expect(self, size_bytes: int) -> None:
        """So much more of a frame is to come."""
        small = self._host.small_buffer
        self.buffer = self._host.read_buffer if size_bytes > len(small) else small

    @property
    def has_unserved(self) -> bool:
        """Whether messages have come that wait for their turn."""
        return bool(self.parser.held)

    @property
    def waiting_bytes(self) -> int:
        """What waits because of the peer: answers that it does not read, and what it has sent that
        is no whole frame, or has to wait."""
        size = self.parser.pending_bytes + self.outbox.reply_bytes
        if self._host.serves:
            size += self.outbox.later_bytes  # a client's own operations are its own affair
        if self.paused and self._transport is not None:
            size += self._transport.get_write_buffer_size()
        return size

    @property
    def took_something(self) -> bool:
        """Whether the peer has read anything of what waits for it since the last look."""
        return (
            self.paused
            and self._transport is not None
            and (self._transport.get_write_buffer_size() != self._waiting_bytes)
        )

    # What the host calls

    @property
    def owes(self) -> bool:
        """True if the peer is to do something in time: shake hands, read, end a frame, or go."""
        return self.stage is not Stage.OPEN or self.paused or bool(self.parser.pending_bytes)

    def stalled(self, now_ns: int, limit_ns: int) -> str | None:
        """What the peer has not done in time, in words; None if there is nothing."""
        silent_ns = now_ns - self.heard_ns
        if self.paused:
            if self.frame_since_ns:
                self.frame_since_ns = now_ns  # we may have stopped reading: the peer can't go on
            return NOT_READ if self._takes_nothing(now_ns, limit_ns) else None
        if self.stage is Stage.CLOSING and silent_ns > LINGER_S * 1e9:
            return "it does not close"
        if self.stage is Stage.HANDSHAKING and self.incoming and silent_ns > limit_ns:
            return f"no handshake within {limit_ns / 1e9:g} s"
        waits_for_us = self.has_unserved or not self._reading
        if self.stage is Stage.OPEN and self.parser.pending_bytes and not waits_for_us:
            if silent_ns > limit_ns:
                return f"half a frame, and nothing more for {limit_ns / 1e9:g} s"
            if now_ns - self.frame_since_ns > FRAME_STALLS * limit_ns:
                return f"half a frame after {FRAME_STALLS * limit_ns / 1e9:g} s"
        return None

    def _takes_nothing(self, now_ns: int, limit_ns: int) -> bool:
        """True if the peer has read nothing of what waits for it for so long."""
        if self._transport is None:
            return False
        waiting_bytes = self._transport.get_write_buffer_size()
        if waiting_bytes != self._waiting_bytes:
            self._waiting_bytes, self._waiting_since_ns = waiting_bytes, now_ns
        return now_ns - self._waiting_since_ns > limit_ns

    def flush(self) -> None:
        """Everything that was queued leaves in one record, or as few as fit."""
        self.unflushed = False
        outbox, transport = self.outbox, self._transport
        while outbox.frames and not self.paused and self.stage is OPEN:
            data = outbox.take()
            if len(data) > JOINED_BYTES:
                for piece in self._tls.pieces(data):
                    self._write(piece)
            elif transport is not None and not transport.is_closing():
                transport.write(self._tls.send(data))

    def close(self) -> None:
        """Send what is queued, say that this is the end, and read until the peer agrees."""
        if self.stage in (Stage.CLOSING, Stage.GONE):
            return
        if self.stage is Stage.HANDSHAKING:
            self._abort()  # nothing was said yet that somebody should hear to its end
            return
        if not self.paused:
            self.flush()
        self._write(self._tls.close())
        self.stage = Stage.CLOSING
        self.heard_ns = time.monotonic_ns()  # the peer has a while from now
        if self._transport is not None:
            if self.paused or not self._transport.can_write_eof():
                self._abort()
                return
            self.read_on(self.heard_ns)
            try:
                self._transport.write_eof()
            except OSError:  # the peer has reset the connection since the last write
                self._abort()

    def fail(self, error: P2PError | None) -> None:
        """The peer, its TLS or the network ended this connection; None says it just ended."""
        if self.stage is Stage.GONE:
            return
        if self.stage is Stage.HANDSHAKING:
            self._write(self._tls.pending_output())  # the alert that says why
        told = self.stage is Stage.CLOSING
        self.stage = Stage.GONE
        if self._transport is not None and self.paused:
            self._transport.abort()  # it would wait for ever for a peer that does not read
        elif self._transport is not None:
            self._transport.close()
        self._host.gone(self, error, told=told)

    def abort(self) -> None:
        """End at once, whatever is in the buffers."""
        if self.stage is not Stage.GONE:
            self._abort()

    def _abort(self) -> None:
        self.stage = Stage.GONE
        if self._transport is not None:
            self._transport.abort()
        self._host.gone(self, None, told=True)

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
