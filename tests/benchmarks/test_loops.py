"""A loop of a kind, whose connections come from where they are said to."""

import asyncio

import pytest

from benchmarks.common.loops import running_loop


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_loop_can_dial_from_an_address_of_its_own(kind: str) -> None:
    if kind == "uvloop":
        pytest.importorskip("uvloop")

    async def seen_from() -> str:
        dialled: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            dialled.set_result(writer.get_extra_info("peername")[0])
            writer.close()

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            source = await dialled
            writer.close()
            return source

    with running_loop(kind, "127.9.8.7") as runner:
        assert runner.run(seen_from()) == "127.9.8.7"
