"""Operations whose way is followed, on real sockets."""

import asyncio
import time
from typing import Any

import pytest

from p2pcore import KeyNotFoundError, Trace, UsageError
from p2pcore.wire.messages import Failed, Mark, Reason
from tests.aio.support import client_of, swarm


async def test_every_stage_of_an_operation_is_told() -> None:
    async with swarm(3) as nodes, client_of(*nodes) as client:
        for operation in (
            lambda trace: client.store("key", bytes(100_000), trace=trace),
            lambda trace: client.retrieve("key", trace=trace),
            lambda trace: client.delete("key", trace=trace),
        ):
            await client.store("other", b"value")  # every node is linked
            trace, begun_ns = Trace(), time.monotonic_ns()
            await operation(trace)
            ended_ns = time.monotonic_ns()
            # The quorum, and nobody who came later.
            assert {reply.address for reply in trace.replies} <= {n.address for n in nodes}
            assert [reply.final for reply in trace.replies] == [False, True]
            assert trace.written_ns is not None
            at_ns = begun_ns
            for reply in trace.replies:
                # All are on one machine, whose clock they share.
                there = [begun_ns, reply.read_ns, reply.turn_ns, reply.done_ns, reply.replied_ns]
                assert sorted(there) == there
                assert max(at_ns, trace.written_ns) <= reply.replied_ns <= ended_ns
                at_ns = reply.replied_ns
        assert not client._client.links.calls


async def test_an_operation_that_fails_is_followed_too() -> None:
    async with swarm(3) as nodes, client_of(*nodes) as client:
        trace = Trace()
        with pytest.raises(KeyNotFoundError):
            await client.retrieve("nothing", trace=trace)
        assert trace.written_ns is not None
        with pytest.raises(UsageError, match="one operation"):
            await client.retrieve("nothing", trace=trace)
        assert not client._client.links.calls
        assert await client.store("key", b"value")


async def test_nodes_that_know_no_marks_serve_all_the_same() -> None:
    def refuse(link: Any, request: Mark, now: Any) -> None:
        nodes[0]._node.links.reply(link, Failed(request.id, Reason.UNKNOWN_MESSAGE))

    async with swarm(3) as nodes, client_of(*nodes) as client:
        for node in nodes:
            node._node.links.handlers[Mark] = refuse
        trace = Trace()
        await client.store("key", b"value", trace=trace)
        assert trace.replies == []
        assert await client.retrieve("key", trace=Trace()) == b"value"


async def test_a_traced_operation_may_be_cancelled() -> None:
    async with swarm(3) as nodes, client_of(*nodes) as client:
        await client.store("key", b"value")
        task = asyncio.create_task(client.retrieve("key", trace=Trace()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert not client._client.links.calls
