"""The record promise over random schedules, and that breaking its rules is noticed."""

from typing import Any

import pytest

from p2pcore.contact import point_of
from p2pcore.effects import Instant
from p2pcore.ids import Key, NodeId, key_of
from p2pcore.replication import handover, ownership, pull_context, sync
from p2pcore.replication.handover import Handover
from p2pcore.replication.ownership import Ownership, Standing
from p2pcore.replication.reads import ReadOperation
from p2pcore.wire.messages import Message, Missing, NotReady, Put, Reply, Store
from tests.net import DROP, HOLD, PASS, Net, Peer
from tests.promise import play

SEEDS = 40
SEEDS_TO_NOTICE = 200  # reads that ask another replica soon are rarely fooled by one


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_promise_is_kept(seed: int) -> None:
    world = play(seed)
    assert world.acked > 50
    assert world.answered > 30


@pytest.mark.parametrize("seed", range(2))
def test_also_where_nobody_knows_everybody(seed: int) -> None:
    """More nodes than a bucket holds."""
    play(seed, nodes=30, changes=3)


@pytest.mark.parametrize(("seed", "nodes"), [*((seed, 12) for seed in range(8)), (0, 24)])
def test_also_where_most_links_are_given_up(seed: int, nodes: int) -> None:
    """Far fewer are kept than there are neighbours, by nodes and clients."""
    world = play(seed, nodes=nodes, changes=4, pool_size=4)
    counters = [peer.machine.counters for peer in world.net.peers]
    assert sum(each.links_evicted for each in counters) > 100
    assert world.acked > 50


def notices() -> int:
    """How many schedules it takes until the checker complains."""
    for seed in range(SEEDS_TO_NOTICE):
        try:
            play(seed)
        except AssertionError:
            return seed + 1
    pytest.fail(f"{SEEDS_TO_NOTICE} schedules, and nobody noticed")


def test_ready_before_the_range_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Ownership._judge

    def hasty(self: Ownership, point: int) -> Standing:
        standing = judge(self, point)
        return Standing.READY if standing is Standing.PENDING else standing

    monkeypatch.setattr(Ownership, "_judge", hasty)
    notices()


def test_not_ready_counted_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    replied = ReadOperation.replied

    def gullible(self: ReadOperation, node_id: NodeId, reply: Reply, now: Instant) -> None:
        replied(self, node_id, Missing(reply.id) if isinstance(reply, NotReady) else reply, now)

    monkeypatch.setattr(ReadOperation, "replied", gullible)
    notices()


def test_dropped_before_it_was_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as somebody is closer. Where two newcomers push out two holders, that loses."""

    def careless(self: Handover, keys: list[Key]) -> list[Any]:
        for entry in extras(self, keys):
            self._store.drop(Key(entry.key), entry.version)  # type: ignore[arg-type]
        return []

    extras = Handover._extras
    monkeypatch.setattr(Handover, "_extras", careless)
    monkeypatch.setattr(handover, "AFTER_CHANGE_NS", 0)
    monkeypatch.setattr(handover, "STEP_LOOKS", 1 << 20)
    notices()


def test_nothing_copied_after_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_context.PullContext, "wants", lambda *_: False)
    notices()


def split_write() -> None:
    """One part of a write is on a replica that is lost, the other comes after its successor has
    synced, if that does not wait; then whoever is asked by a quorum is looked at."""
    net = Net()
    net.swarm(5, copy_after_s=0)  # who is lost is waited for, which only makes it safer
    client = net.client()
    client.store("warm up", b"")
    first, second, third = net.replicas("key")

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Put) or (isinstance(message, Store) and target is second):
            return DROP
        return HOLD if isinstance(message, Store) and target is first else PASS

    net.judge = judge
    write = client.write("key", b"value", timeout_s=20)
    net.run(0.005)
    assert third.holds("key")
    net.kill(third)
    net.run(0.1)
    net.release()
    net.run_until(lambda: write in client.results)
    holders = [node for node in net.replicas("key") if ready(node, "key")]
    assert sum(node.holds("key") is None for node in holders) < 2, "two of them make a quorum"
    net.judge = lambda *_: PASS
    net.run(2)
    assert all(ready(node, "key") and node.holds("key") for node in net.replicas("key"))
    assert client.result(write).acks >= 2
    net.check()


def ready(node: Peer, name: str) -> bool:
    return node.machine.ownership.standing(point_of(key_of(name))) is Standing.READY


def test_a_write_whose_parts_lie_on_both_sides_of_a_loss() -> None:
    split_write()


def test_without_time_to_settle_it_would_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ownership, sync):
        monkeypatch.setattr(module, "SETTLE_NS", 0)
    with pytest.raises(AssertionError, match="make a quorum"):
        split_write()
