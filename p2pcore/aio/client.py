"""AdaptiveClient: stores and retrieves, on real sockets."""

import warnings
from pathlib import Path
from types import TracebackType
from typing import Self

from p2pcore.aio.home import abandon, close_at_home
from p2pcore.aio.host import Host, now
from p2pcore.aio.identity import Credentials, Identity
from p2pcore.aio.records import RecordOperations
from p2pcore.aio.system import entropy
from p2pcore.client import Client
from p2pcore.config import ClientConfig
from p2pcore.errors import ClosedError, UsageError
from p2pcore.ids import NodeId
from p2pcore.requests import budget_ns
from p2pcore.routing.estimates import PeerEstimate
from p2pcore.session.link import Counters

__all__ = ["AdaptiveClient"]


class AdaptiveClient(RecordOperations):
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

    _unopened = "the client is not connected: use `async with`, or await connect()"

    def __init__(self, config: ClientConfig) -> None:
        if not isinstance(config, ClientConfig):
            raise UsageError(f"a client takes a ClientConfig, not {type(config).__name__}")
        self.config = config
        data_dir = config.data_dir
        self._identity = (
            Identity.new() if data_dir is None else Identity.of_directory(Path(data_dir))
        )
        self._machine = self._client = Client(config, self._identity.node_id, entropy())
        self._default_timeout_ns = budget_ns(config.timeout_s)
        self._max_in_flight = config.max_in_flight

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

    @property
    def peers(self) -> list[PeerEstimate]:
        """What the client thinks of the nodes that it is linked to: how quick they are against each
        other, and who is silent."""
        return self._client.peers()

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
            self._begin_metering(host)
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
        if self._metered is not None:
            self._metered.end()
        if self._host is not None and not self._host.closed:
            self._client.leave()
            await self._host.close()

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
