"""The host of one machine: carries its effects out on an event loop, and tells it what happens.

Theory of operation. Whatever happens (bytes, a lost connection, a timer, a call of the
application) is passed to the machine and followed by `pump`, which carries out the effects. Frames
are only queued then. Replies to what one read brought leave together when all of it is handled;
the rest of what is said within a loop turn is flushed by one `call_soon`, so that each peer gets
it in one TLS record. There is one timer per host, and no task, future or timer per message.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from p2pcore.address import split_address
from p2pcore.aio.connection import OPEN, Connection, Stage
from p2pcore.aio.identity import Credentials
from p2pcore.aio.intake import Intake
from p2pcore.aio.lobby import Lobby
from p2pcore.aio.patience import LINGER_S, NOT_READ, TICK_S
from p2pcore.aio.system import SMALL_READ_BYTES, now, read_buffer, reason_of
from p2pcore.aio.tls import TlsSession
from p2pcore.effects import Close, Complete, Connect, LinkId, Notice, Persist, Recall, Send
from p2pcore.errors import AuthenticationError, ClosedError, P2PError, UnreachableError, UsageError
from p2pcore.ids import NodeId
from p2pcore.machine import Machine
from p2pcore.session.refusals import Refusals
from p2pcore.wire.codec import encode_frame
from p2pcore.wire.messages import Malformed, Reply, Role

__all__ = ["Host", "now", "reason_of"]

log = logging.getLogger("p2pcore")

ENDED_AT_ONCE = 32  # connections that have stalled; each end may concern many operations


class Host:
    """Drives one machine.

    Args:
        machine: a Node or a Client.
        credentials: its identity within the network.
        connect_timeout_s: from dialling to an authenticated peer.
        stall_timeout_s: for strangers to finish a handshake, and for peers to go on with a frame;
            FRAME_STALLS times that for a whole frame.
        max_handshakes: incoming ones at a time; beyond it the oldest is dropped, so that silent
            strangers can't keep others out.
    """

    def __init__(
        self,
        machine: Machine,
        credentials: Credentials,
        *,
        connect_timeout_s: float,
        stall_timeout_s: float,
        max_handshakes: int,
    ) -> None:
        self.machine = machine
        self.counters = machine.counters
        self.serves = machine.links.role is Role.NODE
        self._loop = asyncio.get_running_loop()
        self.read_buffer = read_buffer(self._loop)
        self.small_buffer = self.read_buffer[:SMALL_READ_BYTES]
        self.closed = False
        self.persist: Callable[[Persist | Recall], None] = _no_disk
        """Writes a change to disk, or reads it back; the owner sets it."""
        self._credentials = credentials
        self._connect_timeout_s = connect_timeout_s
        self._stall_timeout_ns = round(stall_timeout_s * 1e9)
        self._max_handshakes = max_handshakes
        self._connections: dict[LinkId, Connection] = {}
        self._shaking: dict[LinkId, Connection] = {}  # incoming only, oldest first
        self._dials: set[asyncio.Task[None]] = set()
        self.futures: dict[int, asyncio.Future[Any]] = {}
        """Of the operations that have not completed."""
        self._unflushed: list[Connection] = []
        self.intake, self.lobby = Intake(self, self._loop), Lobby(self._loop)
        self._server: asyncio.Server | None = None
        self._next_link = 0
        self._next_operation = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_ns = 0
        self._tick: asyncio.TimerHandle | None = None
        self._refusals = Refusals(lambda line: log.info("%s", line))
        self._all_gone: asyncio.Event | None = None  # while closing

    @property
    def home(self) -> asyncio.AbstractEventLoop:
        """The event loop in which all of this happens."""
        return self._loop

    @property
    def transports(self) -> list[asyncio.BaseTransport]:
        """Those of all connections, for whoever closes them where the loop does not."""
        transports = [connection._transport for connection in self._connections.values()]
        return [transport for transport in transports if transport is not None]

    @property
    def listeners(self) -> Sequence[object]:
        """What asyncio shows of the sockets that accept connections, for the same purpose."""
        return self._server.sockets if self._server is not None else ()

    # The application's side

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections; returns the address and port that were bound."""
        # Two steps, so that a cancelled start knows the server that it has to close.
        self._server = await self._loop.create_server(
            lambda: self._connection(None, None), host, port, backlog=512, start_serving=False
        )
        await self._server.start_serving()
        bound = self._server.sockets[0].getsockname()
        return bound[0], bound[1]

    def operation(self) -> tuple[int, asyncio.Future[Any]]:
        """A number for an operation, and the future that its completion will resolve."""
        if self.closed:
            raise ClosedError("this was closed, or never opened")
        if asyncio._get_running_loop() is not self._loop:
            self.check_home()  # and be told so
        self._next_operation = number = self._next_operation + 1
        future = self.futures[number] = self._loop.create_future()
        return number, future

    def check_home(self) -> None:
        """Raises UsageError outside the event loop in which this was opened."""
        if asyncio._get_running_loop() is not self._loop:
            raise UsageError("this belongs to another event loop, the one in which it was opened")

    def forget(self, operation: int) -> None:
        """Give this operation up: the caller does not wait for it."""
        self.futures.pop(operation, None)

    async def close(self) -> None:
        """Leave nothing behind: no connection, task, timer or waiting caller. Bounded in time."""
        if self.closed:
            return
        self.closed = True
        self._stop()
        try:
            for connection in list(self._connections.values()):
                connection.close()
            if self._connections:
                self._all_gone = asyncio.Event()
                await asyncio.wait_for(self._all_gone.wait(), LINGER_S)
        except TimeoutError:
            log.debug("%d peers did not take our goodbye", len(self._connections))
        finally:
            for connection in list(self._connections.values()):
                connection.abort()
            if self._dials:
                await asyncio.wait(self._dials)

    def abort(self) -> None:
        """The same at once, and without a goodbye."""
        self.closed = True
        self._stop()
        for connection in list(self._connections.values()):
            connection.abort()

    def _stop(self) -> None:
        """No new connection, and nobody waits for anything; the last words are on their way."""
        if self._server is not None:
            self._server.close()
        for task in self._dials:
            task.cancel()
        self.pump()
        for future in self.futures.values():
            if not future.done():
                future.set_exception(ClosedError("closed while the operation was in flight"))
        self.futures.clear()
        for timer in (self._timer, self._tick):
            if timer is not None:
                timer.cancel()

    # The machine's side

    def pump(self, served: Connection | None = None) -> None:
        """Carry out what the machine wants done. Called after everything that it was told. What it
        says to who is `served` just now, the caller flushes."""
        for effect in self.machine.drain():
            kind = type(effect)
            if kind is Send:
                self._send(effect, served)  # type: ignore[arg-type]
            elif isinstance(effect, Complete):
                future = self.futures.pop(effect.operation, None)
                if future is None or future.done():
                    continue
                if isinstance(effect.result, Exception):
                    future.set_exception(effect.result)
                else:
                    future.set_result(effect.result)
            elif kind is Persist or kind is Recall:
                self.persist(effect)  # type: ignore[arg-type]
            elif isinstance(effect, Connect):
                self._connect(effect)
            elif isinstance(effect, Close):
                connection = self._connections.get(effect.link)
                if connection is not None:
                    connection.close()
                    self.watch_stalls()
            elif isinstance(effect, Notice):
                log.info("%s", effect.text)
        if not self._unflushed and not self.intake.turns.began_ns:
            self.keep_time()

    def keep_time(self) -> None:
        """Wake the machine in time. Once in a turn will do: the loop does not sleep before."""
        deadline_ns = self.machine.next_deadline()
        if deadline_ns is None or self.closed:
            return
        if self._timer is not None:
            if self._timer_at_ns <= deadline_ns:
                return
            self._timer.cancel()
        self._timer_at_ns = deadline_ns
        delay_s = max(0.0, (deadline_ns - time.monotonic_ns()) / 1e9)
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _send(self, effect: Send, served: Connection | None) -> None:
        frame, message, connections = b"", effect.message, self._connections
        for link_id in effect.links:
            connection = connections.get(link_id)
            if connection is None or connection.stage is not OPEN:
                continue
            outbox = connection.outbox
            if outbox.is_full:
                if not outbox.put_later(message):
                    self._loop.call_soon(connection.fail, UnreachableError(NOT_READ))
                self.intake.weigh(connection)
                continue
            frame = frame or encode_frame(message)
            outbox.put(frame)
            if isinstance(message, Reply):
                outbox.reply_bytes += len(frame)
            if not connection.unflushed:
                connection.unflushed = True
                if connection is not served:
                    if not self._unflushed:
                        self._loop.call_soon(self._flush)
                    self._unflushed.append(connection)

    def _flush(self) -> None:
        self.keep_time()
        unflushed, self._unflushed = self._unflushed, []
        for connection in unflushed:
            connection.flush()

    def _connect(self, effect: Connect) -> None:
        task = self._loop.create_task(self._dial(effect))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, effect: Connect) -> None:
        """Open one connection; the machine hears of it in either case, unless we are closing."""
        address, node_id = effect.address, effect.node_id
        connection = None
        try:
            host, port = split_address(address)
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await self._loop.create_connection(
                    lambda: self._connection(address, node_id), host, port
                )
                assert connection.opened is not None
                await connection.opened
            return
        except TimeoutError:
            if connection is not None and connection.stage is Stage.OPEN:
                return  # at the last moment: the machine has heard of it
            error: P2PError = UnreachableError(f"no answer in {self._connect_timeout_s:g} s")
        except P2PError as refused:
            error = refused
        except (OSError, ValueError, LookupError, RuntimeError) as reason:
            error = UnreachableError(
                reason_of(reason)
            )  # peers tell us addresses, also unusable ones
        if connection is not None:
            connection.abort()
        self.machine.connect_failed(address, node_id, error, now())
        self.pump()

    def _on_timer(self) -> None:
        self._timer = None
        self.machine.handle_timer(now())
        self.pump()

    # What connections report

    def shaking(self, connection: Connection) -> None:
        """A transport is there; the handshake begins."""
        self._connections[connection.link_id] = connection
        connection.heard_ns = time.monotonic_ns()
        if self.closed:
            connection.abort()
        elif connection.incoming:
            self._shaking[connection.link_id] = connection
            if len(self._shaking) > self._max_handshakes:
                oldest = next(iter(self._shaking.values()))
                oldest.fail(UnreachableError("too many handshakes at a time, this was the oldest"))
            self.watch_stalls()

    def authenticated(self, connection: Connection, peer_id: NodeId) -> bool:
        """The handshake is over. Returns whether the connection is wanted."""
        self._shaking.pop(connection.link_id, None)
        expected = connection.expected_id
        if expected is not None and expected != peer_id:
            text = f"{connection.address} is {peer_id.hex()}, not {expected.hex()}"
            connection.fail(AuthenticationError(text))
            return False
        if connection.opened is not None and not connection.opened.done():
            connection.opened.set_result(None)
        self.machine.connected(
            connection.link_id,
            peer_id,
            connection.address,
            incoming=connection.incoming,
            now=now(),
        )
        self.pump()
        return connection.stage is Stage.OPEN

    def gone(self, connection: Connection, error: P2PError | None, *, told: bool) -> None:
        """A connection ended. `told`: the machine knows, because it asked for it."""
        self._connections.pop(connection.link_id, None)
        self.intake.weigh(connection)
        was_shaking = self._shaking.pop(connection.link_id, None) is not None
        if self._all_gone is not None and not self._connections:
            self._all_gone.set()
        if connection.opened is not None and not connection.opened.done():
            text = "the other side ended the connection during the handshake"
            connection.opened.set_exception(error or UnreachableError(text))
            connection.opened.exception()  # the dial may be cancelled and never look
        elif was_shaking:
            self.counters.links_refused += 1
            reason = error or UnreachableError("it left before the handshake was over")
            self._refusals.add(connection.address, str(reason), now())
            self.watch_stalls()
        elif not told and not self.closed:
            if error is not None:
                log.info("dropped %s: %s", connection.address, error)
            self.machine.disconnected(connection.link_id, error, now())
            self.pump()

    def is_client(self, link_id: LinkId) -> bool:
        """True if the peer only asks and never serves."""
        link = self.machine.links.by_id.get(link_id)
        return link is not None and link.role is Role.CLIENT

    def _connection(self, address: str | None, node_id: NodeId | None) -> Connection:
        credentials = self._credentials
        context = credentials.client if address else credentials.server
        tls = TlsSession(context, server_side=address is None)
        self._next_link += 1
        connection = Connection(self, LinkId(self._next_link), tls, address, node_id)
        if address:
            # There from the first byte on: a loop may bring the whole handshake, or its failure,
            # before create_connection returns.
            connection.opened = self._loop.create_future()
        return connection

    # Time limits of single connections

    def watch_stalls(self) -> None:
        """There is a connection that may stall: look at it every TICK_S."""
        if self._tick is None and not self.closed:
            self._tick = self._loop.call_later(TICK_S, self._on_tick)

    def _on_tick(self) -> None:
        """End connections that have stalled: in the handshake, within a frame, or in closing."""
        self._tick = None
        instant = now()
        watched, ended = False, 0
        for connection in list(self._connections.values()):
            watched |= connection.owes
            text = connection.stalled(instant.mono_ns, self._stall_timeout_ns)
            if text is None:
                continue
            ended += 1
            if ended > ENDED_AT_ONCE:
                if self._tick is not None:  # of one that has ended
                    self._tick.cancel()
                self._tick = self._loop.call_later(0, self._on_tick)
                break
            if connection.stage is Stage.CLOSING:
                connection.abort()
            elif connection.stage is Stage.HANDSHAKING or connection.paused:
                connection.fail(UnreachableError(text))
            else:
                self.machine.receive(connection.link_id, Malformed(text), instant)
        self._refusals.tally(instant)
        if watched or self._refusals.pending:
            self.watch_stalls()
        self.pump()


def _no_disk(change: Persist | Recall) -> None:
    raise AssertionError(f"there is no disk for {change.key.hex()}")
