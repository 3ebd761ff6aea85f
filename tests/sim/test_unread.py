"""A peer that asks for much and takes its time to read: it waits, and nobody else does."""

import pytest

from p2pcore.errors import P2PError
from p2pcore.sim import LAN, Service, World
from p2pcore.wire.limits import MAX_UNREAD_BYTES, MAX_VALUE_BYTES

VALUE = 100_000


@pytest.mark.parametrize("codec", ["frozen", "full"])
def test_what_waits_to_be_read_is_bounded(codec: str) -> None:
    world = World(seed=1, link=LAN, codec=codec)
    (node,) = world.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    good = world.client()
    slow = world.client(service=Service(message_us=20_000))
    good.store("key", bytes(VALUE))
    for _ in range(500):
        slow.start_retrieve("key")
    most = 0
    for _ in range(400):
        world.run(0.01)
        most = max([most, *(end.unread_bytes for end in node.ends.values())])
    assert MAX_UNREAD_BYTES < most < MAX_UNREAD_BYTES + MAX_VALUE_BYTES
    operation = good.start_retrieve("key")
    assert operation.wait() == bytes(VALUE)
    assert operation.latency_ns < 50_000_000
    world.check()


def test_who_reads_nothing_at_all_is_given_up() -> None:
    world = World(seed=1, link=LAN)
    (node,) = world.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    client = world.client()
    client.store("key", bytes(VALUE))
    operations = [client.start_retrieve("key") for _ in range(100)]
    world.run(0.001)
    client.pause_until(world.now_ns + 60 * 10**9)
    world.run(20)
    assert not node.ends
    world.run(60)
    assert all(operation.over for operation in operations)
    assert any(isinstance(operation.result, P2PError) for operation in operations)
    world.check()
