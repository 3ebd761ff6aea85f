"""A node stores and retrieves like a client."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from p2pcore import (
    AdaptiveCoordinator,
    BatchError,
    ClosedError,
    CoordinatorConfig,
    KeyNotFoundError,
    LimitError,
    Priority,
    QuorumError,
    Trace,
    UsageError,
)
from tests.aio.support import ONE, client_of, crash, eventually, swarm
from tests.processes import PATIENCE_S


async def test_what_a_node_stores_every_other_finds() -> None:
    async with swarm(5) as nodes, client_of(nodes[4]) as client:
        for number, node in enumerate(nodes):
            receipt = await node.store(f"key {number}", b"%d" % number, ttl_s=3600)
            assert (receipt.replicas, receipt.acks) == (3, 2)
        everybody: list[Any] = [*nodes, client]
        for node in everybody:
            for number in range(5):
                assert await node.retrieve(f"key {number}") == b"%d" % number
        await nodes[0].delete("key 3")
        for node in everybody:
            with pytest.raises(KeyNotFoundError, match="key 3"):
                await node.retrieve("key 3")


async def test_batches_of_a_node() -> None:
    async with swarm(4) as nodes:
        items = {f"key {number}": b"%d" % number for number in range(300)}
        receipts = await nodes[1].store_many(items)
        assert list(receipts) == list(items)
        assert all(receipt.acks >= 2 for receipt in receipts.values())
        assert await nodes[2].retrieve_many([*items, "none"]) == items


async def test_two_nodes_that_write_one_key_at_a_time_agree_on_it() -> None:
    async with swarm(4) as nodes:
        for number in range(25):
            await asyncio.gather(*(node.store("key", b"%d" % number) for node in nodes))
            values = {await node.retrieve("key") for node in nodes}
            assert values == {b"%d" % number}


async def test_a_network_of_one_node_needs_no_client() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node:
        await node.store("key", b"value")
        assert await node.retrieve("key") == b"value"
        await node.store_many({"key": b"other", "more": b""})
        assert await node.retrieve_many(["key", "more", "none"]) == {"key": b"other", "more": b""}


async def test_a_node_that_keeps_its_records_on_disk_asks_itself(tmp_path: Path) -> None:
    """It confirms only what is synced, also to itself."""
    config = CoordinatorConfig(data_dir=tmp_path, **ONE)
    async with AdaptiveCoordinator(config) as node:
        await asyncio.gather(*(node.store(f"key {n}", b"%d" % n) for n in range(50)))
        await node.store_many({"more": b"value", "gone": b""})
        await node.delete("gone")
    async with AdaptiveCoordinator(config) as node:
        await node.wait_ready()
        found = await node.retrieve_many([*(f"key {n}" for n in range(50)), "more", "gone"])
        assert found == {**{f"key {n}": b"%d" % n for n in range(50)}, "more": b"value"}


async def test_a_replica_that_dies_is_done_without() -> None:
    async with swarm(5) as nodes:
        await nodes[0].store_many({f"key {number}": b"value" for number in range(50)})
        crash(nodes[3])
        for number in range(50):
            assert await nodes[0].retrieve(f"key {number}") == b"value"
            await nodes[1].store(f"key {number}", b"newer")
        await eventually(lambda: all(n.known_nodes == 3 for n in nodes if n is not nodes[3]))
        assert len(await nodes[2].retrieve_many(f"key {number}" for number in range(50))) == 50


async def test_what_cannot_be_meant_is_said_in_the_words_of_a_client() -> None:
    lonely = AdaptiveCoordinator(CoordinatorConfig())
    with pytest.raises(ClosedError, match="not started"):
        await lonely.store("key", b"value")
    async with lonely:
        with pytest.raises(QuorumError, match="store needs 2 replicas, the network has 1"):
            await lonely.store("key", b"value")
        with pytest.raises(BatchError, match="1 of 1 items failed") as caught:
            await lonely.store_many({"key": b"value"})
        assert isinstance(caught.value.errors["key"], QuorumError)
        with pytest.raises(LimitError, match="the limit is 1048576"):
            await lonely.store("key", bytes(1048577))
        with pytest.raises(UsageError, match="ttl_s must be"):
            await lonely.store("key", b"", ttl_s=0)
    with pytest.raises(ClosedError, match="closed"):
        await lonely.retrieve("key")


async def test_an_operation_that_is_cancelled_ends_in_the_machine_too() -> None:
    async with swarm(3) as nodes:
        storing = asyncio.create_task(nodes[0].store("key", b"value"))
        await asyncio.sleep(0)
        storing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await storing
        assert not nodes[0]._node._operations
        assert await nodes[0].store("key", b"value")


async def test_a_trace_tells_of_the_other_replicas() -> None:
    async with swarm(5) as nodes:
        trace = Trace()
        await nodes[0].store("key", b"value", trace=trace)
        others = {node.node_id for node in nodes[1:]}
        assert {reply.node_id for reply in trace.replies} <= others


async def test_priorities_order_what_waits_at_a_client_and_at_a_node() -> None:
    """For one node: where several are waited for, each line goes on at its own pace."""
    async with swarm(2, **ONE) as nodes, client_of(nodes[0]) as client:
        names: list[str] = []
        for name in map(str, range(100)):
            trace = Trace()
            await nodes[1].store(name, b"value", trace=trace)
            names += [name] if trace.replies else []  # the other node keeps it
        for peer in (client, nodes[1]):
            await peer.retrieve(names[0])
            for link in peer._machine.links.pool.by_node.values():
                link.window, link.limit = 1.0, 1
            done: list[Priority] = []

            async def ask(
                name: str, priority: Priority, peer: Any = peer, done: list[Priority] = done
            ) -> None:
                options: Any = {"priority": priority, "timeout_s": PATIENCE_S}
                await peer.store(name, b"newer", **options)
                assert await peer.retrieve(name, **options) == b"newer"
                done.append(priority)

            waited = peer.stats.waited
            order = (Priority.BATCH, Priority.NORMAL, Priority.CRITICAL)
            await asyncio.gather(*(ask(name, each) for each in order for name in names))
            assert peer.stats.waited > waited
            ranks = {each: sum(n for n, one in enumerate(done) if one is each) for each in order}
            assert ranks[Priority.CRITICAL] < ranks[Priority.NORMAL] < ranks[Priority.BATCH]


async def test_every_operation_takes_a_priority_and_nothing_else_for_one() -> None:
    async with AdaptiveCoordinator(CoordinatorConfig(**ONE)) as node, client_of(node) as client:
        critical: Any = {"priority": Priority.CRITICAL}
        peers: list[Any] = [node, client]
        for peer in peers:
            await peer.store("key", b"value", **critical)
            assert await peer.retrieve("key", **critical) == b"value"
            await peer.store_many({"key": b"newer"}, **critical)
            assert await peer.retrieve_many(["key"], **critical) == {"key": b"newer"}
            await peer.delete("key", **critical)
            calls = [
                peer.store("key", b"", priority="batch"),
                peer.retrieve("key", priority=1),
                peer.delete("key", priority=None),
                peer.store_many({}, priority=2),
                peer.retrieve_many([], priority=True),
            ]
            for call in calls:
                with pytest.raises(UsageError, match=r"priority must be Priority\.CRITICAL or"):
                    await call
