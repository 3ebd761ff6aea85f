"""A client: asks nodes to store and retrieve, holds nothing itself."""

from collections.abc import Sequence

from p2pcore.config import ClientConfig
from p2pcore.effects import Complete, Instant
from p2pcore.errors import P2PError
from p2pcore.ids import Key, NodeId
from p2pcore.machine import Machine, Streams
from p2pcore.replication.batch import BatchRead, BatchWrite
from p2pcore.replication.operation import Operation
from p2pcore.session.link import Link
from p2pcore.session.trace import Trace
from p2pcore.wire.messages import Found, Role

__all__ = ["Client"]


class Client(Machine):
    """The sans-IO client. Operations are named by numbers that the edge chooses.

    Args:
        config: the client's settings.
        node_id: the id of its (usually short-lived) identity.
        streams: random streams by purpose.
    """

    def __init__(self, config: ClientConfig, node_id: NodeId, streams: Streams) -> None:
        super().__init__(
            node_id,
            Role.CLIENT,
            streams,
            bootstrap=tuple(config.bootstrap),
            settings=None,
            max_links=0,
            pool_size=config.pool_size,
            max_clock_offset_s=config.max_clock_offset_s,
        )

    def connect(self, operation: int, now: Instant) -> None:
        """Find a member of the network; completes with None."""

        def linked(error: P2PError | None, now: Instant) -> None:
            self.complete(operation, error)

        self.bootstrap.ensure(now, linked)

    def write(
        self,
        operation: int,
        key: Key,
        value: bytes | None,
        ttl_ms: int | None,
        deadline_ns: int,
        now: Instant,
    ) -> None:
        """Store, or delete with a `value` of None; completes with a StoreReceipt."""
        done = self._done(operation)
        self._keep(operation, self.start_write(key, value, ttl_ms, deadline_ns, done, now))

    def read(
        self, operation: int, key: Key, name: str | bytes, deadline_ns: int, now: Instant
    ) -> None:
        """Retrieve; completes with the value."""
        done = self._done(operation)
        self._keep(operation, self.start_read(key, name, deadline_ns, done, now))

    def write_many(
        self,
        operation: int,
        items: list[tuple[Key, bytes]],
        ttl_ms: int | None,
        deadline_ns: int,
        now: Instant,
    ) -> None:
        """Store many; completes with a list of StoreReceipts and errors, in the items' order."""
        done = self._done(operation)
        self._keep(operation, self.start_batch_write(items, ttl_ms, deadline_ns, done, now))

    def read_many(
        self,
        operation: int,
        keys: list[Key],
        names: Sequence[str | bytes],
        deadline_ns: int,
        now: Instant,
    ) -> None:
        """Retrieve many; completes with a list of values and errors, in the keys' order."""
        done = self._done(operation)
        self._keep(operation, self.start_batch_read(keys, names, deadline_ns, done, now))

    def _keep(self, operation: int, started: Operation | BatchRead | BatchWrite) -> None:
        if not started.over:
            self._operations[operation] = started

    def follow(self, operation: int, trace: Trace) -> None:
        """Have nodes tell how they get on with an operation that was begun just now: before
        `drain`. The trace is to be closed when the operation is over."""
        trace.follow(self.links, self._effects, lambda: operation in self._operations)

    def leave(self) -> None:
        """Say goodbye to everybody."""
        self._operations.clear()
        self.links.goodbye("the client closes")

    def complete(self, operation: int, result: object) -> None:
        if isinstance(result, list):
            result = [_value(item) for item in result]
        self._effects.append(Complete(operation, _value(result)))

    def _on_link(self, link: Link, now: Instant) -> None:
        if link.contact is not None:
            self.table.heard_from(link.contact)
        super()._on_link(link, now)


def _value(result: object) -> object:
    """What the application gets: the value itself of a record that was found."""
    return result.value if isinstance(result, Found) else result
