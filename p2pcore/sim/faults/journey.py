"""A process that moves about: its link changes, it sleeps, and it wakes elsewhere."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from p2pcore.errors import ConfigError, UnreachableError
from p2pcore.sim.faults.fault import Aimed, FaultScene, drawn_scale
from p2pcore.sim.faults.links import relink
from p2pcore.sim.faults.processes import check_shorter
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.network.links import MOBILE
from p2pcore.sim.network.tcp import Network
from p2pcore.sim.streams import Stream

__all__ = ["Mobile"]


@dataclass(frozen=True, kw_only=True)
class Mobile(Aimed):
    """The process is on a telephone: its link is the profile `mobile`, it sleeps again and again,
    and now and then it has another address: its connections are gone, and nobody tells the other
    side. Addresses change in a sleep."""

    name: ClassVar[str] = "mobile"

    sleep_ms: int = 1500
    """How long it sleeps, each time."""

    every_ms: int = 10_000
    """From one sleep to the next."""

    moves: int = 3
    """It wakes with another address each time that it has slept so often; 0: never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_shorter("sleep_ms", self.sleep_ms, self.every_ms)
        if self.moves < 0:
            raise ConfigError(f"moves must be 0 or more, not {self.moves!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        sleep_ms = drawn_scale(rng, 100, 9000)
        return cls(at_s=at_s, for_s=for_s, sleep_ms=sleep_ms, moves=rng.below(3))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        Journey(node, scene.world.network, self).begin()


class Journey:
    """One node on a telephone: see `Mobile`."""

    def __init__(self, node: SimNode, network: Network, fault: Mobile) -> None:
        self._node = node
        self._life = node.lives
        self._network = network
        self._fault = fault
        self._home = node.link
        self._sleeps = 0
        self._end_ns: int | None = None

    def begin(self) -> None:
        """It leaves the house."""
        environment, fault = self._node.environment, self._fault
        relink(self._node, replace(MOBILE))
        if fault.for_s:
            self._end_ns = environment.now_ns + round(fault.for_s * 1e9)
            environment.after(fault.for_s, self._end)
        environment.after(fault.every_ms / 1000, self._sleep)

    @property
    def _is_over(self) -> bool:
        node, end_ns = self._node, self._end_ns
        gone = not node.alive or node.lives != self._life
        return gone or (end_ns is not None and node.environment.now_ns >= end_ns)

    def _sleep(self) -> None:
        if self._is_over:
            return
        node, fault = self._node, self._fault
        node.pause_until(node.environment.now_ns + fault.sleep_ms * 1_000_000)
        self._sleeps += 1
        if fault.moves and self._sleeps % fault.moves == 0:
            node.environment.after(fault.sleep_ms / 1000, self._move)
        node.environment.after(fault.every_ms / 1000, self._sleep)

    def _move(self) -> None:
        """It wakes elsewhere. What was sent to its old address arrives nowhere, so nothing tells
        the other sides; it knows, and dials."""
        if self._is_over:
            return
        node, network = self._node, self._network
        ends = list(node.ends.values())
        for end in ends:
            network.cut_power(end)
            end.said_end = True  # no reset comes from where it is no more
        del network.by_address[node.address]
        number = int(node.address.split(":")[0].split(".")[1]) + 1
        host, port = node.address.split(":")
        first, _, rest = host.split(".", 2)
        node.address = f"{first}.{number}.{rest}:{port}"
        network.by_address[node.address] = node
        node.machine.open(node.address)
        error = UnreachableError("the network has changed")
        for end in ends:
            if end.accepted:
                node.disconnected(end.link_id, error)

    def _end(self) -> None:
        if self._node.alive and self._node.lives == self._life:
            relink(self._node, self._home)
