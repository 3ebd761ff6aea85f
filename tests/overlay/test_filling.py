"""What a node of a larger network looks up to fill its table, and to keep it."""

from collections.abc import Iterator

import pytest

from p2pcore.contact import point_of
from p2pcore.ids import shared_prefix_bits
from p2pcore.overlay.table import BUCKET_SIZE
from p2pcore.sim import Crash, World
from p2pcore.wire.messages import FindNode

COUNT = 54


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World(seed=1)
    world.swarm(COUNT)
    world.run(75)  # those that joined first have looked around since
    yield world
    world.check()


def test_every_bucket_is_as_full_as_can_be(world: World) -> None:
    for node in world.nodes:
        table = node.machine.table
        known = [shared_prefix_bits(table.point, c.point) for c in table.contacts()]
        there = [
            shared_prefix_bits(table.point, point_of(other.node_id))
            for other in world.nodes
            if other is not node
        ]
        for index in set(there):
            assert known.count(index) == min(BUCKET_SIZE, there.count(index))
            assert table.is_full(index) == (there.count(index) >= BUCKET_SIZE)


def test_what_is_full_is_looked_up_in_turn(world: World) -> None:
    before = world.accounting.kinds[FindNode]
    world.run(80)  # everybody looks around once: its own id, and one range
    questions = (world.accounting.kinds[FindNode] - before) / COUNT
    assert 20 <= questions <= 80


def lacking(world: World) -> list[str]:
    """Nodes that know one that is lost, or fewer in the other half of all ids than they could."""
    alive = [node for node in world.nodes if node.alive]
    ids = {node.node_id for node in alive}
    found = []
    for node in alive:
        table = node.machine.table
        contacts = table.contacts()
        far = [o for o in alive if shared_prefix_bits(table.point, point_of(o.node_id)) == 0]
        have = [c for c in contacts if shared_prefix_bits(table.point, c.point) == 0]
        known = all(contact.node_id in ids for contact in contacts)
        if not known or len(have) != min(BUCKET_SIZE, len(far)):
            found.append(node.name)
    return found


def test_losses_far_away_are_replaced(world: World) -> None:
    world.apply(Crash(count=10))
    world.run(10)
    assert lacking(world)
    for _ in range(23):
        if not lacking(world):
            break
        world.run(10)
    assert not lacking(world)
