"""A fault at a step of a dialogue: whom it strikes, and on which side of the message."""

from typing import Any

import pytest

from p2pcore.errors import ConfigError
from p2pcore.ids import key_of
from p2pcore.sim import (
    Crash,
    Fault,
    Leave,
    Moment,
    Pause,
    Service,
    SimClient,
    SimNode,
    World,
    fault_from,
)
from p2pcore.wire.messages import Stored
from tests.sim.faults.support import crowd


def struck(
    then: Fault | None = None, *, codec: str = "frozen", **moment: Any
) -> tuple[World, SimClient]:
    """A network of five in which a client stores once, and what was to come has come."""
    world = crowd(codec=codec)
    client = world.client()
    client.retrieve_many(["nothing"])  # it is linked to all
    world.apply(Moment(then=then or Crash(), **moment))
    world.run(0.1)
    client.start_store("key", b"value")
    world.run(0.4)
    assert [str(each) for each in world.scene.struck]
    world.check()
    return world, client


def died(world: World) -> SimNode:
    (dead,) = [node for node in world.nodes if not node.alive]
    return dead


@pytest.mark.parametrize("codec", ["frozen", "full"])
@pytest.mark.parametrize(
    ("message", "side", "before", "held", "answers"),
    [
        ("Store", "receiver", True, False, 2),
        ("Stored", "sender", True, True, 2),
        ("Stored", "sender", False, True, 3),
        ("Store", "receiver", False, True, 3),
    ],
)
def test_each_side_of_a_message(
    message: str, side: str, before: bool, held: bool, answers: int, codec: str
) -> None:
    world, _ = struck(message=message, side=side, before=before, codec=codec)
    assert (died(world).machine.store.version(key_of("key")) is not None) is held
    assert world.accounting.kinds[Stored] == answers


def test_the_nth_one_is_struck() -> None:
    first, _ = struck(message="Store", nth=1)
    third, _ = struck(message="Store", nth=3)
    assert died(first).name != died(third).name


def test_what_clients_send_does_not_count() -> None:
    world = crowd()
    client = world.client()
    world.apply(Moment(message="Store", side="sender", for_s=3))
    client.store("key", b"value")
    assert not world.scene.struck
    world.run(4)
    assert not world.network.watchers, "it is waited for no longer"
    assert all(node.alive for node in world.nodes)


def test_who_stands_still_handles_it_later() -> None:
    world, client = struck(Pause(for_s=0.5), message="Store")
    assert world.accounting.kinds[Stored] == 2
    world.run(0.2)
    assert world.accounting.kinds[Stored] == 3
    assert client.retrieve("key") == b"value"


def test_what_happens_may_come_later() -> None:
    world, _ = struck(Crash(at_s=2), message="Store")
    assert all(node.alive for node in world.nodes)
    world.run(2)
    died(world)


def test_one_that_is_struck_amid_its_queue_loses_all_of_it() -> None:
    world = crowd(3)
    for node in world.nodes:
        node.service = Service(message_us=5000)
    client = world.client()
    world.apply(Moment(message="Stored", side="sender", nth=9))
    for number in range(40):
        client.start_store(f"key {number}", b"value")
    for _ in range(20):
        world.run(0.02)
        world.check()
    died(world)


def test_who_leaves_hands_over_and_another_comes() -> None:
    world = crowd()
    client = world.client()
    client.store("key", b"value")
    old = world.nodes[0].node_id
    world.apply(Leave(nodes=("n1",), for_s=2))
    world.run(1)
    assert not world.nodes[0].alive
    holders = [node for node in world.nodes if node.alive and node.holds("key")]
    assert len(holders) >= 3
    world.run(20)
    assert world.nodes[0].is_ready
    assert world.nodes[0].node_id != old


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"message": "Hello"}, "message must be one of Ready, .*, not 'Hello'"),
        ({"nth": 0}, "nth must be at least 1, not 0"),
        ({"side": "both"}, "side must be one of sender, receiver, not 'both'"),
        ({"message": "Put", "side": "sender"}, "the sender of Put is always a client"),
        ({"then": {"fault": "moment"}}, "no moment itself"),
        ({"then": {"count": 1}}, "then must be a fault"),
        ({"then": {"fault": "crash", "when_s": 1}}, "crash has no 'when_s'"),
        ({"then": {"fault": "crash", "nodes": ["n1"]}}, "no nodes and no count"),
        ({"then": {"fault": "partition", "side": ["n1"]}}, "no side and no share"),
    ],
)
def test_what_it_cannot_do_is_refused_at_once(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fault_from({"fault": "moment", **fields})
