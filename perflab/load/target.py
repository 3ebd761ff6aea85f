"""Whom the load is for: a swarm that is started for it, or a network that is already running.

Rule: gives addresses and processes; measures nothing.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.disk import Keeping
from benchmarks.common.entered import Entered
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


class _NotOurs(Entered):
    """A target none of whose processes is known here."""

    nodes = 0

    def new_source(self) -> str:
        """The address from which a client has to dial; "" for any."""
        return ""

    def watch(self, monitor: Monitor) -> None:
        """The monitor has no process to watch."""


class StartedSwarm(Entered):
    """Node processes on loopback (layout B), from entering to leaving.

    `relayed`: every link goes through a relay, which faults of links need and which costs each byte
    a copy. `seed` decides who is who. `keeping` says where nodes have their records.
    """

    layout: Layout = "B"

    def __init__(
        self,
        nodes: int,
        loop: LoopKind,
        *,
        relayed: bool = False,
        seed: int = 0,
        keeping: Keeping = "memory",
    ) -> None:
        self.name, self.nodes = "swarm", nodes
        self.network = subject.NetworkSettings.of(nodes)
        self.fleet = Fleet(
            network=self.network,
            loop=loop,
            relayed=relayed,
            rng=random.Random(f"{seed} places"),
            watched=True,
            keeping=keeping,
        )

    def _enter(self) -> None:
        self._stack.enter_context(self.fleet)
        self.fleet.join(self.nodes)
        self.fleet.wait_settled(SETTLE_S)

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


class RunningNetwork(_NotOurs):
    """A network by the addresses of some members; its processes are somebody else's."""

    layout: Layout = "B"

    def __init__(self, addresses: list[str], network: subject.NetworkSettings) -> None:
        self.name, self.addresses, self.network = ", ".join(addresses), addresses, network

    def _enter(self) -> None:
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


class Nobody(_NotOurs):
    """No network at all: every operation is answered at once, where it was started."""

    layout: Layout = "C"
    name = "null"

    def __init__(self) -> None:
        self.network, self.addresses = subject.NetworkSettings(), list[str]()


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
