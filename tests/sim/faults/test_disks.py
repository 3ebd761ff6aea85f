"""Faults of disks and of the power."""

import pytest

from p2pcore.errors import ConfigError, StorageFullError
from p2pcore.sim import Blackout, DiskProfile, DiskTrouble, World

KEYS = [f"key {number}" for number in range(30)]


def disks(count: int = 5) -> World:
    world = World(seed=4)
    world.swarm(count, data_dir="disk")
    return world


def test_after_a_blackout_everything_is_back() -> None:
    world = disks()
    client = world.client()
    client.store_many({key: key.encode() for key in KEYS})
    identities = [node.node_id for node in world.nodes]
    world.apply(Blackout(for_s=5))
    world.run(0.05)
    assert not any(node.alive for node in world.nodes)
    world.run(60)
    assert [node.node_id for node in world.nodes] == identities
    assert all(node.is_ready for node in world.nodes)
    assert world.client().retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
    world.check()


def test_without_disks_a_blackout_takes_everything() -> None:
    world = World(seed=4)
    world.swarm(5)
    client = world.client()
    client.store_many({key: key.encode() for key in KEYS})
    world.apply(Blackout(for_s=5))
    world.run(60)
    assert world.client().retrieve_many(KEYS) == {}


def test_a_full_disk_refuses_and_recovers() -> None:
    world = World(seed=4)
    node = world.node(data_dir="disk", replication_factor=1)
    client = world.client()
    client.store("old", b"value")
    world.apply(DiskTrouble(nodes=(node.name,), for_s=20, trouble="full"))
    world.run(0.1)
    with pytest.raises(StorageFullError):
        client.store("new", b"value")
    assert client.retrieve("old") == b"value"
    client.delete("old")
    world.run(20)
    client.store("new", b"value")


def test_a_broken_disk_makes_its_node_leave_and_nothing_is_lost() -> None:
    world = disks()
    client = world.client()
    client.store_many({key: key.encode() for key in KEYS})
    world.apply(DiskTrouble(nodes=("n2",), trouble="broken"))
    world.run(0.1)
    client.store_many(dict.fromkeys(KEYS, b"again"))
    world.run(60)
    assert [node.alive for node in world.nodes] == [True, False, True, True, True]
    assert client.retrieve_many(KEYS) == dict.fromkeys(KEYS, b"again")
    for key in KEYS:
        assert sum(node.alive and node.holds(key) is not None for node in world.nodes) == 3


def test_what_rots_is_repaired_from_the_others() -> None:
    world = disks()
    client = world.client()
    client.store_many({key: key.encode() for key in KEYS})
    world.run(1)
    world.apply(DiskTrouble(nodes=("n2",), for_s=2, trouble="rot", records=5))
    world.run(60)
    node = world.nodes[1]
    assert len(node.machine.journal.damaged) == 5
    assert node.is_ready
    for key in KEYS:
        held = [n.holds(key) for n in world.nodes]
        assert [each.value for each in held if each is not None] == [key.encode()] * 3


def test_values_beyond_the_cache_are_read_back_and_what_has_rotted_is_not_served() -> None:
    """The disk of one node after the other rots while it runs. Reads take as long as disks do."""
    world = World(seed=4)
    world.disk = DiskProfile(read_us=5_000)
    world.swarm(5, data_dir="disk", cache_bytes=1)
    client = world.client()
    client.store_many({key: key.encode() for key in KEYS})
    world.run(1)
    for node in world.nodes:
        assert node.disk is not None
        node.disk.rot(5)
        before_ns = world.now_ns
        assert client.retrieve(KEYS[0]) == KEYS[0].encode()
        assert world.now_ns - before_ns >= 5_000_000
        assert client.retrieve_many(KEYS) == {key: key.encode() for key in KEYS}
        world.run(40)  # what was found to be damaged is there again
    counters = [node.machine.counters for node in world.nodes]
    assert all(each.values_recalled > 10 for each in counters)
    assert sum(each.values_damaged for each in counters) >= 10
    assert all(node.is_ready for node in world.nodes)
    for key in KEYS:
        assert sum(node.holds(key) is not None for node in world.nodes) == 3
    world.check()


def test_a_disk_takes_no_negative_times() -> None:
    with pytest.raises(ConfigError, match="read_us must be 0 or more, not -1"):
        DiskProfile(read_us=-1)


def test_a_node_without_a_disk_has_no_trouble_with_it() -> None:
    world = World(seed=4)
    world.swarm(3)
    for trouble in ("slow", "full", "broken", "rot"):
        world.apply(DiskTrouble(count=3, for_s=1, trouble=trouble))
    world.run(5)
    world.client().store("key", b"value")


def test_there_is_no_other_trouble() -> None:
    with pytest.raises(ConfigError, match="trouble must be one of slow, full, broken, rot"):
        DiskTrouble(trouble="loud")
