"""What nodes and clients alike can find out about a network, over the wire.

Rule: turns arguments into calls of the machine; what is asked of whom is decided there.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from p2pcore.address import parse_address
from p2pcore.aio.host import Host, now
from p2pcore.effects import Instant
from p2pcore.machine import Machine
from p2pcore.overlay.crawl import NetworkStats, PeerContact
from p2pcore.overlay.inspection import NodeInfo, Target
from p2pcore.requests import MAX_NODES, asked_node, budget_ns, checked_count

__all__ = ["Inquiries"]

Begin = Callable[[int, int, Instant], None]
"""Starts an operation of the machine, given its number, its deadline and this instant."""


class Inquiries:
    """The methods that `AdaptiveClient` and `AdaptiveCoordinator` have in common."""

    _machine: Machine
    _default_timeout_ns: int

    async def node_info(
        self, address_or_id: str | bytes | None = None, *, timeout_s: float | None = None
    ) -> NodeInfo:
        """What a node says of itself, now.

        Args:
            address_or_id: `host:port`, `host:port#id`, an id (32 bytes or 64 hex digits); by
                default, a node says it of itself, and a client asks a node that it is connected to.
            timeout_s: the deadline of this call; the configuration's by default, of a node 5 s.

        Raises:
            UsageError: that is no address and no id.
            UnreachableError: nobody listens there, or no such node is known.
            AuthenticationError: who listens there is of another network, or has another id.
            IncompatibleError: the node is of a version that can't tell.
            DeadlineError: it does not answer in time.
        """
        target = self._target(address_or_id)
        machine = self._machine
        info: NodeInfo = await self._ask(
            lambda operation, due_ns, now: machine.inspect(operation, target, due_ns, now),
            timeout_s,
        )
        return info

    async def network_stats(
        self, *, max_nodes: int = MAX_NODES, timeout_s: float | None = None
    ) -> NetworkStats:
        """Find the nodes of the network and ask each for its state.

        Nodes that do not answer are part of the result, and so is how much of the network was
        searched until the deadline: there is an error only if nobody answers.

        Args:
            max_nodes: how many nodes are asked at most; each costs a connection.
            timeout_s: the deadline of this call; the configuration's by default, of a node 5 s.

        Raises:
            UsageError: `max_nodes` is no whole number of 1 or more.
            UnreachableError, IncompatibleError, DeadlineError: no node gave an answer.
        """
        checked_count("max_nodes", max_nodes)
        machine = self._machine
        stats: NetworkStats = await self._ask(
            lambda operation, due_ns, now: machine.crawl(operation, max_nodes, due_ns, now),
            timeout_s,
        )
        return stats

    async def connect_to_peer(self, address: str, *, timeout_s: float | None = None) -> PeerContact:
        """Open a link to the node at an address; one that is open already will do.

        A node that is led to another part of its network in this way finds the rest of that part
        within a second, and compares records with it.

        Args:
            address: `host:port`, or `host:port#id` to insist on that node.
            timeout_s: the deadline of this call; the configuration's by default, of a node 5 s.

        Returns:
            The node's proved id, and the address at which others reach it.

        Raises:
            UsageError: that is no address, or our own.
            UnreachableError: nobody listens there.
            AuthenticationError: who listens there is of another network, or has another id.
            IncompatibleError: it differs in protocol versions or replication settings.
            RefusedError: it has as many connections as it allows.
            DeadlineError: it does not answer in time.
        """
        place, node_id = parse_address(address)
        machine = self._machine
        contact: PeerContact = await self._ask(
            lambda operation, due_ns, now: machine.meet(operation, place, node_id, due_ns, now),
            timeout_s,
        )
        return contact

    def _target(self, address_or_id: str | bytes | None) -> Target:
        return asked_node(address_or_id)

    async def _ask(self, begin: Begin, timeout_s: float | None) -> Any:
        """Start an operation and wait for its result."""
        deadline_ns = self._deadline_ns(timeout_s)
        host, operation, future = self._begin()
        begin(operation, deadline_ns, now())
        host.pump()
        return await self._result(host, operation, future)

    def _begin(self) -> tuple[Host, int, asyncio.Future[Any]]:
        """The number of a new operation, and what its completion will resolve."""
        raise NotImplementedError

    def _deadline_ns(self, timeout_s: float | None) -> int:
        """When an operation that begins now has to end, in monotonic ns."""
        wait_ns = self._default_timeout_ns if timeout_s is None else budget_ns(timeout_s)
        return time.monotonic_ns() + wait_ns

    async def _result(self, host: Host, operation: int, future: asyncio.Future[Any]) -> Any:
        """Wait for an operation; one that is cancelled ends in the machine, too."""
        try:
            return await future
        except asyncio.CancelledError:
            self._give_up(host, operation)
            raise

    def _give_up(self, host: Host, operation: int) -> None:
        """The caller was cancelled."""
        host.forget(operation)
        self._machine.cancel(operation)
