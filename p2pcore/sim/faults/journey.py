"""What happens to the link of one process: it is replaced, loses segments, or moves about.

Rule: changes links and addresses; which processes, and when it begins, `player.py` says.
"""

from dataclasses import replace

from p2pcore.errors import UnreachableError
from p2pcore.sim.faults.kinds import Mobile
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.process import Process
from p2pcore.sim.network.links import MOBILE, LinkProfile
from p2pcore.sim.network.tcp import Network

__all__ = ["Journey", "lose", "relink"]

CERTAIN_PPM = 999_999


def relink(process: Process, link: LinkProfile) -> None:
    """Connect it to the world in another way; its connections stay."""
    process.link = link
    path = process.network.path
    for end in process.ends.values():
        end.path, end.far.path = path(process, end.far.owner), path(end.far.owner, process)


def lose(process: Process, loss_ppm: int, *, one_way: bool) -> None:
    """Let so much more be lost (or less, where it is below 0)."""
    name = "up_loss_ppm" if one_way else "loss_ppm"
    lost_ppm = min(CERTAIN_PPM, max(0, getattr(process.link, name) + loss_ppm))
    relink(process, replace(process.link, **{name: lost_ppm}))


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
