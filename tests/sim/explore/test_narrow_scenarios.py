"""Narrow windows: every step of every dialogue is a mark, and promises are kept in them."""

from itertools import product

import pytest

from p2pcore.replication.coordinating import (
    MAX_COORDINATED,
    MAX_COORDINATED_IN_ALL,
    Coordinating,
)
from p2pcore.session.link import Link
from p2pcore.sim import Partition, World, fault_from
from p2pcore.sim.explore.narrow_scenarios import APPLICATIONS_ASK, DIALOGUES, IN_MEMORY, ON_DISK
from p2pcore.sim.explore.play import play
from p2pcore.sim.explore.scenarios import draw
from p2pcore.sim.faults.moment import SIDES, Moment, node_is
from p2pcore.wire.messages import MESSAGES

MESSAGES_OF_NODES = [name for dialogue in DIALOGUES.values() for name in dialogue.messages]


def test_every_message_is_of_a_dialogue() -> None:
    """A new message is to be put into one of these, or it is said why it is of none."""
    assert sorted([*MESSAGES_OF_NODES, *APPLICATIONS_ASK]) == sorted(
        kind.__name__ for kind in MESSAGES
    )


@pytest.mark.parametrize(
    ("blows", "seeds"), [(IN_MEMORY, range(1000)), (ON_DISK, range(3, 1000, 4))]
)
def test_seeds_go_through_all_moments(blows: tuple[str, ...], seeds: range) -> None:
    sides = [
        (name, side) for name, side in product(MESSAGES_OF_NODES, SIDES) if node_is(side, name)
    ]
    left = {(*side, *rest) for side, rest in product(sides, product((True, False), blows))}
    for seed in seeds:
        found = [fault_from(fault) for fault in draw("moments", seed).faults]
        moments = [fault for fault in found if isinstance(fault, Moment)]
        left -= {(each.message, each.side, each.before, each.then.name) for each in moments}
        if not left:
            break
    assert not left
    assert seed < 460, "some hundred seeds are enough"


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("moments", 1), ("moments", 2), ("moments", 3), ("farewell", 1), ("farewell", 2),
        ("second-loss", 1), ("second-loss", 2), ("jumps", 1), ("jumps", 2), ("long-cut", 1),
    ],
)  # fmt: skip
def test_promises_are_kept_in_narrow_windows(name: str, seed: int) -> None:
    outcome = play(draw(name, seed))
    assert outcome.ok, f"{outcome.broken}: {outcome.text}\n" + "\n".join(outcome.story)
    assert outcome.acknowledged
    assert outcome.struck or name == "long-cut"


def test_one_node_is_asked_for_more_than_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both limits are reached, what is beyond them is refused, and then all is as before."""
    may_begin = Coordinating._may_begin
    refused = {"one": 0, "all": 0}

    def counted(self: Coordinating, link: Link, request_id: int) -> bool:
        begun = may_begin(self, link, request_id)
        if not begun:
            in_all = sum(self.by_peer.values()) >= MAX_COORDINATED_IN_ALL
            one = self.by_peer.get(link.peer_id, 0) >= MAX_COORDINATED
            refused["all"] += in_all and not one
            refused["one"] += one
        return begun

    monkeypatch.setattr(Coordinating, "_may_begin", counted)
    outcome = play(draw("rush", 1))
    assert outcome.ok, f"{outcome.broken}: {outcome.text}"
    assert refused["one"]
    assert refused["all"]
    assert outcome.failed


def test_a_client_that_finds_nobody_says_why() -> None:
    """Those that it came in by have gone while it was cut off for longer than it looks for them."""
    world = World(seed=5)
    world.swarm(5)
    ways_in = world.nodes[:2]
    client = world.client(bootstrap=[node.address for node in ways_in])
    world.apply(Partition(side=(client.name,), for_s=700))
    world.run(20)
    for node in ways_in:
        node.leave()
    world.run(690)
    operation = client.start_store("key", b"value")
    world.run(6)
    text = str(operation.result)
    assert operation.failed
    assert "no way into the network" in text
    assert all(node.address in text for node in ways_in)
