"""Processes that are killed, all at once and again and again: what was acknowledged is back."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pcore import AdaptiveClient, ClientConfig, P2PError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

PATIENCE_S = 60


class Network:
    """Three nodes with data directories, at addresses that stay."""

    def __init__(self, launch: Callable[..., Any], folder: Path, *words: str) -> None:
        self._launch = launch
        self._folder = folder
        self._words = words
        self.addresses: list[str] = []
        self.nodes: list[Any] = []

    def begin(self) -> None:
        for number in range(3):
            join = ["--join", self.addresses[0]] if number else []
            node = self._start(number, "127.0.0.1:0", *join)
            node.wait_ready()
            self.addresses.append(node.address)
            self.nodes.append(node)

    def kill(self) -> None:
        """All at once, as by the power."""
        for node in self.nodes:
            node.process.send_signal(signal.SIGKILL)
        for node in self.nodes:
            assert node.wait_exit() == -signal.SIGKILL

    def restart(self, order: tuple[int, ...]) -> None:
        """In this order; each joins through whichever of the others is there."""
        started = {}
        for number in order:
            others = [address for place, address in enumerate(self.addresses) if place != number]
            join = [word for address in others for word in ("--join", address)]
            started[number] = self._start(number, self.addresses[number], *join)
        for node in started.values():
            node.wait_ready()
        self.nodes = [started[number] for number in range(3)]

    def _start(self, number: int, listen: str, *words: str) -> Any:
        directory = str(self._folder / f"node-{number}")
        return self._launch(
            "--listen", listen, "--data-dir", directory, "--leave-timeout", "0",
            "--join-timeout", str(PATIENCE_S), *self._words, *words,
        )  # fmt: skip

    def client(self) -> AdaptiveClient:
        return AdaptiveClient(ClientConfig(bootstrap=self.addresses, timeout_s=PATIENCE_S))


@pytest.mark.parametrize("durability", ["synced", "buffered"])
def test_all_nodes_are_killed_and_every_record_is_back(
    launch: Callable[..., Any], tmp_path: Path, durability: str
) -> None:
    network = Network(launch, tmp_path, "--durability", durability)
    network.begin()

    async def fill() -> None:
        async with network.client() as client:
            await client.store_many({f"key {n}": b"%d" % n * 100 for n in range(50)})
            for number in range(5):
                await client.delete(f"key {number}")

    async def read() -> dict[str | bytes, bytes]:
        async with network.client() as client:
            return await client.retrieve_many([f"key {n}" for n in range(50)])

    asyncio.run(fill())
    network.kill()
    network.restart((2, 0, 1))
    assert asyncio.run(read()) == {f"key {n}": b"%d" % n * 100 for n in range(5, 50)}


def test_nothing_acknowledged_is_lost_under_load(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    """Clients wait through the outage, and go on. Each key is written by one task, so the newest
    that was acknowledged, or one that was under way, is what must be read."""
    network = Network(launch, tmp_path)
    network.begin()
    acknowledged: dict[str, int] = {}
    begun: dict[str, int] = {}

    async def write(client: AdaptiveClient, key: str, over: asyncio.Event) -> None:
        while not over.is_set():
            begun[key] = number = begun.get(key, 0) + 1
            try:
                await client.store(key, b"%d" % number, timeout_s=1.0)
            except P2PError:
                await asyncio.sleep(0.05)
            else:
                acknowledged[key] = number

    async def storm() -> None:
        over = asyncio.Event()
        keys = [f"key {n}" for n in range(24)]
        async with network.client() as client:
            tasks = [asyncio.create_task(write(client, key, over)) for key in keys]
            for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
                before = sum(acknowledged.values())
                async with asyncio.timeout(PATIENCE_S):
                    while sum(acknowledged.values()) < before + 300:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                await asyncio.to_thread(network.kill)
                await asyncio.to_thread(network.restart, order)
            over.set()
            await asyncio.gather(*tasks)
        async with network.client() as client:
            for key in keys:
                value = int(await client.retrieve(key))
                assert acknowledged[key] <= value <= begun[key]

    asyncio.run(storm())
    assert sum(acknowledged.values()) > 900


def test_memory_alone_loses_all_of_it(launch: Callable[..., Any], tmp_path: Path) -> None:
    """So the tests above see the disk, and nothing else."""
    network = Network(launch, tmp_path, "--durability", "memory")
    network.begin()

    async def fill() -> None:
        async with network.client() as client:
            await client.store("key", b"value")

    async def read() -> dict[str | bytes, bytes]:
        async with network.client() as client:
            return await client.retrieve_many(["key"])

    asyncio.run(fill())
    network.kill()
    network.restart((0, 1, 2))
    assert asyncio.run(read()) == {}
