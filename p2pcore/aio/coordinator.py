"""AdaptiveCoordinator: a full node on real sockets."""

import asyncio
import logging
import time
import warnings
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from p2pcore.address import split_address
from p2pcore.aio.durable import DiskRecords
from p2pcore.aio.files import read_allow_list
from p2pcore.aio.home import close_at_home
from p2pcore.aio.host import Host, now, reason_of
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.records import RecordOperations
from p2pcore.aio.system import entropy
from p2pcore.config import ClientConfig, CoordinatorConfig
from p2pcore.errors import ClosedError, ConfigError, StorageBrokenError, UsageError
from p2pcore.ids import NodeId
from p2pcore.node import Node
from p2pcore.overlay.inspection import Target
from p2pcore.requests import budget_ns
from p2pcore.session.link import Counters

__all__ = ["AdaptiveCoordinator"]

log = logging.getLogger("p2pcore")


class AdaptiveCoordinator(RecordOperations):
    """A node: listens, joins the network, holds its share of the records. It stores and retrieves
    like a client, too, and needs no link to itself for that.

    Use it as an asynchronous context manager, or call `start` and `shutdown`.

    Args:
        config: its settings.

    All calls belong to the event loop in which it was started: in another one they raise
    UsageError, but for `shutdown`, which shuts down from anywhere. Keep a node and shut it down:
    one that is dropped gives a ResourceWarning, and goes on serving.

    Raises:
        ConfigError: the data directory, the allow list or the advertised address can't be used.
        UsageError: that is no CoordinatorConfig.
    """

    _unopened = "the node was not started yet"
    _records: DiskRecords | None = None
    _broken: asyncio.Future[None] | None = None
    _farewell: asyncio.Task[None] | None = None

    def __init__(self, config: CoordinatorConfig | None = None) -> None:
        if not isinstance(config, CoordinatorConfig | None):
            raise UsageError(f"a node takes a CoordinatorConfig, not {type(config).__name__}")
        self.config = CoordinatorConfig() if config is None else config
        data_dir = self.config.data_dir
        self._identity = (
            Identity.of_directory(Path(data_dir)) if data_dir is not None else Identity.new()
        )
        self._durability = self.config.durability
        disk = self._durability != "memory"
        self._machine = self._node = Node(self.config, self._identity.node_id, entropy(), disk=disk)
        self._node.read_clock = time.monotonic_ns
        self._default_timeout_ns = budget_ns(ClientConfig.timeout_s)
        self._max_in_flight = ClientConfig.max_in_flight
        self._leaving = False
        if self.config.allow_file is not None:
            self._node.allow(read_allow_list(Path(self.config.allow_file)), now())

    def __del__(self) -> None:
        if self._host is not None and not self._host.closed:
            text = f"unclosed {type(self).__name__}: use `async with`, or await shutdown()"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)

    @property
    def node_id(self) -> NodeId:
        """32 bytes: the hash of the node's public key."""
        return self._identity.node_id

    @property
    def address(self) -> str:
        """`host:port` at which others reach this node.

        Raises:
            ClosedError: the node does not listen yet.
        """
        if not self._node.links.address:
            raise ClosedError("the node has no address before it was started")
        return self._node.links.address

    @property
    def stats(self) -> Counters:
        """What the node has counted since it was made."""
        return self._node.counters

    @property
    def known_nodes(self) -> int:
        """How many other nodes are in the contact table."""
        return self._node.table.size

    @property
    def stored_records(self) -> int:
        """How many records are kept here, tombstones included."""
        return len(self._node.store)

    async def start(self) -> None:
        """Listen, and join through the bootstrap addresses. On failure nothing is left open.

        Raises:
            ConfigError: the listen address can't be used, or another node uses the data directory.
            UnreachableError: no member answered within `join_timeout_s`.
            AuthenticationError: the members that answered are of another network.
            NotAllowedError: they are not on this node's allow list, or it is not on theirs.
            IncompatibleError: their replication settings or protocol versions differ.
        """
        if self._host is not None:
            raise ClosedError("a node is started once; make another one")
        config = self.config
        self._host = host = Host(
            self._node,
            Credentials(self._identity, config.network_key),
            connect_timeout_s=config.handshake_timeout_s,
            stall_timeout_s=config.handshake_timeout_s,
            max_handshakes=config.max_handshakes,
        )
        try:
            if config.data_dir is not None:
                await self._bring_back(host, Path(config.data_dir))
            self._begin_metering(host)
            try:
                bound, port = await host.listen(*split_address(config.listen))
            except (OSError, ValueError) as error:
                reason = reason_of(error)
                raise ConfigError(f"listen: {config.listen} can't be used: {reason}") from error
            self._node.open(config.advertise or _reachable(bound, port))
            operation, joined = host.operation()
            self._node.join(operation, now())
            host.pump()
            await joined
        except BaseException:
            await self.shutdown()
            raise

    async def _bring_back(self, host: Host, directory: Path) -> None:
        """What was in the directory is in the node."""
        synced = self.config.durability == "synced"
        self._records = records = DiskRecords(
            directory,
            self._node.journal,
            synced=synced,
            reported=host.pump,
            max_bytes=self.config.max_disk_bytes,
        )
        records.on_failed = self._on_failed
        host.persist = records.write
        await records.bring_back()

    def _on_failed(self, reason: str) -> None:
        """The disk can't be trusted: hand over what is in memory, and leave."""
        log.error("the disk has failed (%s): this node leaves the network", reason)
        loop = asyncio.get_running_loop()
        if not self._leaving:
            self._farewell = loop.create_task(self.shutdown())
        if self._broken is None:
            self._broken = loop.create_future()
        if not self._broken.done():
            self._broken.set_result(None)

    async def wait_broken(self) -> StorageBrokenError:
        """Return when the node's disk has failed and the node has left: it counts for nothing from
        then on, hands over what it has in memory, and shuts down by itself."""
        if self._broken is None:
            self._broken = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._broken)
        if self._farewell is not None:
            await asyncio.shield(self._farewell)
        trouble = self._node.journal.trouble if self._node.journal is not None else None
        return StorageBrokenError(f"{trouble}: the node has left the network")

    @property
    def ready(self) -> bool:
        """True if this node counts for every key that is its."""
        return self._node.ownership.settled

    async def wait_ready(self) -> None:
        """Return once this node counts for every key that is its: its ranges were handed over.

        Give it a deadline with `asyncio.timeout`: a node that stays alone waits for ever.

        Raises:
            ClosedError: the node does not run.
        """
        host = self._host
        if host is None:
            raise ClosedError(self._unopened)
        operation, ready = host.operation()
        try:
            self._node.wait_ready(operation, now())
            host.pump()
            await ready
        finally:
            host.forget(operation)
            self._node.stop_waiting(operation)

    def readiness(self) -> tuple[bool, str]:
        """Whether this node counts for what was handed over to it, and its state in words. Unlike
        `ready`, it stays true while the share of a lost node is copied, which changes nothing of
        what the node had before: others may send it work."""
        ownership, host = self._node.ownership, self._host
        if self._leaving or (host is not None and host.closed):
            return False, "leaving"
        if not ownership.counts:
            return False, "joining: not all that is its was handed over to it yet"
        return True, "ready" if ownership.settled else "ready, and copying what others have lost"

    def _begin_metering(self, host: Host) -> None:
        if self._metered is not None:
            self._metered.begin(host, self._records)

    def reload_allow_list(self) -> int:
        """Read `allow_file` anew. Links of ids that are not on it any more are closed, and these
        nodes forgotten, as if they were lost: expel one at a time, and wait until all are ready.

        Returns:
            How many ids there are now.

        Raises:
            ConfigError: it can't be used; the old list stays.
            UsageError: there is no `allow_file`, or this is not the node's event loop.
        """
        if self.config.allow_file is None:
            raise UsageError("there is no allow_file to read")
        if self._host is not None:
            self._host.check_home()
        allowed = read_allow_list(Path(self.config.allow_file))
        self._node.allow(allowed, now())
        if self._host is not None:
            self._host.pump()
        return len(allowed.ids)

    async def shutdown(self) -> None:
        """Hand over what is held here, say goodbye and leave nothing open.

        Takes `leave_timeout_s` and a second or two at most. May be repeated: a second call, or
        cancelling the first, cuts the handing over short. May be called in another event loop or
        thread.
        """
        if self._host is not None:
            await close_at_home(self._host, self._shut_down)
            if not self._host.home.is_running():
                self._finish()

    async def _shut_down(self) -> None:
        host = self._host
        if host is None or host.closed:
            if host is not None and not self._leaving:
                await self._finish_off_loop(host)
            return
        try:
            if not self._leaving:
                self._leaving = True
                operation, handed_over = host.operation()
                self._node.hand_over(operation, now())
                host.pump()
                await handed_over
        except ClosedError:
            pass  # by the second call
        finally:
            if self._metered is not None:
                self._metered.end()
            if not host.closed:
                self._node.leave()
                await host.close()
            await self._finish_off_loop(host)
            farewell = self._farewell
            if farewell is not None and farewell is not asyncio.current_task():
                await asyncio.wait({farewell})

    async def _finish_off_loop(self, host: Host) -> None:
        """The disk may take its time; the lock must be given back whoever cancels this."""
        if self._records is not None:
            finishing = host.home.run_in_executor(None, self._finish)
            await asyncio.shield(finishing)

    def _finish(self) -> None:
        if self._records is not None:
            self._records.finish()

    def _target(self, address_or_id: str | bytes | None) -> Target:
        return super()._target(self.node_id if address_or_id is None else address_or_id)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.shutdown()


def _reachable(bound: str, port: int) -> str:
    """The address to give to others, from what the socket is bound to."""
    if ip_address(bound).is_unspecified:
        raise ConfigError(
            f"listen: {bound} is every interface; set advertise to the host:port "
            "at which other nodes reach this one"
        )
    return f"[{bound}]:{port}" if ":" in bound else f"{bound}:{port}"
