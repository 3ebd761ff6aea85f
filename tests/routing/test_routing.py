"""Slow replicas are asked last and come back; hedges have their time and their price."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pcore.effects import Instant
from p2pcore.routing.budget import CAPACITY, HedgeBudget
from p2pcore.routing.estimates import Estimates
from p2pcore.routing.hedges import FIRST, LEAST_NS, PATIENCE_NS, Pace
from p2pcore.sim import Distance, LinkProfile, Pause, Service, Slowness, World
from p2pcore.wire.messages import Fetch, Found, Message, Stored
from tests.net import HOLD, PASS, Net, Peer

S = 1_000_000_000
QUIET = LinkProfile(latency_us=100, jitter_us=20)


def instant(seconds: float) -> Instant:
    return Instant(round(seconds * S), 0)


# The budget


def test_hedges_need_a_token_and_operations_bring_them() -> None:
    budget = HedgeBudget(0.05)
    taken = sum(budget.take(instant(1)) for _ in range(50))
    assert taken == CAPACITY
    budget.operations += 40
    assert [budget.take(instant(1)) for _ in range(3)] == [True, True, False]


def test_rounds_run_into_debt_and_hedges_wait_until_it_is_paid() -> None:
    budget = HedgeBudget(0.05)
    rounds = [budget.charge(instant(1)) for _ in range(30)]
    assert rounds == [True] * 20 + [False] * 10
    budget.operations += 200
    assert not budget.take(instant(1)), "the debt is only just paid"
    assert budget.take(instant(60)), "time pays as well"


def test_without_a_budget_rounds_are_free_and_nothing_is_hedged() -> None:
    budget = HedgeBudget(0)
    assert all(budget.charge(instant(1)) for _ in range(100))
    assert not budget.take(instant(1))


# The pace


def test_a_read_waits_for_the_p95_within_bounds() -> None:
    pace = Pace(enabled=True)
    for number in range(FIRST):
        assert not pace.wait_ns
        pace.observe((10 + number % 8) * 1_000_000)
    assert 15_000_000 < pace.wait_ns < 20_000_000
    assert pace.patience_ns > 3 * 16_000_000
    for _ in range(400):  # most are slow now: it is held to three medians, not their P95
        pace.observe(10_000_000)
    for number in range(400):
        pace.observe(500_000_000 if number % 3 == 0 else 10_000_000)
    assert pace.wait_ns < 45_000_000
    for _ in range(4000):
        pace.observe(1000)
    assert (pace.wait_ns, pace.patience_ns) == (LEAST_NS, PATIENCE_NS)


# Whole clients, in virtual time


def reads(world: World, client: Any, seconds: float, gap_s: float = 0.002) -> list[Any]:
    """Reads begun at a fixed rate, whatever becomes of them."""
    begun = []
    for number in range(round(seconds / gap_s)):
        begun.append(client.start_retrieve(f"key {number % 16}"))
        world.run(gap_s)
    return begun


def small_world(**settings: Any) -> tuple[World, Any]:
    world = World(seed=21, link=QUIET, service=Service(message_us=75))
    world.swarm(5)
    ways_in = [node.address for node in world.nodes]
    client = world.client(service=Service(message_us=5), bootstrap=ways_in, **settings)
    for number in range(16):
        client.store(f"key {number}", bytes(100))
    reads(world, client, 1)
    return world, client


def worst_ms(operations: list[Any]) -> float:
    return max(each.latency_ns for each in operations) / 1e6


OFF = {"avoid_outliers": False, "hedge_budget": 0}


def test_a_node_that_hangs_holds_up_no_read_for_long() -> None:
    for settings, low_ms, high_ms in (({}, 1, 20), (OFF, 390, 500)):
        world, client = small_world(**settings)
        world.apply(Pause(nodes=("n1",), for_s=3))
        begun = reads(world, client, 2)
        world.run(0.5)
        assert low_ms < worst_ms(begun) < high_ms


@pytest.mark.parametrize("fault", [Slowness(nodes=("n1",), times=20), Distance(nodes=("n1",))])
def test_a_slow_node_is_asked_last_and_has_its_share_again(fault: Any) -> None:
    world, client = small_world()
    node = world.process("n1")

    def share() -> int:
        before = node.machine.counters.fetches
        reads(world, client, 1)
        return int(node.machine.counters.fetches - before)

    usual = share()
    assert usual > 100
    world.apply(type(fault)(**{**vars(fault), "for_s": 4}))
    share()
    assert share() < 0.15 * usual, "only what shows whether it still is slow"
    assert [peer.node_id for peer in client.machine.peers() if peer.strain > 2.5] == [node.node_id]
    world.run(2.5)
    share()
    share()
    assert share() >= 0.8 * usual


def test_broken_an_outlier_that_never_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above is there to catch: nobody asks the outlier any more."""
    monkeypatch.setattr(Estimates, "_may_probe", lambda self, link, now: False)
    with pytest.raises(AssertionError):
        test_a_slow_node_is_asked_last_and_has_its_share_again(Distance(nodes=("n1",)))


def test_hedges_are_bounded_where_all_are_slow() -> None:
    """Four of five nodes hang: hedges help nobody, and must not be one more request for each."""
    world, client = small_world()
    before = client.machine.counters.hedges
    world.apply(Pause(nodes=("n1", "n2", "n3", "n4"), for_s=0.3))
    begun = reads(world, client, 0.3)
    world.run(1)
    hedges = client.machine.counters.hedges - before
    assert hedges <= 2 * CAPACITY + 0.06 * len(begun), "tokens, and as much debt"


def test_broken_hedges_without_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above is there to catch."""
    monkeypatch.setattr(HedgeBudget, "take", lambda self, now: True)
    with pytest.raises(AssertionError):
        test_hedges_are_bounded_where_all_are_slow()


def test_the_same_seed_gives_the_same_run() -> None:
    hashes = []
    for _ in range(2):
        world, client = small_world()
        world.apply(Slowness(nodes=("n2",), times=20, for_s=1))
        reads(world, client, 2)
        hashes.append(world.trace_hash)
        assert client.machine.counters.hedges
    assert hashes[0] == hashes[1]


# What comes late


def late_answer(change: Callable[[Net, Peer], None]) -> tuple[Net, Peer, Peer]:
    """A read of a hedging client that is over before one replica has answered."""
    net = Net()
    net.swarm(5)
    client = net.client()
    client.store("key", b"old")
    net.run(0.5)
    for _ in range(2 * FIRST):
        client.retrieve("key")
    slow = net.replicas("key")[0]
    change(net, slow)
    net.judge = lambda source, target, message: (
        HOLD if source is slow and isinstance(message, Found) else PASS
    )
    hedges = client.machine.counters.hedges
    while client.machine.counters.hedges == hedges:
        assert client.retrieve("key") in (b"old", b"new")
    return net, client, slow


def test_a_late_answer_repairs_a_replica_that_is_behind_and_once() -> None:
    def change(net: Net, slow: Peer) -> None:
        net.judge = lambda source, target, message: (
            "drop" if target is slow and type(message).__name__ == "Store" else PASS
        )
        writer = net.client()
        writer.store("key", b"new")
        net.run(0.1)
        assert slow.holds("key").value == b"old"

    net, client, slow = late_answer(change)
    stores: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if target is slow and source is client and type(message).__name__ == "Store":
            stores.append(message)
        return PASS

    net.judge = judge
    net.release()
    net.run(0.3)
    assert slow.holds("key").value == b"new"
    assert len(stores) == 1
    assert client.machine.counters.late_replies == 0, "a hedge that loses is no accident"
    net.check()


def test_a_late_answer_that_is_the_newest_reaches_the_others() -> None:
    def change(net: Net, slow: Peer) -> None:
        others = net.replicas("key")[1:]
        net.judge = lambda source, target, message: (
            "drop" if target in others and type(message).__name__ == "Store" else PASS
        )
        net.client().write("key", b"new", timeout_s=0.2)
        net.run(0.3)

    net, client, _ = late_answer(change)
    net.judge = lambda *_: PASS
    net.release()
    net.run(0.3)
    assert {peer.holds("key").value for peer in net.replicas("key")} == {b"new"}
    assert client.machine.counters.late_replies == 0


def test_late_answers_teach_and_refusals_do_not() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    client.store("key", b"value")
    net.run(0.1)
    for _ in range(10):
        client.retrieve("key")
    link = next(iter(client.machine.links.pool.by_node.values()))
    estimates = client.machine._context.estimates
    question = Fetch(77, bytes(32))
    link.timed_id, link.timed_ns = 0, 0
    link.time(77, question, client.now)
    net.run(0.5)
    before = link.strain
    client.tell(lambda now: client.machine.links.receive(link.id, Stored(77), now))
    assert (link.timed_id, link.strain) == (0, before), "no answer to a fetch"
    link.time(78, question, client.now)
    net.run(0.5)
    reply = Found(78, bytes(16), b"value", 0)
    client.tell(lambda now: client.machine.links.receive(link.id, reply, now))
    assert link.timed_id == 0
    assert link.strain > before, "nobody waited for it"
    assert estimates.peers()
