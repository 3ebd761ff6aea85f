"""The sockets of one machine: carries its effects out on them, and tells it what they bring.

Theory of operation. Whatever happens (bytes, the end of a connection, a timer, a call of the
application) is passed to the machine and followed by `pump`, which carries out the effects: frames
are queued, and leave at once in one TLS record per channel. Nothing here waits; `select` is for the
thread that leads (`driver.py`), and so is the selector, since sockets that it waits for must not be
closed by others.

Rule: the driver's section is held whenever anything but `select` and `places_of` is called.
"""

import contextlib
import logging
import selectors
import socket
import time
from collections.abc import Callable

from p2pcore.address import split_address
from p2pcore.aio.identity import Credentials
from p2pcore.aio.patience import LINGER_S, NOT_READ, TICK_S
from p2pcore.aio.system import now
from p2pcore.aio.tls import TlsSession
from p2pcore.blocking.channel import Channel, ChannelStage, Place
from p2pcore.client import Client
from p2pcore.effects import Close, Complete, Connect, Instant, LinkId, Notice, Send, earliest
from p2pcore.errors import P2PError, UnreachableError
from p2pcore.ids import NodeId
from p2pcore.wire.codec import encode_frame
from p2pcore.wire.messages import Malformed

__all__ = ["Carrier", "Events", "places_of"]

log = logging.getLogger("p2pcore")

READ_BUFFER_BYTES = 256 * 1024
CATCH_UP_READS = 64  # looks at the sockets: far more than an idle client is sent
TICK_NS = round(TICK_S * 1e9)
LINGER_NS = round(LINGER_S * 1e9)

Events = list[tuple[selectors.SelectorKey, int]]


class Carrier:
    """All connections of one client.

    Args:
        machine: the client.
        credentials: its identity within the network.
        timeout_s: from dialling to an authenticated peer, and for peers to go on with a frame.
        completed: told of each operation that is over, and its result.
    """

    def __init__(
        self,
        machine: Client,
        credentials: Credentials,
        timeout_s: float,
        completed: Callable[[int, object], None],
    ) -> None:
        self.counters = machine.counters
        self.closing = False  # the machine is told nothing any more
        self.names: list[Connect] = []  # to be looked up by the leader: that may take its time
        self._machine = machine
        self._completed = completed
        self._credentials = credentials
        self._timeout_ns = round(timeout_s * 1e9)
        self._buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self._channels: dict[LinkId, Channel] = {}
        self._changed: dict[Channel, None] = {}  # since the selector heard of them
        self._unflushed: list[Channel] = []
        self._next_link = 0
        self._look_ns: int | None = None  # when channels that owe something are looked at
        self._close_by_ns: int | None = None
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        for each in (self._alarm, self._bell):
            each.setblocking(False)
        self._selector.register(self._alarm, selectors.EVENT_READ)
        self._disposed = False

    # What the leader does

    def select(self, wait_s: float) -> Events:
        """Wait for sockets, or for the bell."""
        return self._selector.select(wait_s)

    def due_ns(self) -> int | None:
        """When `serve` is to be called though no socket has anything, in monotonic ns."""
        return earliest(self._machine.next_deadline(), self._look_ns, self._close_by_ns)

    def serve(self, ready: Events) -> None:
        """What sockets and the clock bring."""
        instant = now()
        for key, events in ready:
            if key.data is None:
                self._silence_bell()
            else:
                key.data.ready(events, self._buffer, instant.mono_ns)
        due_ns = self._machine.next_deadline()
        if due_ns is not None and due_ns <= instant.mono_ns and not self.closing:
            self._machine.handle_timer(instant)
        if self._look_ns is not None and self._look_ns <= instant.mono_ns:
            self._look_at_stalls(instant)
        self.pump()
        if self._close_by_ns is not None and instant.mono_ns >= self._close_by_ns:
            self.end()

    def catch_up(self) -> None:
        """Nobody has looked at the sockets for a while, and that is nobody else's fault: read what
        has come, before anybody's time is up."""
        self.tell_selector()
        now_ns = time.monotonic_ns()
        for channel in self._channels.values():
            channel.excuse(now_ns)
        for _ in range(CATCH_UP_READS):
            ready = self._selector.select(0)
            if not ready:
                break
            for key, events in ready:
                if key.data is not None:
                    key.data.ready(events, self._buffer, now_ns)
        self.serve([])

    def tell_selector(self) -> None:
        """Let it wait for what is to be waited for, and close what nobody waits for any more."""
        for channel in self._changed:
            known = self._selector.get_map()
            for old in channel.retired:
                if old in known:
                    self._selector.unregister(old)
                old.close()
            channel.retired.clear()
            current, wants = channel.socket, channel.wants
            if current is not None and wants:
                tell = self._selector.modify if current in known else self._selector.register
                tell(current, wants, channel)
        self._changed.clear()

    @property
    def wants_leader(self) -> bool:
        """Whether the leader has more to do than it knows of."""
        return bool(self._changed or self.names)

    def ring(self) -> None:
        """Wake the leader."""
        with contextlib.suppress(OSError):  # it rings already
            self._bell.send(b"!")

    def _silence_bell(self) -> None:
        with contextlib.suppress(OSError):  # it is silent
            while self._alarm.recv(4096):
                pass

    def _look_at_stalls(self, instant: Instant) -> None:
        self._look_ns = None
        for channel in list(self._channels.values()):
            text = channel.stalled(instant.mono_ns, self._timeout_ns)
            if text is None:
                pass
            elif channel.stage is ChannelStage.OPEN and text != NOT_READ and not self.closing:
                self._machine.receive(channel.link_id, Malformed(text), instant)
            else:
                channel.fail(UnreachableError(text))
            self._watch(channel, instant.mono_ns)

    def _watch(self, channel: Channel, now_ns: int) -> None:
        if self._look_ns is None and channel.stage is not ChannelStage.GONE and channel.owes:
            self._look_ns = now_ns + min(TICK_NS, self._timeout_ns)

    # What the machine wants

    def pump(self) -> None:
        """Carry out the effects. Called after everything that the machine was told."""
        while effects := self._machine.drain():
            for effect in effects:
                if isinstance(effect, Send):
                    self._send(effect)
                elif isinstance(effect, Complete):
                    self._completed(effect.operation, effect.result)
                elif isinstance(effect, Connect):
                    self._connect(effect)
                elif isinstance(effect, Close):
                    self._close(effect.link)
                elif isinstance(effect, Notice):
                    log.info("%s", effect.text)
            unflushed, self._unflushed = self._unflushed, []
            for channel in unflushed:
                channel.flush()
                if channel.owes:
                    self._watch(channel, time.monotonic_ns())

    def _send(self, effect: Send) -> None:
        frame = b""
        for link_id in effect.links:
            channel = self._channels.get(link_id)
            if channel is None or channel.stage is not ChannelStage.OPEN:
                continue
            if channel.outbox.is_full:
                if not channel.outbox.put_later(effect.message):
                    channel.fail(UnreachableError("it does not read what it is sent"))
                continue
            frame = frame or encode_frame(effect.message)
            channel.outbox.put(frame)
            if not channel.unflushed:
                channel.unflushed = True
                self._unflushed.append(channel)

    def _close(self, link_id: LinkId) -> None:
        channel = self._channels.get(link_id)
        if channel is not None:
            now_ns = time.monotonic_ns()
            channel.close(now_ns)
            self._watch(channel, now_ns)

    def _connect(self, effect: Connect) -> None:
        """Dial, if the address is one of numbers; a name waits for the leader to look it up."""
        try:
            places = places_of(effect.address, socket.AI_NUMERICHOST)
        except OSError:
            self.names.append(effect)
        except (ValueError, LookupError) as error:
            self.looked_up(effect, UnreachableError(str(error)))
        else:
            self.looked_up(effect, places)

    def looked_up(self, effect: Connect, found: list[Place] | P2PError) -> None:
        """What an address stands for is known, or why not."""
        if self.closing:
            return
        if isinstance(found, P2PError):
            self._machine.connect_failed(effect.address, effect.node_id, found, now())
            return
        self._next_link += 1
        link_id, now_ns = LinkId(self._next_link), time.monotonic_ns()
        tls = TlsSession(self._credentials.client, server_side=False)
        channel = Channel(self, link_id, tls, effect.address, effect.node_id, found, now_ns)
        self._channels[link_id] = channel
        channel.dial()
        self._watch(channel, now_ns)

    # What channels report

    def authenticated(self, channel: Channel, peer_id: NodeId) -> None:
        """The handshake is over."""
        address = channel.address
        self._machine.connected(channel.link_id, peer_id, address, incoming=False, now=now())
        self.pump()

    def received(self, channel: Channel, data: bytes) -> None:
        """Plain text came in."""
        instant = now()
        link_id, receive = channel.link_id, self._machine.receive
        messages = channel.parser.feed(data)
        self.counters.bytes_in += len(data)
        self.counters.messages_in += len(messages)
        for message in messages:
            receive(link_id, message, instant)
        if not channel.parser.pending_bytes:
            channel.frame_since_ns = 0
        elif messages or not channel.frame_since_ns:
            channel.frame_since_ns = instant.mono_ns
            self._watch(channel, instant.mono_ns)

    def changed(self, channel: Channel) -> None:
        """What is to be waited for has changed."""
        self._changed[channel] = None

    def gone(self, channel: Channel, error: P2PError | None, *, was: ChannelStage) -> None:
        """A channel ended."""
        self._channels.pop(channel.link_id, None)
        if self.closing:
            return
        if was in (ChannelStage.DIALLING, ChannelStage.HANDSHAKING):
            text = "the other side ended the connection during the handshake"
            error = error or UnreachableError(text)
            self._machine.connect_failed(channel.address, channel.expected_id, error, now())
        elif was is ChannelStage.OPEN:
            if error is not None:
                log.info("dropped %s: %s", channel.address, error)
            self._machine.disconnected(channel.link_id, error, now())

    # The end

    @property
    def is_quiet(self) -> bool:
        """True if every connection has ended."""
        return not self._channels

    def say_goodbye(self) -> None:
        """Tell everybody that this is the end; they have a while to agree."""
        self._close_by_ns = time.monotonic_ns() + LINGER_NS
        self.names.clear()
        self.closing = True
        self._machine.leave()
        self.pump()
        for channel in list(self._channels.values()):
            if channel.stage in (ChannelStage.DIALLING, ChannelStage.HANDSHAKING):
                channel.fail(None)

    def end(self) -> None:
        """No connection is left, and the machine is not told."""
        self.closing = True
        self.names.clear()
        for channel in list(self._channels.values()):
            channel.fail(None)

    def dispose(self) -> None:
        """Nobody waits for sockets any more: close all of them."""
        if not self._disposed:
            self._disposed = True
            self.end()
            self.tell_selector()
            self._close_own()

    def abandon(self, *, forked: bool) -> None:
        """Close every descriptor, with nobody left who could say goodbye. After a fork they are
        copies: what the parent has and waits for stays as it is."""
        if self._disposed:
            return
        self._disposed = self.closing = True
        open_ = [each.socket for each in self._channels.values()]
        retired = [old for each in self._changed for old in each.retired]
        for each in [*open_, *retired]:
            if each is not None:
                if not forked:
                    with contextlib.suppress(OSError):  # it was not connected
                        each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._close_own()

    def _close_own(self) -> None:
        self._selector.close()
        self._alarm.close()
        self._bell.close()


def places_of(address: str, flags: int = 0) -> list[Place]:
    """What an address stands for. Blocks for a name; with AI_NUMERICHOST that is an OSError."""
    host, port = split_address(address)
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags))
