import pytest

from p2pcore.contact import Contact
from p2pcore.errors import ConfigError
from p2pcore.ids import ID_BITS, key_of
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.sim import REGIONS, Crash, World
from p2pcore.sim.streams import Stream
from p2pcore.sim.warm import tables


def test_tables_have_every_bucket_as_full_as_can_be() -> None:
    rng = Stream("ids")
    contacts = [Contact.of(rng.randbytes(32), f"10.0.0.{n}:1") for n in range(200)]
    for owner, known in zip(contacts, tables(contacts, rng), strict=True):
        assert owner not in known
        assert len({contact.node_id for contact in known}) == len(known)
        for bits in range(ID_BITS):
            there = [c for c in contacts if (c.point ^ owner.point).bit_length() == ID_BITS - bits]
            have = [c for c in known if (c.point ^ owner.point).bit_length() == ID_BITS - bits]
            assert len(have) == min(BUCKET_SIZE, len(there))
            if not there:
                continue
            assert {c.node_id for c in have} <= {c.node_id for c in there}


def test_a_warm_network_works_and_says_that_it_is_warm() -> None:
    world = World(seed=1)
    nodes = world.warm_swarm(100, regions=("london", "tokyo"))
    assert world.warm
    assert world.accounting.sent == 0
    assert all(node.is_ready for node in nodes)
    client = world.client()
    for number in range(10):
        client.store(f"key {number}", b"value")
        assert client.retrieve(f"key {number}") == b"value"
    world.run(1)
    assert all(node.holds("key 3") for node in world.replicas("key 3"))
    report = nodes[7].lookup(key_of("key 3"), width=3)
    assert report.closest[0] == world.replicas("key 3")[0].node_id
    world.check()


def test_a_network_around_the_world_works_though_nobody_is_connected() -> None:
    """A question to a node without a connection takes four round trips, of 9 to 357 ms here."""
    world = World(seed=3)
    world.warm_swarm(64, regions=REGIONS)
    clients = [world.client(region=region) for region in REGIONS]
    stores = [
        client.start_store(f"{client.name} {number}", b"value")
        for client in clients
        for number in range(4)
    ]
    world.run(6)
    reads = [client.start_retrieve(f"{client.name} 0") for client in reversed(clients)]
    world.run(6)
    assert not [each for each in stores + reads if each.failed or not each.over]


def test_it_heals_like_any_other() -> None:
    world = World(seed=2)
    world.warm_swarm(30)
    client = world.client()
    client.store("key", b"value")
    world.run(1)
    world.apply(Crash(nodes=(world.replicas("key")[0].name,)))
    world.run(120)
    assert all(node.holds("key") for node in world.replicas("key"))


def test_only_an_empty_world_starts_warm() -> None:
    world = World()
    world.node()
    with pytest.raises(ConfigError, match="1 nodes are here"):
        world.warm_swarm(3)
