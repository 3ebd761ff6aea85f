"""kademlia: a distributed hash table in Python, over UDP.

A member is a process with one node. The client is a node, too, but one that keeps nothing, so that
every read asks the network. It looks the nearest nodes up, as the library's `set` does, and counts
who has taken the value: `set` itself is content with none. There is no encryption, and nobody has
a certificate.

Rule: kademlia's alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.common.children import ENTRY
from benchmarks.common.loops import running_loop
from perflab.peers.stores.contract import HOST, MEMBERS, Peer, PeerClient, Premises

__all__ = ["Kademlia", "run_child"]

QUORUM = 2
LOOK_S = 0.1  # between tries to meet all members


class Kademlia(Peer):
    """Three nodes that replicate to three."""

    def commands(self, premises: Premises) -> list[list[str]]:
        first, *_ = ports = premises.ports["client"]
        orders = [
            {
                "port": port,
                "first": first,
                "loop": premises.loop,
                "packages": str(premises.packages),
            }
            for port in ports
        ]
        start = [sys.executable, "-P", str(ENTRY), "perflab.peers.stores.kademlia", "-"]
        return [[*start, json.dumps(order)] for order in orders]

    async def connect(self, client: str, premises: Premises) -> PeerClient:
        return await _Client.open(premises)


class TooFewError(RuntimeError):
    """Fewer nodes than a quorum took a value."""


class _Client:
    def __init__(self, node: Any, ports: Sequence[int]) -> None:
        self._node = node
        self._ports = ports

    @classmethod
    async def open(cls, premises: Premises) -> _Client:
        from kademlia.network import Server
        from kademlia.storage import ForgetfulStorage

        class Nothing(ForgetfulStorage):  # type: ignore[misc]
            """Keeps nothing: a client has no replica."""

            def __setitem__(self, key: bytes, value: object) -> None:
                pass

        node = Server(ksize=MEMBERS, storage=Nothing())
        await node.listen(0, HOST)
        client = cls(node, premises.ports["client"])
        await client.settle()
        return client

    async def settle(self) -> None:
        """Meet the members that are not known: one that has lost a datagram is forgotten."""
        while len(self._node.bootstrappable_neighbors()) < MEMBERS:
            await self._node.bootstrap([(HOST, port) for port in self._ports])
            await asyncio.sleep(LOOK_S)

    async def store(self, key: str, value: bytes) -> None:
        from kademlia.crawling import NodeSpiderCrawl
        from kademlia.node import Node
        from kademlia.utils import digest

        place, protocol = digest(key), self._node.protocol
        sought = Node(place)
        known = protocol.router.find_neighbors(sought)
        crawl = NodeSpiderCrawl(protocol, sought, known, self._node.ksize, self._node.alpha)
        nearest = await crawl.find()
        answers = await asyncio.gather(
            *(protocol.call_store(each, place, value) for each in nearest)
        )
        taken = sum(bool(came and took) for came, took in answers)
        if taken < QUORUM:
            raise TooFewError(f"{taken} of {len(nearest)} nodes took {key}")

    async def retrieve(self, key: str) -> Any:
        return await self._node.get(key)

    async def close(self) -> None:
        self._node.stop()


async def _serve(order: dict[str, Any]) -> None:
    from kademlia.network import Server

    node = Server(ksize=MEMBERS)
    await node.listen(order["port"], HOST)
    if order["port"] != order["first"]:
        await node.bootstrap([(HOST, order["first"])])
    await asyncio.get_running_loop().create_future()  # until SIGTERM


def run_child(arguments: list[str]) -> None:
    """The process of one member; its order is one JSON object."""
    order = json.loads(arguments[0])
    sys.path.insert(0, order["packages"])
    with running_loop(order["loop"]) as runner:
        runner.run(_serve(order))


KADEMLIA = Kademlia(
    name="kademlia",
    clients={"own node": ("kademlia==2.2.3",)},
    reads="retrieve, one replica",
    durable=False,
    keeps="not durable: in memory",
    acknowledged="2 of 3",
    reading="what the first nodes that answer have",
    secured="no security: UDP without encryption or identities",
    share=0.12,
)
