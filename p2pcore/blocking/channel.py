"""One outgoing TCP connection on a plain socket that never blocks: TLS and framing.

Life: dialling -> handshaking -> open -> closing -> gone. While closing, what the peer still sends
is read and thrown away, so that the kernel does not answer it with a reset that would overtake our
goodbye.

Rule: the owner's section is held whenever anything here is called; what is said is decided above.
"""

import contextlib
import enum
import errno
import os
import selectors
import socket
import time
from collections import deque
from typing import Any, Protocol

from p2pcore.aio.outbox import Outbox
from p2pcore.aio.patience import FRAME_STALLS, LINGER_S, NOT_READ
from p2pcore.aio.system import keep_alive
from p2pcore.aio.tls import TlsSession
from p2pcore.effects import LinkId
from p2pcore.errors import AuthenticationError, P2PError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.session.link import Counters
from p2pcore.wire.codec import FrameParser

__all__ = ["Channel", "ChannelStage", "Place"]

IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR)

Place = tuple[int, int, int, str, Any]
"""What getaddrinfo says of an address: family, type, protocol, name and socket address."""


class ChannelStage(enum.Enum):
    """Where in its life a channel is."""

    DIALLING = enum.auto()
    HANDSHAKING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    GONE = enum.auto()


class ChannelOwner(Protocol):
    """What a channel needs of its driver, which it tells of everything that happens."""

    counters: Counters

    def authenticated(self, channel: "Channel", peer_id: NodeId) -> None: ...

    def received(self, channel: "Channel", data: bytes) -> None: ...

    def changed(self, channel: "Channel") -> None: ...

    def gone(self, channel: "Channel", error: P2PError | None, *, was: ChannelStage) -> None: ...


class Channel:
    """A connection to one address.

    Args:
        owner: its driver.
        link_id: the link's name.
        tls: the session, not started yet.
        address: as it was asked for, `host:port`.
        expected_id: who must answer; None for whoever of the network does.
        places: what the address stands for, tried one after the other.
        now_ns: monotonic.
    """

    def __init__(
        self,
        owner: ChannelOwner,
        link_id: LinkId,
        tls: TlsSession,
        address: str,
        expected_id: NodeId | None,
        places: list[Place],
        now_ns: int,
    ) -> None:
        self._owner = owner
        self._tls = tls
        self._places = deque(places)
        self._unsent = bytearray()  # that the kernel had no room for
        self._last_words = False  # whether the end follows what is unsent
        self.link_id = link_id
        self.address = address
        self.expected_id = expected_id
        self.socket: socket.socket | None = None
        self.retired: list[socket.socket] = []  # to be closed once nobody waits for them
        self.stage = ChannelStage.DIALLING
        self.outbox = Outbox(owner.counters)
        self.parser = FrameParser()
        self.unflushed = False
        self.began_ns = self.heard_ns = self.sent_ns = now_ns
        self.frame_since_ns = 0  # when the unfinished frame began; 0 if there is none

    # Opening

    def dial(self, error: P2PError | None = None) -> None:
        """Begin to connect to the next place; `error` is why not to the last one."""
        while self._places:
            family, kind, protocol, _, place = self._places.popleft()
            self._retire()
            try:
                self.socket = socket.socket(family, kind, protocol)
                self.socket.setblocking(False)
                code = self.socket.connect_ex(place)
            except (OSError, ValueError, OverflowError) as reason:
                error = UnreachableError(getattr(reason, "strerror", None) or str(reason))
                continue
            if code in (0, *IN_PROGRESS):
                self._owner.changed(self)
                return
            error = UnreachableError(os.strerror(code))
        self.fail(error or UnreachableError("it stands for no address"))

    def _connected(self) -> None:
        assert self.socket is not None
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.dial(UnreachableError(os.strerror(code)))
            return
        with contextlib.suppress(OSError):  # it may be reset already
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(self.socket)
        self.stage = ChannelStage.HANDSHAKING
        self._owner.changed(self)
        self._tls.start()
        self._send(self._tls.pending_output())

    # What the selector says

    @property
    def wants(self) -> int:
        """What to wait for; 0 for nothing more."""
        if self.stage is ChannelStage.GONE:
            return 0
        if self.stage is ChannelStage.DIALLING:
            return selectors.EVENT_WRITE
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)

    def ready(self, events: int, buffer: memoryview, now_ns: int) -> None:
        """The socket can be written to, or read from."""
        if events & selectors.EVENT_WRITE and self.stage is ChannelStage.DIALLING:
            self._connected()
        elif events & selectors.EVENT_WRITE:
            self.sent_ns = now_ns
            self._send(b"")
            if self.unflushed:
                self.flush()
        if events & selectors.EVENT_READ:
            self._read(buffer, now_ns)

    def _read(self, buffer: memoryview, now_ns: int) -> None:
        if self.socket is None or self.stage in (ChannelStage.DIALLING, ChannelStage.GONE):
            return
        try:
            count = self.socket.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0  # reset: as gone as by an orderly end
        if not count:
            self.fail(None)
            return
        self.heard_ns = now_ns
        if self.stage is ChannelStage.CLOSING:
            return
        try:
            plain = self._tls.receive(buffer[:count])
        except P2PError as error:
            self.fail(error)
            return
        if self.stage is ChannelStage.HANDSHAKING and not self._shaken():
            return
        if plain:
            self._owner.received(self, plain)
        if self._tls.ended and self.stage is ChannelStage.OPEN:
            self.fail(None)

    def _shaken(self) -> bool:
        """Whether the handshake is over, and the peer the right one."""
        self._send(self._tls.pending_output())
        peer_id = self._tls.peer_id
        if peer_id is None or self.stage is ChannelStage.GONE:
            return False
        if self.expected_id not in (None, peer_id):
            assert self.expected_id is not None
            text = f"{self.address} is {peer_id.hex()}, not {self.expected_id.hex()}"
            self.fail(AuthenticationError(text))
            return False
        self.stage = ChannelStage.OPEN
        self._owner.authenticated(self, peer_id)
        return self.stage is ChannelStage.OPEN

    # Sending

    def flush(self) -> None:
        """Everything that was queued leaves, as far as the kernel takes it."""
        self.unflushed = False
        while self.outbox.frames and not self._unsent and self.stage is ChannelStage.OPEN:
            self._send(self._tls.send(self.outbox.take()))
        self.unflushed = bool(self.outbox.frames)

    def _send(self, data: bytes) -> None:
        waited = bool(self._unsent)
        if self.socket is None or not (data or waited):
            return
        if waited:
            self._unsent += data
        try:
            sent = self.socket.send(self._unsent if waited else data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._unsent.clear()  # its end is read next, with what came before it
            self._owner.changed(self)
            return
        if waited:
            del self._unsent[:sent]
        elif sent < len(data):
            self.sent_ns = time.monotonic_ns()  # from now on the peer has to read
            self._unsent += data[sent:]
        if waited != bool(self._unsent):
            self._owner.changed(self)
        if self._last_words and not self._unsent:
            self._end_output()

    # Ending

    @property
    def owes(self) -> bool:
        """True if the peer is to do something in time."""
        open_ = self.stage is ChannelStage.OPEN
        return not open_ or bool(self._unsent) or bool(self.parser.pending_bytes)

    def excuse(self, now_ns: int) -> None:
        """Nobody has looked at the sockets for a while: the silence was ours."""
        if self.stage is ChannelStage.OPEN:
            self.heard_ns = self.sent_ns = now_ns
            if self.frame_since_ns:
                self.frame_since_ns = now_ns

    def stalled(self, now_ns: int, limit_ns: int) -> str | None:
        """What the peer has not done in time, in words; None if there is nothing."""
        silent_ns = now_ns - self.heard_ns
        match self.stage:
            case ChannelStage.DIALLING | ChannelStage.HANDSHAKING:
                late = now_ns - self.began_ns > limit_ns
                return f"no answer in {limit_ns / 1e9:g} s" if late else None
            case ChannelStage.CLOSING:
                return "it does not close" if silent_ns > LINGER_S * 1e9 else None
        if self._unsent and now_ns - self.sent_ns > limit_ns:
            return NOT_READ
        if self.parser.pending_bytes and silent_ns > limit_ns:
            return f"half a frame, and nothing more for {limit_ns / 1e9:g} s"
        if self.frame_since_ns and now_ns - self.frame_since_ns > FRAME_STALLS * limit_ns:
            return f"half a frame after {FRAME_STALLS * limit_ns / 1e9:g} s"
        return None

    def close(self, now_ns: int) -> None:
        """Send what is queued, say that this is the end, and read until the peer agrees."""
        if self.stage is not ChannelStage.OPEN:
            self.fail(None)  # nothing was said yet that somebody should hear to its end
            return
        self.flush()
        if self._unsent or self.outbox.frames:
            self.fail(None)  # it does not read what was said before
            return
        self.stage = ChannelStage.CLOSING
        self.heard_ns = now_ns  # the peer has a while from now
        self._last_words = True
        self._send(self._tls.close())
        if self._last_words and not self._unsent:
            self._end_output()  # a session that is broken has no last words

    def _end_output(self) -> None:
        self._last_words = False
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:  # the peer has reset the connection since the last write
                self.fail(None)

    def fail(self, error: P2PError | None) -> None:
        """The end: of the peer's, its TLS's or the network's making; None says it just ended."""
        if self.stage is ChannelStage.GONE:
            return
        was = self.stage
        if was is ChannelStage.HANDSHAKING:
            self._send(self._tls.pending_output())  # the alert that says why
        self.stage = ChannelStage.GONE
        self._retire()
        self._owner.gone(self, error, was=was)

    def _retire(self) -> None:
        if self.socket is not None:
            self.retired.append(self.socket)
            self.socket = None
            self._unsent.clear()
            self._owner.changed(self)
