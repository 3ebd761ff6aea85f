import pytest

from p2pcore.errors import ConfigError
from p2pcore.sim import FAULTS, Crash, Partition, World, draw_faults
from p2pcore.sim.streams import Stream


def test_a_plan_follows_from_its_stream() -> None:
    plans = [draw_faults(Stream(name), count=20, within_s=60) for name in ("a", "b", "a")]
    assert plans[0] == plans[2] != plans[1]


def test_every_kind_is_drawn_and_within_its_time() -> None:
    plan = draw_faults(Stream("all"), count=400, within_s=60)
    assert {type(fault) for fault in plan} == set(FAULTS.values())
    assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
    assert all(fault.at_s + fault.for_s <= 60 for fault in plan)


def test_kinds_can_be_chosen() -> None:
    plan = draw_faults(Stream("some"), count=50, within_s=10, kinds=("crash", "partition"))
    assert {type(fault) for fault in plan} == {Crash, Partition}
    with pytest.raises(ConfigError, match="not 'flood'"):
        draw_faults(Stream("bad"), count=1, within_s=10, kinds=("flood",))
    with pytest.raises(ConfigError, match="at least 1"):
        draw_faults(Stream("bad"), count=1, within_s=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_books_balance_whatever_is_drawn(seed: int) -> None:
    """Every kind of fault at once, on a busy network, under a parsing codec every other time."""
    world = World(seed=seed, codec=("frozen", "full")[seed % 2])
    world.swarm(6)
    client = world.client(bootstrap=[node.address for node in world.nodes])
    for fault in draw_faults(world.stream("plan"), count=6, within_s=20):
        world.apply(fault)
    for turn in range(40):
        key = f"key {turn % 7}"
        world.after(turn / 2, lambda key=key: client.start_store(key, bytes(2000), timeout_s=2))
    for _ in range(10):
        world.run(3)
        world.check()
