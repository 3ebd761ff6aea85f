"""Asking real nodes for their state, on real sockets."""

import asyncio
import socket

import pytest

import p2pcore
from p2pcore import (
    AdaptiveCoordinator,
    AuthenticationError,
    ClosedError,
    CoordinatorConfig,
    DeadlineError,
    IncompatibleError,
    NetworkStats,
    NodeInfo,
    PeerContact,
    UnreachableError,
    UsageError,
)
from tests.aio.support import ONE, client_of, crash, eventually, swarm


async def test_node_info() -> None:
    async with swarm(3) as nodes, client_of(*nodes) as client:
        await asyncio.gather(*(node.wait_ready() for node in nodes))
        await client.store_many({f"key {n}": b"v" for n in range(10)})
        await eventually(lambda: all(node.stored_records == 10 for node in nodes))
        for node in nodes:
            names = (node.address, node.node_id, node.node_id.hex(),
                     f"{node.address}#{node.node_id.hex()}")  # fmt: skip
            for name in names:
                info = await client.node_info(name)
                assert isinstance(info, NodeInfo)
                assert (info.node_id, info.address) == (node.node_id, node.address)
            assert (info.version, info.ready) == (p2pcore.__version__, True)
            assert (info.stored_records, info.stored_bytes, info.known_nodes) == (10, 4010, 2)
            assert info.counters["stores"] == 10
            assert info.counters["bytes_in"] <= node.stats.bytes_in
            assert info.links >= 2
        again = await client.node_info(nodes[0].address)
        later = await client.node_info(nodes[0].address)
        assert later.uptime_s >= again.uptime_s > 0
        assert later.counters["messages_in"] > again.counters["messages_in"]
        assert (await client.node_info()).node_id in {node.node_id for node in nodes}
        assert (await nodes[1].node_info()).node_id == nodes[1].node_id
        assert (await nodes[1].node_info(nodes[2].node_id)).node_id == nodes[2].node_id


async def test_network_stats() -> None:
    async with swarm(4) as nodes, client_of(nodes[3]) as client:
        await client.store("key", b"value")
        await eventually(lambda: sum(node.stored_records for node in nodes) == 3)
        stats = await client.network_stats()
        assert isinstance(stats, NetworkStats)
        assert {node.node_id for node in stats.nodes} == {node.node_id for node in nodes}
        assert (stats.record_copies.total, stats.record_copies.nodes) == (3, 4)
        assert (stats.known_nodes, stats.estimated_nodes, stats.covered) == (4, 4, 1.0)
        crash(nodes[0])
        await eventually(lambda: all(node.known_nodes == 2 for node in nodes[1:]))
        assert (await nodes[1].network_stats()).known_nodes == 3
        with pytest.raises(UsageError, match="max_nodes must be at least 1: 0"):
            await client.network_stats(max_nodes=0)


async def test_connect_to_peer() -> None:
    async with swarm(3) as nodes, client_of(nodes[0]) as client:
        contact = await client.connect_to_peer(nodes[2].address)
        assert contact == PeerContact(nodes[2].node_id, nodes[2].address)
        opened = client.stats.links_opened
        assert await client.connect_to_peer(nodes[2].address) == contact
        assert client.stats.links_opened == opened
        port = nodes[1].address.split(":")[1]
        assert (await client.connect_to_peer(f"localhost:{port}")).node_id == nodes[1].node_id


async def test_two_networks_become_one() -> None:
    async with swarm(2) as ones, AdaptiveCoordinator(CoordinatorConfig()) as other:
        assert (await other.connect_to_peer(ones[0].address)).node_id == ones[0].node_id
        await eventually(lambda: {node.known_nodes for node in (*ones, other)} == {2})


async def test_every_kind_of_mistake_has_its_error() -> None:
    async with (
        AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node,
        AdaptiveCoordinator(CoordinatorConfig(network_key=b"k" * 16, **ONE)) as stranger,
        AdaptiveCoordinator(CoordinatorConfig()) as other,
    ):
        async with client_of(node) as client:
            for ask in (client.connect_to_peer, client.node_info):
                with pytest.raises(AuthenticationError, match="network key"):
                    await ask(stranger.address)
                with pytest.raises(AuthenticationError, match="not 0101"):
                    await ask(f"{node.address}#{'01' * 32}")
                with pytest.raises(UsageError, match="host:port"):
                    await ask("somewhere")
                with socket.create_server(("127.0.0.1", 0)) as silent:
                    address = f"127.0.0.1:{silent.getsockname()[1]}"
                    with pytest.raises(DeadlineError):
                        await ask(address, timeout_s=0.2)
                with socket.socket() as unused:  # bound and not listening
                    unused.bind(("127.0.0.1", 0))
                    address = f"127.0.0.1:{unused.getsockname()[1]}"
                    with pytest.raises(UnreachableError, match=f"{address}: Connection refused"):
                        await ask(address)
                with pytest.raises(UsageError, match="timeout_s"):
                    await ask(node.address, timeout_s=0)
            with pytest.raises(UnreachableError, match="knows no node"):
                await client.node_info(b"\x01" * 32)
            with pytest.raises(UsageError, match="an id of 32 bytes"):
                await client.node_info(b"short")
        for peer in (node, client):
            with pytest.raises(IncompatibleError if peer is node else ClosedError):
                await peer.connect_to_peer(other.address)
        with pytest.raises(UsageError, match="this node itself"):
            await node.connect_to_peer(node.address)
    with pytest.raises(ClosedError):
        await AdaptiveCoordinator().network_stats()


async def test_cancelled_while_it_waits() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, client_of(node) as client:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            address = f"127.0.0.1:{silent.getsockname()[1]}"
            for ask in (client.connect_to_peer, client.node_info, node.connect_to_peer):
                task = asyncio.create_task(ask(address))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        assert not client._client.links.calls
        assert not node._node.links.calls
