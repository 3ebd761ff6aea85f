"""Does faults to a world, each at its time.

Rule: a fault does nothing that the real world could not do. Effects on TCP are in `network/tcp.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from p2pcore.sim.environment import Environment
from p2pcore.sim.faults.byzantine import make_byzantine
from p2pcore.sim.faults.journey import Journey, lose, relink
from p2pcore.sim.faults.kinds import (
    Aimed,
    Blackout,
    Byzantine,
    Churn,
    ClockJump,
    Crash,
    DiskTrouble,
    Distance,
    Drift,
    Exhaustion,
    Fault,
    FlashCrowd,
    Loss,
    Mobile,
    Partition,
    Pause,
    Slowness,
    Stutter,
)
from p2pcore.sim.hosts.applications import SimClient, SimNode
from p2pcore.sim.hosts.disk import Disk
from p2pcore.sim.hosts.operations import SimOperation
from p2pcore.sim.hosts.process import Process, Service
from p2pcore.sim.network.links import LinkProfile
from p2pcore.sim.network.tcp import Network

__all__ = ["FaultTarget", "Faults"]

RESTART_S = 1.0  # between attempts to start a process that could not join


class FaultTarget(Protocol):
    """What faults need of a world: `World` has the meaning of each."""

    @property
    def environment(self) -> Environment: ...

    @property
    def network(self) -> Network: ...

    @property
    def nodes(self) -> list[SimNode]: ...

    @property
    def processes(self) -> list[Process]: ...

    def process(self, name: str) -> Process: ...

    def node(
        self, *, join: bool = True, region: str = "", link: LinkProfile | None = None,
        service: Service | None = None, **settings: Any,
    ) -> SimNode: ...  # fmt: skip

    def client(self, *, connect: bool = True, **settings: Any) -> SimClient: ...


class Faults:
    """Does faults to a world."""

    def __init__(self, world: FaultTarget) -> None:
        self._world = world
        self._environment = world.environment
        self._rng = world.environment.stream("faults")
        self._walls = 0

    def plan(self, fault: Fault) -> None:
        """Let it begin at its time."""
        self._environment.after(fault.at_s, lambda: self._begin(fault))

    def _begin(self, fault: Fault) -> None:
        self._environment.tell(str(fault))
        if isinstance(fault, Partition):
            self._cut(fault)
        elif isinstance(fault, Churn):
            self._churn(fault)
        elif isinstance(fault, FlashCrowd):
            self._crowd(fault)
        elif isinstance(fault, Blackout):
            self._black_out(fault)
        else:
            for node in self._targets(fault):
                self._hit(node, fault)

    def _targets(self, fault: Aimed) -> list[SimNode]:
        if fault.nodes:
            named = [self._world.process(name) for name in fault.nodes]
            return [node for node in named if isinstance(node, SimNode) and node.alive]
        alive = [node for node in self._world.nodes if node.alive]
        return self._rng.sample(alive, min(fault.count, len(alive)))

    def _hit(self, node: SimNode, fault: Fault) -> None:
        match fault:
            case Crash():
                node.crash(power=fault.power)
                self._later(fault, lambda: self._restart(node, fault.disk))
            case Pause():
                node.pause_until(self._environment.now_ns + round(fault.for_s * 1e9))
            case Slowness():
                node.slowness *= fault.times
                self._later(fault, lambda: _scale_back(node, fault.times))
            case Stutter():
                self._stutter(node, fault, self._environment.now_ns + round(fault.for_s * 1e9))
            case Distance():
                self._move(node, fault.extra_ms)
                self._later(fault, lambda: self._move(node, -fault.extra_ms))
            case Loss():
                lose(node, fault.loss_ppm, one_way=fault.one_way)
                self._later(fault, lambda: lose(node, -fault.loss_ppm, one_way=fault.one_way))
            case Mobile():
                Journey(node, self._world.network, fault).begin()
            case Exhaustion():
                node.accepts = False
                self._later(fault, lambda: setattr(node, "accepts", True))
            case ClockJump():
                _jump(node, fault.jump_ms)
                self._later(fault, lambda: _jump(node, -fault.jump_ms))
            case Drift():
                self._drift(node, fault.drift_ppm)
                self._later(fault, lambda: self._drift(node, 0))
            case DiskTrouble():
                self._trouble(node, fault)
            case Byzantine():
                make_byzantine(node, fault.behaviour)
                self._later(fault, lambda: node.crash() if node.alive and node.byzantine else None)

    def _later(self, fault: Fault, end: Callable[[], object]) -> None:
        if fault.for_s:
            self._environment.after(fault.for_s, end)

    def _restart(self, node: SimNode, disk: bool) -> None:
        def joined(operation: SimOperation) -> None:
            if operation.failed:
                self._environment.after(RESTART_S, lambda: self._restart(node, disk))

        if not node.alive:
            node.restart(disk=disk, then=joined)

    def _drift(self, node: Process, drift_ppm: int) -> None:
        node.clock.set_drift(drift_ppm, self._environment.now_ns)
        node.clock_changed()

    def _stutter(self, node: Process, fault: Stutter, end_ns: int) -> None:
        now_ns = self._environment.now_ns
        if node.alive and (now_ns < end_ns or not fault.for_s):
            node.pause_until(now_ns + fault.pause_ms * 1_000_000)
            again_s = fault.every_ms / 1000
            self._environment.after(again_s, lambda: self._stutter(node, fault, end_ns))

    def _move(self, node: Process, further_ms: int) -> None:
        latency_us = node.link.latency_us + 1000 * further_ms
        relink(node, replace(node.link, latency_us=latency_us))

    # Disks

    def _trouble(self, node: SimNode, fault: DiskTrouble) -> None:
        disk = node.disk
        if disk is None:
            return
        match fault.trouble:
            case "slow":
                disk.slowness *= fault.times
                self._later(fault, lambda: _speed_up(disk, fault.times))
            case "full":
                disk.full = True
                self._later(fault, lambda: setattr(disk, "full", False))
            case "broken":
                disk.broken = True
            case _:
                node.crash()
                disk.rot(fault.records)
                others = [each.address for each in self._world.nodes if each is not node]
                self._later(fault, lambda: self._come_back(node, node.ways_in() or others))

    def _black_out(self, fault: Blackout) -> None:
        nodes = [node for node in self._world.nodes if node.alive]
        addresses = [node.address for node in nodes]
        for node in nodes:
            node.crash(power=True)
        first_founds = bool(self._rng.below(2))  # or all know only each other's addresses
        for node in nodes if fault.for_s else ():
            others = [address for address in addresses if address != node.address]
            back = partial(self._come_back, node, None if first_founds else others)
            self._environment.after(self._rng.uniform(0.1, fault.for_s), back)

    def _come_back(self, node: SimNode, ways_in: list[str] | None) -> None:
        def joined(operation: SimOperation) -> None:
            if operation.failed:
                self._environment.after(RESTART_S, lambda: self._come_back(node, ways_in))

        if not node.alive:
            node.restart(disk=True, ways_in=ways_in, then=joined)

    # Partitions

    def _cut(self, fault: Partition) -> None:
        world, network = self._world, self._world.network
        if fault.side:
            side = [world.process(name) for name in fault.side]
        else:
            nodes: list[Process] = [node for node in world.nodes if node.alive]
            side = self._rng.sample(nodes, max(1, round(fault.share * len(nodes))))
        inside = frozenset(process.index for process in side)
        outside = frozenset(process.index for process in world.processes) - inside
        self._walls += 2
        one, other = self._walls - 1, self._walls
        network.walls[one] = (inside, outside)
        if not fault.one_way:
            network.walls[other] = (outside, inside)
        network.ways_changed()
        self._later(fault, lambda: self._heal(one, other))

    def _heal(self, *walls: int) -> None:
        for wall in walls:
            self._world.network.walls.pop(wall, None)
        self._environment.tell("the partition is over")
        self._world.network.ways_changed()

    # Coming and going

    def _churn(self, fault: Churn) -> None:
        world = self._world
        end_ns = self._environment.now_ns + round(fault.for_s * 1e9) if fault.for_s else None
        staying = [node for node in world.nodes if node.alive and node.name not in fault.keep]
        for node in staying:
            self._depart_after(node, fault, end_ns)
        if staying:
            self._next_arrival(fault, fault.session_s / len(staying), end_ns)

    def _next_arrival(self, fault: Churn, mean_s: float, end_ns: int | None) -> None:
        delay_s = self._rng.expovariate(1 / mean_s)
        if end_ns is None or self._environment.now_ns + round(delay_s * 1e9) < end_ns:
            self._environment.after(delay_s, lambda: self._arrive(fault, mean_s, end_ns))

    def _arrive(self, fault: Churn, mean_s: float, end_ns: int | None) -> None:
        like = self._rng.choice(self._world.nodes)  # in its place, with its link
        node = self._world.node(
            join=False, region=like.region, link=like.link, service=like.service, **fault.settings
        )
        node.start_join()
        self._depart_after(node, fault, end_ns)
        self._next_arrival(fault, mean_s, end_ns)

    def _depart_after(self, node: SimNode, fault: Churn, end_ns: int | None) -> None:
        delay_s = self._rng.expovariate(1 / fault.session_s)
        graceful = self._rng.random() < fault.graceful
        if end_ns is None or self._environment.now_ns + round(delay_s * 1e9) < end_ns:
            self._environment.after(delay_s, lambda: self._depart(node, graceful))

    def _depart(self, node: SimNode, graceful: bool) -> None:
        if node.alive:
            self._environment.tell(f"{node} goes{' in good order' if graceful else ''}")
            if graceful:
                node.start_leave()
            else:
                node.crash()

    def _crowd(self, fault: FlashCrowd) -> None:
        for _ in range(fault.count):
            self._environment.after(self._rng.uniform(0, fault.for_s), lambda: self._come(fault))

    def _come(self, fault: FlashCrowd) -> None:
        if fault.clients:
            self._world.client(connect=False, **fault.settings).start_connect()
        else:
            self._world.node(join=False, **fault.settings).start_join()


def _scale_back(node: Process, times: int) -> None:
    node.slowness //= times


def _jump(node: Process, jump_ms: int) -> None:
    node.clock.wall_offset_ms += jump_ms


def _speed_up(disk: Disk, times: int) -> None:
    disk.slowness //= times
