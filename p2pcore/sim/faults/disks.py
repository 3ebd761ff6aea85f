"""What goes wrong with disks, and with the power of all of them at once."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from p2pcore.errors import ConfigError
from p2pcore.sim.faults.fault import Aimed, Fault, FaultScene, drawn_scale
from p2pcore.sim.faults.processes import come_back
from p2pcore.sim.hosts.applications import SimNode
from p2pcore.sim.hosts.disk import Disk
from p2pcore.sim.streams import Stream

__all__ = ["DISK_TROUBLES", "Blackout", "DiskTrouble"]

DISK_TROUBLES = ("slow", "full", "broken", "rot")


@dataclass(frozen=True, kw_only=True)
class Blackout(Fault):
    """All nodes lose their power at once. They come back at moments drawn from `for_s`, in any
    order, each with its disk; 0: none does."""

    name: ClassVar[str] = "blackout"

    for_s: float = 5.0

    def begin(self, scene: FaultScene) -> None:
        nodes = [node for node in scene.world.nodes if node.alive]
        addresses = [node.address for node in nodes]
        for node in nodes:
            node.crash(power=True)
        first_founds = bool(scene.rng.below(2))  # or all know only each other's addresses
        for node in nodes if self.for_s else ():
            others = [address for address in addresses if address != node.address]
            back = partial(
                come_back, node, scene, disk=True, ways_in=None if first_founds else others
            )
            scene.environment.after(scene.rng.uniform(0.1, self.for_s), back)


@dataclass(frozen=True, kw_only=True)
class DiskTrouble(Aimed):
    """Something is wrong with a disk. Where there is none, nothing happens."""

    name: ClassVar[str] = "disk"

    trouble: str = "slow"
    """One of DISK_TROUBLES. "slow": each sync takes `times` as long; "full": no room for values;
    "broken": each sync fails, and the node leaves; "rot": the node is killed, and when it comes
    back after `for_s`, `records` of what its disk has kept are not what was written."""

    times: int = 100
    records: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trouble not in DISK_TROUBLES:
            troubles = ", ".join(DISK_TROUBLES)
            raise ConfigError(f"trouble must be one of {troubles}, not {self.trouble!r}")

    @classmethod
    def drawn(cls, rng: Stream, at_s: float, for_s: float) -> Self:
        trouble = rng.choice(DISK_TROUBLES)
        return cls(at_s=at_s, for_s=for_s, trouble=trouble, times=drawn_scale(rng, 2, 1000))

    def hit(self, node: SimNode, scene: FaultScene) -> None:
        disk = node.disk
        if disk is None:
            return
        match self.trouble:
            case "slow":
                disk.slowness *= self.times
                self.later(scene, lambda: self._speed_up(disk))
            case "full":
                disk.full = True
                self.later(scene, lambda: setattr(disk, "full", False))
            case "broken":
                disk.broken = True
            case _:
                node.crash()
                disk.rot(self.records)
                others = [each.address for each in scene.world.nodes if each is not node]
                self.later(scene, lambda: self._return(node, scene, others))

    def _speed_up(self, disk: Disk) -> None:
        disk.slowness //= self.times

    def _return(self, node: SimNode, scene: FaultScene, others: list[str]) -> None:
        come_back(node, scene, disk=True, ways_in=node.ways_in() or others)
