"""AdaptiveClient: stores and retrieves, on real sockets."""

import asyncio
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p2pcore.aio.coordinator import entropy
from p2pcore.aio.home import abandon, close_at_home
from p2pcore.aio.host import Host, now
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.inquiries import Inquiries
from p2pcore.client import Client
from p2pcore.config import ClientConfig
from p2pcore.errors import ClosedError, UsageError
from p2pcore.ids import NodeId, key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.requests import (
    Name,
    Value,
    checked_value,
    lifetime_ms,
    placed_items,
    placed_names,
    receipts_of,
    room_for_one,
    values_of,
)
from p2pcore.session.link import Counters
from p2pcore.session.trace import Trace

__all__ = ["AdaptiveClient"]


class AdaptiveClient(Inquiries):
    """A client of a network, with an identity that lives as long as it does.

    Use it as an asynchronous context manager, or call `connect` and `close`. Operations may be
    called from many tasks at once; each has its own deadline, and may be cancelled. All belong to
    the event loop in which it was connected: in another one they raise UsageError, but for `close`,
    which closes from anywhere. A client that is dropped without being closed gives a
    ResourceWarning, and ends its connections.

    Args:
        config: its settings.

    Raises:
        UsageError: that is no ClientConfig.
        ConfigError: the data directory can't be used.
    """

    _host: Host | None = None

    def __init__(self, config: ClientConfig) -> None:
        if not isinstance(config, ClientConfig):
            raise UsageError(f"a client takes a ClientConfig, not {type(config).__name__}")
        self.config = config
        data_dir = config.data_dir
        self._identity = (
            Identity.new() if data_dir is None else Identity.of_directory(Path(data_dir))
        )
        self._machine = self._client = Client(config, self._identity.node_id, entropy())
        self._default_timeout_s = config.timeout_s

    def __del__(self) -> None:
        host = self._host
        if host is not None and abandon(host):
            text = f"unclosed {type(self).__name__}: use `async with`, or await close()"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    @property
    def client_id(self) -> NodeId:
        """32 bytes: the hash of the client's public key, for allow lists."""
        return self._identity.node_id

    @property
    def stats(self) -> Counters:
        """What the client has counted since it was made."""
        return self._client.counters

    async def connect(self) -> None:
        """Find a member of the network. On failure nothing is left open.

        Raises:
            UnreachableError: no bootstrap address answered.
            AuthenticationError: those that answered are of another network.
            NotAllowedError: their allow lists do not have this client's id.
            IncompatibleError: they speak other protocol versions.
        """
        if self._host is not None:
            raise ClosedError("a client is connected once; make another one")
        self._host = host = Host(
            self._client,
            Credentials(self._identity, self.config.network_key),
            connect_timeout_s=self.config.connect_timeout_s,
            stall_timeout_s=self.config.connect_timeout_s,
            max_handshakes=0,
        )
        try:
            operation, connected = host.operation()
            self._client.connect(operation, now())
            host.pump()
            await connected
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Leave nothing open. Operations in flight end with ClosedError. May be repeated, and may
        be called in another event loop or thread."""
        if self._host is not None:
            await close_at_home(self._host, self._close)

    async def _close(self) -> None:
        if self._host is not None and not self._host.closed:
            self._client.leave()
            await self._host.close()

    async def store(
        self,
        key: str | bytes,
        value: Value,
        *,
        ttl_s: float | None = None,
        timeout_s: float | None = None,
        trace: Trace | None = None,
    ) -> StoreReceipt:
        """Store a value; returns once a write quorum of replicas has confirmed it.

        Args:
            key: 1 to 65,536 bytes, or as much text.
            value: up to 1 MiB; a bytearray or memoryview is copied.
            ttl_s: seconds until it expires; None for never.
            timeout_s: the deadline of this call; the configuration's by default.
            trace: a new one is told where the time of this call goes.

        Raises:
            UsageError: the key, value or ttl can't be meant.
            QuorumError: the network has fewer nodes than the write quorum.
            DeadlineError: too few replicas confirmed in time; the value may be stored or not.
            StorageFullError, ClockOffsetError, BusyError: replicas, or this client, refuse it.
        """
        place = key_of(key)
        stored = checked_value(value)
        ttl_ms = lifetime_ms(ttl_s)
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin(trace)
        self._client.write(operation, place, stored, ttl_ms, deadline_ns, now())
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        receipt: StoreReceipt = await self._result(host, operation, future)
        return receipt

    async def delete(
        self, key: str | bytes, *, timeout_s: float | None = None, trace: Trace | None = None
    ) -> StoreReceipt:
        """Delete a record; returns once a write quorum has confirmed it. Deleting what is not
        there is no error. Raises what `store` raises."""
        place = key_of(key)
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin(trace)
        self._client.write(operation, place, None, None, deadline_ns, now())
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        receipt: StoreReceipt = await self._result(host, operation, future)
        return receipt

    async def retrieve(
        self, key: str | bytes, *, timeout_s: float | None = None, trace: Trace | None = None
    ) -> bytes:
        """The newest value that a read quorum of replicas knows.

        Raises:
            KeyNotFoundError: there is no such record.
            QuorumError: the network has fewer nodes than the read quorum.
            DeadlineError: too few replicas answered in time.
        """
        place = key_of(key)
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin(trace)
        self._client.read(operation, place, key, deadline_ns, now())
        if trace is not None:
            self._follow(host, operation, future, trace)
        host.pump()
        value: bytes = await self._result(host, operation, future)
        return value

    async def store_many(
        self,
        items: Mapping[Name, Value] | Iterable[tuple[Name, Value]],
        *,
        ttl_s: float | None = None,
        timeout_s: float | None = None,
    ) -> dict[Name, StoreReceipt]:
        """Store many values, each as `store` would, in few messages.

        The items are independent: some may be stored while others fail.

        Args:
            items: keys and their values, as a mapping or as pairs.
            ttl_s: seconds until they expire; None for never.
            timeout_s: the deadline of this call; the configuration's by default.

        Raises:
            BatchError: some items failed; it says which and why, and has the others' receipts.
            UsageError: a key, value or the ttl can't be meant; nothing was stored.
        """
        names, placed = placed_items(items)
        ttl_ms = lifetime_ms(ttl_s)
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin()
        self._client.write_many(operation, placed, ttl_ms, deadline_ns, now())
        host.pump()
        return receipts_of(names, await self._result(host, operation, future))

    async def retrieve_many(
        self, keys: Iterable[Name], *, timeout_s: float | None = None
    ) -> dict[Name, bytes]:
        """The newest values of many keys, in few messages. Keys without a record are left out.

        Raises:
            BatchError: some keys could not be read (other than that there is no record); it says
                which and why, and has the others' values.
            UsageError: a key can't be meant, or `keys` is a single one.
        """
        names, places = placed_names(keys)
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin()
        self._client.read_many(operation, places, names, deadline_ns, now())
        host.pump()
        return values_of(names, await self._result(host, operation, future))

    def _begin(self, trace: Trace | None = None) -> tuple[Host, int, asyncio.Future[Any]]:
        if trace is not None and not isinstance(trace, Trace):
            raise UsageError(f"trace is a Trace, not {type(trace).__name__}")
        host = self._host
        if host is None:
            raise ClosedError("the client is not connected: use `async with`, or await connect()")
        room_for_one(host.in_flight, self.config.max_in_flight)
        operation, future = host.operation()
        return host, operation, future

    def _follow(
        self, host: Host, operation: int, future: asyncio.Future[Any], trace: Trace
    ) -> None:
        """Trace an operation that was begun just now, and let it go on."""
        try:
            self._client.follow(operation, trace)
        except BaseException:
            host.forget(operation)
            self._client.cancel(operation)
            raise
        future.add_done_callback(lambda _: trace.close())
        host.pump()
        # Behind the flush of this turn, which `pump` has asked for at the latest.
        asyncio.get_running_loop().call_soon(_stamp, trace)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _stamp(trace: Trace) -> None:
    trace.written_ns = time.monotonic_ns()
