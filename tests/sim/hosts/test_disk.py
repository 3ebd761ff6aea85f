"""The simulated disk: what is synced stays, what is not may be lost, and what goes wrong."""

import pytest

from p2pcore.effects import Persist
from p2pcore.errors import ConfigError
from p2pcore.ids import key_of
from p2pcore.sim.engine import Engine
from p2pcore.sim.hosts.disk import Disk, DiskProfile
from p2pcore.sim.streams import Stream
from p2pcore.versions import Version

SYNC_NS = 2_000_000


class Machine:
    """A disk, and what it has said."""

    def __init__(self, seed: int = 1) -> None:
        self.engine = Engine()
        self.disk = Disk(self.engine, Stream(f"{seed}"), DiskProfile(sync_us=2000, change_us=0))
        self.said: list[tuple[str, int]] = []
        self.disk.open(self._hear)
        self.numbers = 0

    def _hear(self, what: str, number: int, why: str) -> None:
        self.said.append((what, number))

    def write(self, *names: str, value: bytes | None = b"value", gone: bool = False) -> None:
        for name in names:
            self.numbers += 1
            version = None if gone else Version(self.numbers.to_bytes(16))
            self.disk.write(Persist(self.numbers, key_of(name), version, value, 0))

    def run(self, syncs: float) -> None:
        self.engine.run_to(self.engine.now_ns + round(syncs * SYNC_NS))

    def found(self) -> dict[bytes, bytes | None]:
        return {each.key: each.value for each in self.disk.open(self._hear) if each.is_sound}


def test_what_waits_while_one_group_is_synced_is_the_next() -> None:
    machine = Machine()
    machine.write("a")
    machine.run(0.5)
    machine.write("b", "c")
    assert machine.disk.version(key_of("a")) == b""
    machine.run(0.5)
    assert machine.said == [("persisted", 1)]
    assert machine.disk.version(key_of("a")) == (1).to_bytes(16)
    machine.run(1)
    assert machine.said == [("persisted", 1), ("persisted", 3)]


def test_what_was_not_synced_is_lost_but_for_a_beginning() -> None:
    names = [f"k{n}" for n in range(8)]
    survivors, torn = set(), 0
    for seed in range(60):
        machine = Machine(seed)
        machine.write("old")
        machine.run(1)
        machine.write(*names)
        machine.run(0.5)
        machine.disk.cut()
        machine.run(5)
        assert machine.said == [("persisted", 1)], "nobody hears of what an ended process wanted"
        everything = machine.disk.open(machine._hear)
        sound = [each.key for each in everything if each.is_sound]
        assert sound == [key_of(name) for name in ["old", *names][: len(sound)]]
        survivors.add(len(sound))
        torn += len(everything) - len(sound)
    assert survivors == set(range(1, 10))
    assert 10 < torn < 60


def test_an_end_in_good_order_writes_what_waits() -> None:
    machine = Machine()
    machine.write("a")
    machine.write("b", gone=True)
    machine.write("c", value=None)
    machine.disk.finish()
    assert machine.found() == {key_of("a"): b"value", key_of("c"): None}


def test_a_full_disk_has_no_room_for_values() -> None:
    machine = Machine()
    machine.disk.full = True
    machine.write("a", value=None)
    machine.run(0.5)
    machine.write("b", "c")
    machine.write("d", value=None)
    machine.run(5)
    assert machine.said == [("persisted", 1), ("refused", 3), ("persisted", 4)]
    assert machine.found() == {key_of("a"): None, key_of("d"): None}
    machine.disk.full = False
    machine.write("b")
    machine.run(1)
    assert machine.said[-1] == ("persisted", 5)


def test_a_broken_disk_fails() -> None:
    machine = Machine()
    machine.write("a")
    machine.run(1)
    machine.disk.broken = True
    machine.write("b")
    machine.run(5)
    assert [what for what, _ in machine.said] == ["persisted", "failed"]
    assert machine.found() == {key_of("a"): b"value"}


def test_rot_is_noticed_by_the_seal() -> None:
    machine = Machine()
    machine.write("a", "b", "c")
    machine.write("d", value=None)
    machine.run(2)
    machine.disk.rot(2)
    assert len(machine.found()) == 2
    assert len(machine.disk.open(machine._hear)) == 4


def test_a_slow_disk_takes_its_time() -> None:
    machine = Machine()
    machine.disk.slowness = 10
    machine.write("a")
    machine.run(9.9)
    assert machine.said == []
    machine.run(0.1)
    assert machine.said == [("persisted", 1)]
    machine.write("b")
    machine.run(1)
    machine.disk.slowness = 1  # what is under way profits from it
    machine.run(1)
    assert machine.said[-1] == ("persisted", 2)


def test_less_than_no_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more, not -1 and 3"):
        DiskProfile(sync_us=-1)
