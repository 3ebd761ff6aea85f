"""`p2pcore.blocking.Client`: stores and retrieves, and returns when that is done."""

import os
import threading
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from p2pcore.address import parse_address
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.system import entropy
from p2pcore.blocking.driver import Begin, Driver
from p2pcore.blocking.measured import MeasuredClient
from p2pcore.blocking.scans import NameIterator
from p2pcore.client import Client
from p2pcore.config import ClientConfig
from p2pcore.errors import ClosedError, UsageError
from p2pcore.ids import NodeId, key_of
from p2pcore.overlay.crawl import NetworkStats, PeerContact
from p2pcore.overlay.inspection import NodeInfo
from p2pcore.replication.operations import StoreReceipt
from p2pcore.replication.scan import NamesFound, Scan
from p2pcore.requests import (
    MAX_NODES,
    PAGE_NAMES,
    Name,
    Value,
    asked_node,
    budget_ns,
    checked_count,
    checked_priority,
    checked_value,
    lifetime_ms,
    listed_name,
    listed_names,
    placed_items,
    placed_names,
    receipts_of,
    values_of,
)
from p2pcore.routing.waiting import Priority

__all__ = ["BlockingClient"]


class BlockingClient(MeasuredClient):
    """A client of a network for scripts, threads and notebooks; known as `p2pcore.blocking.Client`.

    Use it as a context manager, or call `connect` and `close`. Threads may share it: their
    operations are in flight together on the same connections. It has no thread and no event loop
    of its own: the threads that wait do the work, so that nothing happens while nobody waits.
    Ctrl-C ends the wait of the main thread and nothing else; whether what it waited for took effect
    is not known then. It belongs to the process in which it was connected: in a forked one every
    call but `close` raises UsageError. Host names are looked up by the system, within no deadline.

    Args:
        config: its settings.

    Raises:
        UsageError: that is no ClientConfig.
        ConfigError: the data directory can't be used.
    """

    _next: Driver | None = None  # until then

    def __init__(self, config: ClientConfig) -> None:
        if not isinstance(config, ClientConfig):
            raise UsageError(f"a client takes a ClientConfig, not {type(config).__name__}")
        self.config = config
        data_dir = config.data_dir
        self._identity = (
            Identity.new() if data_dir is None else Identity.of_directory(Path(data_dir))
        )
        self._process = os.getpid()
        self._opening = threading.Lock()

    def __del__(self) -> None:
        driver = self._driver or self._next
        if driver is None or driver.closed:
            return
        forked = self._process != os.getpid()
        driver.abandon(forked=forked)
        if not forked:
            text = "unclosed p2pcore.blocking.Client: use `with`, or call close()"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    @property
    def client_id(self) -> NodeId:
        """32 bytes: the hash of the client's public key, for allow lists."""
        return self._identity.node_id

    def connect(self) -> None:
        """Find a member of the network. On failure nothing is left open.

        Raises:
            UnreachableError: no bootstrap address answered.
            AuthenticationError: those that answered are of another network.
            NotAllowedError: their allow lists do not have this client's id.
            IncompatibleError: they speak other protocol versions.
        """
        self._check_process()
        if self._driver is not None or not self._opening.acquire(blocking=False):
            raise ClosedError("a client is connected once; make another one")
        try:
            self._driver = self._connected()
        finally:
            self._opening.release()

    def close(self) -> None:
        """Leave nothing open. Operations in flight end with ClosedError. May be repeated, and may
        be called in any thread, or in a forked process, of which the first one hears nothing."""
        for driver in (self._driver, self._next):
            if driver is None:
                continue
            if self._process != os.getpid():
                driver.abandon(forked=True)
            else:
                driver.close()

    def store(
        self,
        key: str | bytes,
        value: Value,
        *,
        ttl_s: float | None = None,
        listed: bool = False,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> StoreReceipt:
        """Store a value; returns once a write quorum of replicas has confirmed it.

        Args:
            key: 1 to 65,536 bytes, or as much text.
            value: up to 1 MiB; a bytearray or memoryview is copied.
            ttl_s: seconds until it expires; None for never.
            listed: keep the key beside the value, so that `scan` finds it; it has up to 1,024 bytes
                then. A later store without this, or a delete, ends it.
            timeout_s: the deadline of this call; the configuration's by default.
            priority: whether it goes before or after others while nodes have no room for all.

        Raises:
            UsageError: the key, value or ttl can't be meant.
            QuorumError: the network has fewer nodes than the write quorum.
            DeadlineError: too few replicas confirmed in time; the value may be stored or not.
            StorageFullError, ClockOffsetError, BusyError: replicas, or this client, refuse it.
        """
        place, stored, ttl_ms = key_of(key), checked_value(value), lifetime_ms(ttl_s)
        name, due_ns = listed_name(key, listed), self._deadline_ns(timeout_s)
        rank = checked_priority(priority)
        receipt: StoreReceipt = self._run(
            lambda machine, number, now: machine.write(
                number, place, stored, ttl_ms, due_ns, now, name, rank
            )
        )
        return receipt

    def delete(
        self,
        key: str | bytes,
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> StoreReceipt:
        """Delete a record; returns once a write quorum has confirmed it. Deleting what is not
        there is no error. Raises what `store` raises."""
        place, due_ns = key_of(key), self._deadline_ns(timeout_s)
        rank = checked_priority(priority)
        receipt: StoreReceipt = self._run(
            lambda machine, number, now: machine.write(
                number, place, None, None, due_ns, now, None, rank
            )
        )
        return receipt

    def retrieve(
        self,
        key: str | bytes,
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> bytes:
        """The newest value that a read quorum of replicas knows.

        Raises:
            KeyNotFoundError: there is no such record.
            QuorumError: the network has fewer nodes than the read quorum.
            DeadlineError: too few replicas answered in time.
        """
        place, due_ns = key_of(key), self._deadline_ns(timeout_s)
        rank = checked_priority(priority)
        value: bytes = self._run(
            lambda machine, number, now: machine.read(number, place, key, due_ns, now, rank)
        )
        return value

    def store_many(
        self,
        items: Mapping[Name, Value] | Iterable[tuple[Name, Value]],
        *,
        ttl_s: float | None = None,
        listed: bool = False,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> dict[Name, StoreReceipt]:
        """Store many values, each as `store` would, in few messages.

        The items are independent: some may be stored while others fail.

        Args:
            items: keys and their values, as a mapping or as pairs.
            ttl_s: seconds until they expire; None for never.
            listed: keep their keys beside the values; see `store`.
            timeout_s: the deadline of this call; the configuration's by default.
            priority: whether it goes before or after others while nodes have no room for all.

        Raises:
            BatchError: some items failed; it says which and why, and has the others' receipts.
            UsageError: a key, value or the ttl can't be meant; nothing was stored.
        """
        names, placed = placed_items(items)
        ttl_ms, due_ns = lifetime_ms(ttl_s), self._deadline_ns(timeout_s)
        listing, rank = listed_names(names, listed), checked_priority(priority)
        results = self._run(
            lambda machine, number, now: machine.write_many(
                number, placed, ttl_ms, due_ns, now, listing, rank
            )
        )
        return receipts_of(names, results)

    def retrieve_many(
        self,
        keys: Iterable[Name],
        *,
        timeout_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> dict[Name, bytes]:
        """The newest values of many keys, in few messages. Keys without a record are left out.

        Raises:
            BatchError: some keys could not be read (other than that there is no record); it says
                which and why, and has the others' values.
            UsageError: a key can't be meant, or `keys` is a single one.
        """
        names, places = placed_names(keys)
        due_ns, rank = self._deadline_ns(timeout_s), checked_priority(priority)
        results = self._run(
            lambda machine, number, now: machine.read_many(number, places, names, due_ns, now, rank)
        )
        return values_of(names, results)

    @overload
    def scan(
        self, prefix: str = ..., *, cursor: str = ..., timeout_s: float | None = ...
    ) -> NameIterator[str]: ...

    @overload
    def scan(
        self, prefix: bytes, *, cursor: str = ..., timeout_s: float | None = ...
    ) -> NameIterator[bytes]: ...

    def scan(
        self, prefix: str | bytes = "", *, cursor: str = "", timeout_s: float | None = None
    ) -> NameIterator[str] | NameIterator[bytes]:
        """The keys of listed records that begin with `prefix`, all over the network, to be gone
        through with `for`: see `AdaptiveClient.scan`."""
        if isinstance(prefix, bytes):
            return NameIterator(self._scan_on, prefix, cursor, timeout_s)
        return NameIterator(self._scan_on, prefix, cursor, timeout_s)

    def _scan_on(self, scan: Scan, timeout_s: float | None) -> NamesFound:
        """One step of a scan."""
        due_ns = self._deadline_ns(timeout_s)
        found: NamesFound = self._run(
            lambda machine, number, now: machine.scan(number, scan, PAGE_NAMES, due_ns, now)
        )
        return found

    def node_info(
        self, address_or_id: str | bytes | None = None, *, timeout_s: float | None = None
    ) -> NodeInfo:
        """What a node says of itself, now: see `AdaptiveClient.node_info`."""
        target, due_ns = asked_node(address_or_id), self._deadline_ns(timeout_s)
        info: NodeInfo = self._run(
            lambda machine, number, now: machine.inspect(number, target, due_ns, now)
        )
        return info

    def network_stats(
        self, *, max_nodes: int = MAX_NODES, timeout_s: float | None = None
    ) -> NetworkStats:
        """Find the nodes of the network and ask each for its state: see
        `AdaptiveClient.network_stats`."""
        checked_count("max_nodes", max_nodes)
        due_ns = self._deadline_ns(timeout_s)
        stats: NetworkStats = self._run(
            lambda machine, number, now: machine.crawl(number, max_nodes, due_ns, now)
        )
        return stats

    def connect_to_peer(self, address: str, *, timeout_s: float | None = None) -> PeerContact:
        """Open a link to the node at an address: see `AdaptiveClient.connect_to_peer`."""
        place, node_id = parse_address(address)
        due_ns = self._deadline_ns(timeout_s)
        contact: PeerContact = self._run(
            lambda machine, number, now: machine.meet(number, place, node_id, due_ns, now)
        )
        return contact

    def _deadline_ns(self, timeout_s: float | None) -> int:
        seconds = self.config.timeout_s if timeout_s is None else timeout_s
        return time.monotonic_ns() + budget_ns(seconds)

    def _run(self, begin: Begin) -> Any:
        self._check_process()
        driver = self._driver
        if driver is None:
            raise ClosedError("the client is not connected: use `with`, or call connect()")
        if driver.broken is not None:
            driver = self._mended(driver)
        return driver.run(begin)

    def _check_process(self) -> None:
        if self._process != os.getpid():
            here = f"this is process {os.getpid()}"
            text = f"this client belongs to process {self._process}, {here}: make one after a fork"
            raise UsageError(text)

    def _mended(self, broken: Driver) -> Driver:
        """A new machine and new connections, for what an exception has left half done."""
        with self._opening:
            if self._driver is broken:
                self._driver = self._connected()
        assert self._driver is not None
        return self._driver

    def _machine(self) -> Client:
        return Client(self.config, self._identity.node_id, entropy())

    def _connected(self) -> Driver:
        """A driver that is in the network; one that is not let in leaves nothing open."""
        driver = Driver(
            self._machine(),
            Credentials(self._identity, self.config.network_key),
            timeout_s=self.config.connect_timeout_s,
            max_in_flight=self.config.max_in_flight,
        )
        self._next = driver
        try:
            driver.run(lambda machine, number, now: machine.connect(number, now))
        except BaseException:
            driver.close()
            raise
        finally:
            self._next = None
        return driver

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
