"""The public nodes and clients on a real event loop, over wires in memory instead of sockets.

Rule: p2pcore only through `subject`; nothing here measures.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from benchmarks.common import subject
from benchmarks.common.counting.wire_loop import same_entropy, wire_loop

__all__ = ["EdgeSwarm"]

NODES = 4  # one more than replicas


class EdgeSwarm:
    """Nodes that are ready, and a client, over wires, on a loop of this kind. Close it.

    Raises:
        NotImplementedError: this commit's p2pcore has no network, or there is no such loop.
    """

    def __init__(self, kind: str) -> None:
        subject.require("network", "ready")
        self.loop = wire_loop(kind)
        self._settings = subject.NetworkSettings(key="5a" * 32)
        self._stack = AsyncExitStack()
        self._nodes: list[subject.SubjectNode] = []
        self.client: subject.SubjectClient
        self._entropy = Random("edge")
        self.run(self._start())

    async def _start(self) -> None:
        for _ in range(NODES):
            node = subject.make_node(self._settings, [each.address for each in self._nodes[:1]])
            await node.start()
            self._stack.push_async_callback(node.shutdown)
            self._nodes.append(node)
        for node in self._nodes:
            await node.wait_ready()
        self.client = await self._stack.enter_async_context(self.make_client())

    def make_client(self) -> Any:
        """Another client, not connected."""
        return subject.make_client(self._settings, [self._nodes[0].address])

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        with same_entropy(self._entropy):
            return self.loop.run(coroutine)

    def close(self) -> None:
        self.run(self._stack.aclose())
        self.loop.close()
