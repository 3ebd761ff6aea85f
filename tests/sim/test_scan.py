"""What a scan promises, in networks that change: what was acknowledged and left alone is listed."""

import pytest

from p2pcore.errors import DeadlineError
from p2pcore.ids import key_of
from p2pcore.sim import World
from p2pcore.sim.faults.byzantine import make_byzantine
from p2pcore.sim.hosts.applications import SimClient

NAMES = [f"key {number}" for number in range(150)]


def listed(client: SimClient, prefix: str = "key") -> list[str]:
    """All that a scan gives, gone on with after each error; none twice, in the order of hashes."""
    names: list[str] = []
    for _ in range(40):
        cursor = key_of(names[-1]).hex() if names else ""
        try:
            names += client.scan(prefix, cursor=cursor)
        except DeadlineError:
            continue
        keys = [key_of(name) for name in names]
        assert keys == sorted(set(keys))
        return names
    raise AssertionError("no scan came to its end")


def churned(seed: int, *, disk: bool) -> None:
    """Nodes come, leave, are lost and come back, one change per repair window, while others write;
    after each change, scans begin at once."""
    world = World(seed=seed)
    settings = {"data_dir": "/data"} if disk else {}
    world.swarm(7, **settings)
    client, writer = world.client(), world.client()
    for name in NAMES:
        client.store(name, b"value", listed=True)
    rng = world.stream("test")
    acknowledged = set(NAMES)
    for change in range(8):
        alive = [node for node in world.nodes if node.alive]
        if change % 4 == 0:
            world.node(**settings)
        elif change % 4 == 1:
            rng.choice(alive).leave()
        elif change % 4 == 2:
            rng.choice(alive).crash()
        else:
            gone = [node for node in world.nodes if not node.alive]
            gone[-1].restart(disk=disk).wait()
        written = [writer.start_store(f"new {change} {n}", b"v", listed=True) for n in range(20)]
        found = listed(client)
        assert sorted(found) == sorted(acknowledged)
        for operation in written:
            operation.wait()
        deleted = rng.choice(sorted(acknowledged))
        client.delete(deleted)
        acknowledged.discard(deleted)
        new = listed(client, "new")
        assert set(new) == {f"new {c} {n}" for c in range(change + 1) for n in range(20)}
        world.run_until(lambda: all(node.is_ready for node in world.nodes if node.alive))
        world.run(35)  # those who have missed the delete have compared
    assert sorted(listed(client)) == sorted(acknowledged)
    world.check()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_acknowledged_and_left_alone_is_listed_whatever_changes(seed: int) -> None:
    churned(seed, disk=False)


def test_the_same_with_disks() -> None:
    churned(17, disk=True)


def test_a_network_larger_than_a_lookup() -> None:
    world = World(seed=5)
    world.warm_swarm(120)
    client = world.client()
    client.store_many(dict.fromkeys(NAMES, b"value"), listed=True)
    assert sorted(listed(client)) == sorted(NAMES)
    world.nodes[7].crash()
    world.nodes[70].crash()
    assert sorted(listed(client)) == sorted(NAMES)
    world.check()


@pytest.mark.parametrize("behaviour", ["garbage", "silence", "liar", "eclipse"])
def test_one_byzantine_node_takes_nothing_out(behaviour: str) -> None:
    world = World(seed=3)
    nodes = world.swarm(6)
    client = world.client()
    client.store_many(dict.fromkeys(NAMES, b"value"), listed=True)
    make_byzantine(nodes[2], behaviour)
    assert sorted(listed(client)) == sorted(NAMES)
    world.check()
