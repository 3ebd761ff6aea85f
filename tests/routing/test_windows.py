"""Nodes are asked for what they can do: windows, who waits, who is refused, and how soon."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pcore.config import ClientConfig
from p2pcore.effects import LONG_DELAY, Instant, LinkId, Send, budget_of, delay_of, is_spent
from p2pcore.errors import BusyError
from p2pcore.ids import NodeId, key_of
from p2pcore.routing import windows
from p2pcore.routing.budget import CAPACITY as CAPACITY_TOKENS
from p2pcore.routing.budget import HedgeBudget
from p2pcore.routing.windows import FLOOR, Windows, units_of
from p2pcore.session.answers import _ANSWERS
from p2pcore.session.link import FIRST_WINDOW, Counters, Link
from p2pcore.sim import LinkProfile, Pause, Service, Slowness, World
from p2pcore.wire.codec import FrameParser, encode_frame
from p2pcore.wire.messages import (
    Failed,
    Fetch,
    FetchMany,
    Found,
    NotReady,
    Store,
    Stored,
    StoreMany,
    Surveyed,
)
from tests.net import DROP, PASS, Net

S = 1_000_000_000
QUIET = LinkProfile(latency_us=100, jitter_us=20)


# What stands on the wire


def test_a_delay_is_a_byte_of_doublings() -> None:
    assert [delay_of(us * 1000) for us in (0, 65, 66, 131, 132, 9_000)] == [0, 0, 1, 1, 2, 8]
    assert delay_of(3600 * S) < 128


def test_a_budget_is_a_byte_and_spent_only_when_it_surely_is() -> None:
    assert [budget_of(ms * 1_000_000) for ms in (-1, 0, 66, 500, 8_400, 9_000)] == [
        0, 1, 1, 8, 126, 0,
    ]  # fmt: skip
    budget = budget_of(S // 2)
    spent = [is_spent(budget, delay) for delay in range(20)]
    assert spent == [False] * 14 + [True] * 6, "from 537 ms on"
    assert not any(is_spent(each, LONG_DELAY - 1) for each in range(128))
    assert not is_spent(0, 40), "nothing was said"


def test_older_peers_say_nothing_and_ignore_what_they_do_not_know() -> None:
    for message, shorter in ((Stored(7, 9), b"\x92\x07\x07"), (Fetch(7, bytes(32), 5), None)):
        frame = encode_frame(message)
        if shorter is not None:  # as an older node says it: two elements, without the delay
            frame = len(shorter).to_bytes(4) + shorter
            assert FrameParser().feed(frame) == [Stored(7, 0)]
        else:
            assert FrameParser().feed(frame) == [message]


@pytest.mark.parametrize("question", [Store, Fetch, StoreMany, FetchMany])
def test_whatever_a_replica_answers_tells_how_long_the_question_had_waited(question: type) -> None:
    replies: list[Any] = [*_ANSWERS[question], Failed]
    assert len(replies) >= 2
    assert [reply for reply in replies if "delay" not in reply.__struct_fields__] == []


def test_a_node_that_does_not_count_yet_says_so_and_how_busy_it_is() -> None:
    net = Net()
    net.node()
    net.judge = lambda source, target, message: DROP if isinstance(message, Surveyed) else PASS
    node = net.node()
    assert not node.machine.ownership.settled
    (link_id,) = node.machine.links.by_id
    key = key_of("key")
    for question in (Fetch(7, key), Store(7, key, node.machine.clock.next(1), b"value", 0)):
        node.machine.receive(link_id, question, Instant(net.mono_ns, 1, 9))
        (send,) = [each for each in node.machine.drain() if isinstance(each, Send)]
        assert send.message == NotReady(7, 9)


# A window


def instant(seconds: float) -> Instant:
    return Instant(round(seconds * S), 0)


def one_window() -> tuple[Windows, Link]:
    link = Link(LinkId(1), NodeId(bytes(32)), "", incoming=False)
    link.heard_ns = 1 << 62
    kept = Windows(NodeId(bytes(31) + b"x"), {link.peer_id: link}, Counters(), enabled=True)
    return kept, link


def ask(kept: Windows, link: Link, number: int, units: int = 1) -> None:
    link.slots[number] = units
    link.load += units
    if link.load >= link.limit and not link.is_full:
        kept.taken(link)


def answer(kept: Windows, link: Link, number: int, delay: int, now: Instant) -> None:
    units = link.slots.pop(number)
    link.load -= units
    kept.freed(link, units, delay, now)


def test_a_long_delay_shrinks_a_window_to_what_is_in_flight_and_below() -> None:
    kept, link = one_window()
    for number in range(10):
        ask(kept, link, number)
    for number in range(10):
        answer(kept, link, number, windows.BUSY, instant(1))
    assert FLOOR <= link.window <= 1
    assert kept.has_room(link.peer_id)


def test_a_window_that_is_needed_grows_and_one_that_is_not_does_not() -> None:
    kept, link = one_window()
    ask(kept, link, 0)
    answer(kept, link, 0, 0, instant(1))
    assert link.window == FIRST_WINDOW
    for number in range(round(FIRST_WINDOW)):
        ask(kept, link, number)
    assert not kept.has_room(link.peer_id)
    answer(kept, link, 0, 0, instant(1))
    assert link.window == FIRST_WINDOW + 1
    assert kept.has_room(link.peer_id)


def test_large_values_take_more_of_a_window() -> None:
    assert [units_of(size) for size in (0, 4095, 4096, 1 << 20)] == [1, 1, 2, 257]


def test_slots_that_are_not_answered_are_given_back_and_tell_of_trouble() -> None:
    kept, link = one_window()
    for number in range(1, round(FIRST_WINDOW) + 1):
        ask(kept, link, number)
    assert not kept.has_room(link.peer_id)
    times = [1 + 0.05 * step for step in range(10)]
    assert all(kept.sweep(instant(each)) for each in times[:8])
    assert link.load == FIRST_WINDOW
    kept.sweep(instant(times[9]))
    assert (link.load, link.slots, link.window) == (0, {}, 0.7 * FIRST_WINDOW)
    assert kept.has_room(link.peer_id)


def test_slots_end_with_their_link() -> None:
    kept, link = one_window()
    for number in range(round(FIRST_WINDOW)):
        ask(kept, link, number)
    kept.ended(link, instant(1))
    assert (link.load, kept.full) == (0, {})


# Nodes


def test_a_node_tells_the_delay_and_drops_what_is_too_late() -> None:
    net = Net()
    (node,) = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    client = net.client()
    client.store("key", b"value")
    link = next(iter(node.machine.links.by_id.values()))

    def served(message: Any, delay: int) -> list[Any]:
        now = Instant(net.mono_ns, node.now.wall_ms, delay)
        node.machine.receive(link.id, message, now)
        return [effect.message for effect in node.machine.drain()]

    (found,) = served(Fetch(1000, key_of("key"), budget_of(S)), 9)
    assert isinstance(found, Found)
    assert (found.value, found.delay) == (b"value", 9)
    late = delay_of(2 * S)
    assert served(Fetch(1001, key_of("key"), budget_of(S)), late) == []
    version = bytes(15) + b"x"
    assert served(Store(1002, key_of("new"), version, b"", 0, budget_of(S)), late) == []
    assert len(node.machine.store) == 1
    assert node.machine.counters.requests_too_late == 2
    (found,) = served(Fetch(1003, key_of("key")), late)
    assert found.delay == late, "an asker that says nothing of its time is answered"


# Whole clients, in virtual time


def small_world(clients: int = 2, **settings: Any) -> tuple[World, list[Any]]:
    world = World(seed=21, link=QUIET, service=Service(message_us=500))
    world.swarm(4)
    ways_in = [node.address for node in world.nodes]
    settings |= {"bootstrap": ways_in, "service": Service(message_us=5)}
    made = [world.client(**settings) for _ in range(clients)]
    for number in range(16):
        made[0].store(f"key {number}", b"value")
    world.run(0.1)
    return world, made


def offer(world: World, clients: list[Any], per_s: int, seconds: float) -> list[Any]:
    """Reads, and a store of ten, begun at a fixed rate with half a second each."""
    begun = []
    for number in range(round(per_s * seconds)):
        client, key = clients[number % len(clients)], f"key {number * 7 % 16}"
        if number % 10:
            begun.append(client.start_retrieve(key, timeout_s=0.5))
        else:
            begun.append(client.start_store(key, b"value", timeout_s=0.5))
        world.run(1 / per_s)
    return begun


def good(operations: list[Any]) -> int:
    return sum(each.over and not each.failed for each in operations)


CAPACITY = 1900  # 4 nodes, 1 ms for a request, 2.1 requests for an operation
OVERLOADED = 5 * CAPACITY


def check_goodput(**settings: Any) -> None:
    world, clients = small_world(**settings)
    offer(world, clients, OVERLOADED, 0.3)
    begun = offer(world, clients, OVERLOADED, 0.4)
    world.run(0.6)
    assert good(begun) > 0.85 * CAPACITY * 0.4
    accepted = sorted(each.latency_ns for each in begun if not each.failed)
    assert accepted[int(0.99 * len(accepted))] < 100_000_000
    refused = [each for each in begun if each.failed]
    assert all(isinstance(each.result, BusyError) and each.result.retry_after_s for each in refused)
    assert max(each.latency_ns for each in refused) <= 60_000_000
    kinds = {kind: [each for each in begun if each.kind == kind] for kind in ("store", "retrieve")}
    shares = {kind: good(each) / len(each) for kind, each in kinds.items()}
    assert shares["store"] > 0.4 * shares["retrieve"], "three nodes at once are harder to have"
    world.check()


def test_beyond_their_capacity_nodes_go_on_to_serve_as_much() -> None:
    check_goodput()


def test_without_control_goodput_collapses() -> None:
    with pytest.raises(AssertionError):
        check_goodput(overload_control=False)


def test_broken_a_window_that_never_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "SHRINK", 1.0)
    monkeypatch.setattr(windows, "BUSY", 127)
    with pytest.raises(AssertionError):
        check_goodput()


def check_slots_come_back() -> None:
    """A node does not answer for a while: nothing of that is left in the windows."""
    net = Net()
    net.swarm(3)
    client = net.client()
    client.store("key", b"value")
    net.judge = lambda source, target, message: (
        DROP if target is client and isinstance(message, Found | Stored) else PASS
    )
    for number in range(100):
        client.write(f"key {number}", b"value", timeout_s=0.3)
        client.read("key", timeout_s=0.3)
    net.run(1.5)
    net.judge = lambda *_: PASS
    links = client.machine.links.pool.by_node.values()
    assert [(link.load, link.slots) for link in links] == [(0, {})] * 3
    assert client.machine._context.windows.full == {}
    assert client.retrieve("key") == b"value"
    client.results.clear()
    net.check()


def test_slots_of_answers_that_are_lost_come_back() -> None:
    check_slots_come_back()


def test_broken_a_slot_is_lost_with_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Windows, "_expire", lambda self, link, now: None)
    with pytest.raises(AssertionError):
        check_slots_come_back()


def check_rounds_are_bounded() -> None:
    """All nodes stand still: that makes no third request for each of those that they have."""
    world, (client,) = small_world(clients=1, overload_control=False)
    world.apply(Pause(nodes=("n1", "n2", "n3", "n4"), for_s=3))
    before = client.machine.counters.messages_out
    for number in range(300):
        client.start_retrieve(f"key {number % 16}", timeout_s=3)
    world.run(0.9)
    rounds = client.machine.counters.messages_out - before - 3 * 300
    assert client.machine.counters.retries >= 300
    assert rounds <= 3 * CAPACITY_TOKENS


def test_rounds_are_paid_for() -> None:
    check_rounds_are_bounded()


def test_broken_rounds_without_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HedgeBudget, "charge", lambda self, now: True)
    with pytest.raises(AssertionError):
        check_rounds_are_bounded()


@pytest.mark.parametrize("fault", [Slowness(nodes=("n1",), times=20), Pause(nodes=("n1",))])
def test_one_bad_node_holds_up_no_write(fault: Any) -> None:
    """Its window is full, and those of others are not: that is no overload."""
    world, clients = small_world(clients=1)
    world.apply(type(fault)(**{**vars(fault), "for_s": 1.5}))
    begun = []
    for number in range(600):
        begun.append(clients[0].start_store(f"key {number % 16}", b"value"))
        world.run(0.002)
    world.run(0.1)
    assert good(begun) == len(begun)
    taken = sorted(each.latency_ns for each in begun)
    assert taken[int(0.9 * len(taken))] < 10_000_000
    assert clients[0].machine.counters.refused_busy == 0


def test_a_burst_that_can_be_served_is_served() -> None:
    world, (client,) = small_world(clients=1)
    begun = [client.start_store(f"key {number}", b"value") for number in range(1500)]
    world.run(4)
    assert good(begun) == len(begun), "1.2 s of work, and each had five"


def test_healthy_operations_wait_for_nothing() -> None:
    world, clients = small_world()
    begun = offer(world, clients, CAPACITY // 2, 1)
    world.run(0.2)
    assert good(begun) == len(begun)
    assert [client.machine.counters.waited for client in clients] == [0, 0]


def test_a_batch_is_refused_whole() -> None:
    world, (client,) = small_world(clients=1)
    flood: Callable[[], object] = lambda: [  # noqa: E731
        client.start_retrieve(f"key {n % 16}", timeout_s=2.0) for n in range(4000)
    ]
    flood()
    world.run(0.05)
    batch = client.start_store_many({"a": b"1", "b": b"2"}, timeout_s=0.1)
    world.run(0.2)
    assert [type(each) for each in batch.result] == [BusyError, BusyError]


def test_the_switch_is_in_both_configurations() -> None:
    assert ClientConfig(bootstrap=["127.0.0.1:1"]).overload_control
    _, (client,) = small_world(clients=1, overload_control=False)
    assert all(not link.slots for link in client.machine.links.pool.by_node.values())


def test_the_same_seed_gives_the_same_run() -> None:
    hashes = []
    for _ in range(2):
        world, clients = small_world()
        offer(world, clients, 3 * CAPACITY, 0.2)
        hashes.append(world.trace_hash)
        assert clients[0].machine.counters.waited
    assert hashes[0] == hashes[1]
