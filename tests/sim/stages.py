"""The two stages of `twin.py`: real sockets on loopback, all in this process, and a world.

Rule: each does what it is told in its own way, and knows no script.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from p2pcore import AdaptiveClient, AdaptiveCoordinator, ClientConfig, CoordinatorConfig
from p2pcore.aio.identity import IDENTITY_FILE
from p2pcore.client import Client
from p2pcore.effects import Instant
from p2pcore.machine import Machine
from p2pcore.node import Node
from p2pcore.sim import Partition, SimClient, SimNode, World
from tests.aio.support import crash, eventually
from tests.sim.twin import Call, identity_of

__all__ = ["InWorld", "OnSockets"]

DEAF_S = 1.2
"""Longer than what a script asks of deaf nodes takes, 1 s; and what was sent meanwhile arrives, by
the next repetition of TCP (1.4 s after the first), before silent nodes are given up."""


class OnSockets(AsyncExitStack):
    """Nodes and clients on loopback. Close it to close them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._nodes: dict[str, AdaptiveCoordinator] = {}
        self._clients: dict[str, AdaptiveClient] = {}
        self._deaf: list[asyncio.Transport] = []
        self.machines: dict[str, Node] = {}
        self.clients: dict[str, Machine] = {}

    async def start(self, name: str, settings: dict[str, Any]) -> None:
        data_dir = self._folder / name
        data_dir.mkdir(parents=True)
        identity_of(name).save(data_dir / IDENTITY_FILE)
        bootstrap = [node.address for node in self._nodes.values()][:1]
        # The directory is for the identity: on disks, the third answer comes when it is synced.
        kept: dict[str, Any] = {"data_dir": data_dir, "durability": "memory"}
        config = CoordinatorConfig(bootstrap=bootstrap, **kept, **settings)
        node = await self.enter_async_context(AdaptiveCoordinator(config))
        self._nodes[name] = node
        self.machines[name] = node._node

    async def connect(self, name: str, skew_ms: int) -> None:
        addresses = [node.address for node in self._nodes.values()]
        client = AdaptiveClient(ClientConfig(bootstrap=addresses))
        self._clients[name] = await self.enter_async_context(client)
        self.clients[name] = client._client
        _set_back(client._client, skew_ms)

    def begin(self, call: Call) -> Awaitable[Any]:
        method = getattr(self._clients[call.client], call.verb)
        values = (call.value,) if call.verb == "store" else ()
        return asyncio.ensure_future(method(call.what, *values, timeout_s=call.timeout_s))

    async def crash(self, name: str) -> None:
        del self.machines[name]
        crash(self._nodes.pop(name))

    async def leave(self, name: str) -> None:
        del self.machines[name]
        await self._nodes.pop(name).shutdown()

    async def deafen(self, names: tuple[str, ...]) -> None:
        for name in names:
            host = self._nodes[name]._host
            assert host is not None
            for connection in host._connections.values():
                assert connection._transport is not None
                connection._transport.pause_reading()
                self._deaf.append(connection._transport)

    async def undeafen(self) -> None:
        for transport in self._deaf:
            transport.resume_reading()
        self._deaf.clear()

    async def until(self, condition: Callable[[], bool]) -> None:
        await eventually(condition, limit_s=30)


class InWorld:
    """Nodes and clients in virtual time."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self._nodes: dict[str, SimNode] = {}
        self._clients: dict[str, SimClient] = {}
        self.machines: dict[str, Node] = {}
        self.clients: dict[str, Machine] = {}

    async def start(self, name: str, settings: dict[str, Any]) -> None:
        bootstrap = [node.address for node in self._nodes.values()][:1]
        node = self.world.node(
            name=name, node_id=identity_of(name).node_id, bootstrap=bootstrap, **settings
        )
        self._nodes[name] = node
        self.machines[name] = node.machine

    async def connect(self, name: str, skew_ms: int) -> None:
        addresses = [node.address for node in self._nodes.values()]
        client = self._clients[name] = self.world.client(name=name, bootstrap=addresses)
        client.clock.wall_offset_ms = skew_ms
        self.clients[name] = client.machine

    def begin(self, call: Call) -> Awaitable[Any]:
        client, values = self._clients[call.client], (call.value,) if call.verb == "store" else ()
        if not call.name:
            return _later(getattr(client, call.verb), call.what, *values, timeout_s=call.timeout_s)
        start = getattr(client, f"start_{call.verb}")
        return _later(start(call.what, *values, timeout_s=call.timeout_s).wait)

    async def crash(self, name: str) -> None:
        del self.machines[name]
        self._nodes.pop(name).crash()

    async def leave(self, name: str) -> None:
        del self.machines[name]
        self._nodes.pop(name).leave()

    async def deafen(self, names: tuple[str, ...]) -> None:
        others = tuple(
            process.name for process in self.world.processes if process.name not in names
        )
        self.world.apply(Partition(side=others, one_way=True, for_s=DEAF_S))
        self.world.run(0)

    async def undeafen(self) -> None:
        self.world.run_until(lambda: not self.world.network.walls)

    async def until(self, condition: Callable[[], bool]) -> None:
        self.world.run_until(condition)


async def _later(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function gives once somebody waits for it: virtual time passes then."""
    return function(*arguments, **options)


def _set_back(machine: Client, skew_ms: int) -> None:
    """Let the time of day of what a client writes be off."""
    write: Any = machine.write

    def write_off(*arguments: Any) -> None:
        write(*(_moved(each, skew_ms) for each in arguments))

    machine.write = write_off  # type: ignore[method-assign, assignment]


def _moved(argument: Any, skew_ms: int) -> Any:
    """The moment among what a write is asked with, by a clock that is off; anything else as is."""
    if not isinstance(argument, Instant):
        return argument
    return Instant(argument.mono_ns, argument.wall_ms + skew_ms)
