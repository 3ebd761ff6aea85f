"""Whom the load is for: a swarm that is started for it, or a network that is already running.

Rule: gives addresses and processes; measures nothing.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from benchmarks.common import subject
from benchmarks.common.records import Layout, LoopKind
from perflab.monitor.monitor import Monitor
from perflab.processes.fleet import Fleet, FleetMember

__all__ = [
    "LoadTargetError",
    "Nobody",
    "RunningNetwork",
    "StartedSwarm",
    "Target",
    "network_of_key_file",
]

SETTLE_S = 60.0  # until a fresh network is in order; it takes seconds on a crowded machine
CONNECT_S = 10.0  # to a network that is said to be running
LEAST_KEY_BYTES = 16  # the core's own limit


class LoadTargetError(RuntimeError):
    """A network that cannot be reached, or a key file that holds none; one line."""


class StartedSwarm:
    """Node processes on loopback (layout B), from entering to leaving.

    `relayed`: every link goes through a relay, which faults of links need and which costs each byte
    a copy. `seed` decides who is who.
    """

    layout: Layout = "B"

    def __init__(self, nodes: int, loop: LoopKind, *, relayed: bool = False, seed: int = 0) -> None:
        self.name, self.nodes = "swarm", nodes
        self.network = subject.NetworkSettings.of(nodes)
        self.fleet = Fleet(
            network=self.network,
            loop=loop,
            relayed=relayed,
            rng=random.Random(f"{seed} places"),
            watched=True,
        )
        self._stack = ExitStack()

    def __enter__(self) -> StartedSwarm:
        self._stack.enter_context(self.fleet)
        try:
            self.fleet.join(self.nodes)
            self.fleet.wait_settled(SETTLE_S)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def addresses(self) -> list[str]:
        return self.fleet.addresses()

    @property
    def pids(self) -> list[int]:
        """The nodes' processes."""
        return [member.child.pid for member in self.fleet.members]

    def new_source(self) -> str:
        """The address from which a client has to dial; "" for any."""
        return self.fleet.new_end()

    def watch(self, monitor: Monitor) -> None:
        """Have the monitor watch every node."""
        for member in self.fleet.members:
            self.watch_one(monitor, member)

    def watch_one(self, monitor: Monitor, member: FleetMember) -> None:
        """Have the monitor watch a node, one that came later too."""
        monitor.watch(member.child.pid, member.name, member.child.self_metrics)


class RunningNetwork:
    """A network by the addresses of some members; its processes are somebody else's."""

    layout: Layout = "B"
    nodes = 0

    def __init__(self, addresses: list[str], network: subject.NetworkSettings) -> None:
        self.name, self.addresses, self.network = ", ".join(addresses), addresses, network

    def __enter__(self) -> RunningNetwork:
        async def reach() -> None:
            async with (
                asyncio.timeout(CONNECT_S),
                subject.make_client(self.network, self.addresses),
            ):
                pass

        try:
            asyncio.run(reach())
        except TimeoutError as error:
            raise LoadTargetError(f"{self.name} did not answer within {CONNECT_S:g} s") from error
        except Exception as error:
            raise LoadTargetError(f"{self.name} cannot be reached: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """It stays as it was, but for the records."""

    def new_source(self) -> str:
        """Any."""
        return ""

    def watch(self, monitor: Monitor) -> None:
        """Nothing: who runs there is not known here."""


class Nobody:
    """No network at all: every operation is answered at once, where it was started."""

    layout: Layout = "C"
    nodes = 0
    name = "null"

    def __init__(self) -> None:
        self.network, self.addresses = subject.NetworkSettings(), list[str]()

    def __enter__(self) -> Nobody:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """There is nothing to end."""

    def new_source(self) -> str:
        """Any."""
        return ""

    def watch(self, monitor: Monitor) -> None:
        """There is nobody."""


Target = StartedSwarm | RunningNetwork | Nobody


def network_of_key_file(path: Path) -> subject.NetworkSettings:
    """The network whose key a file holds, in hexadecimal; TargetError if it holds none."""
    try:
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise LoadTargetError(f"{path} holds no network key: {error}") from error
    if len(key) < LEAST_KEY_BYTES:
        raise LoadTargetError(f"{path} holds {len(key)} bytes; a network key has {LEAST_KEY_BYTES}")
    return subject.NetworkSettings(key=text)
