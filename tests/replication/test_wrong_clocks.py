"""Clocks that are wrong: what one of them may spoil, and who is told whose it is."""

from collections.abc import Callable
from re import findall

import pytest

from p2pcore.errors import ClockOffsetError, DeadlineError, KeyNotFoundError
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.replication.replica import STEADY_NS
from p2pcore.storage.memory import Record
from p2pcore.versions import HybridClock
from p2pcore.wire import messages as m
from tests.net import DROP, PASS, Net, Peer

HOUR_MS = 3_600_000
HOURS = (-HOUR_MS, HOUR_MS)


def store_many(client: Peer, items: dict[str, bytes], *, ttl_ms: int | None = None) -> list[object]:
    number, deadline_ns = client.operation(), client.net.mono_ns + 5_000_000_000
    placed = [(key_of(name), value) for name, value in items.items()]
    client.tell(lambda now: client.machine.write_many(number, placed, ttl_ms, deadline_ns, now))
    return list(client.result(number))


@pytest.mark.parametrize("offset_ms", HOURS)
@pytest.mark.parametrize("nodes", [3, 5])
def test_one_wrong_clock_spoils_no_operation(offset_ms: int, nodes: int) -> None:
    net = Net()
    net.swarm(nodes)
    net.nodes[1].wall_offset_ms = offset_ms
    client = net.client()
    for number in range(60):
        assert client.store(f"key {number}", b"value").acks >= 2
        assert client.retrieve(f"key {number}") == b"value"
        assert client.store(f"key {number}", None).acks >= 2
    receipts = store_many(client, {f"batch {number}": b"value" for number in range(60)})
    assert all(isinstance(receipt, StoreReceipt) for receipt in receipts)
    net.check()


@pytest.mark.parametrize("offset_ms", HOURS)
def test_a_wrong_clock_of_a_coordinator_spoils_no_store_either(offset_ms: int) -> None:
    """The client reaches one node, whose clock is right; of the replicas, one is wrong."""
    net = Net()
    net.swarm(3)
    net.nodes[1].wall_offset_ms = offset_ms
    client = net.client(bootstrap=[net.nodes[0].address])
    net.judge = lambda source, target, message: (
        DROP if source is client and isinstance(message, m.Store) else PASS
    )
    for number in range(5):
        assert client.store(f"key {number}", b"value").acks >= 2


def test_the_error_says_whose_clocks_differ_by_how_much() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    client.wall_offset_ms = HOUR_MS
    with pytest.raises(ClockOffsetError) as failure:
        client.store("key", b"value")
    text = str(failure.value)
    assert "by 2 of 3 replicas this clock is wrong" in text
    named = [node for node in net.nodes if node.address in text]
    assert len(named) == 2
    assert all(node.machine.node_id.hex()[:8] in text for node in named)
    offsets_ms = findall(r"(\d+) ms ahead of this node's clock, the limit is 30000 ms", text)
    assert [abs(int(offset_ms) - HOUR_MS) < 100 for offset_ms in offsets_ms] == [True] * 2


def test_a_batch_tells_it_of_each_item() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    client.wall_offset_ms = HOUR_MS
    results = store_many(client, {"one": b"", "other": b""})
    assert [type(result) for result in results] == [ClockOffsetError] * 2


def test_where_all_have_to_agree_one_clock_is_enough_and_is_named() -> None:
    net = Net()
    net.swarm(3, write_quorum=3, read_quorum=1)
    net.nodes[1].wall_offset_ms = -HOUR_MS
    client = net.client()
    with pytest.raises(ClockOffsetError, match="by 1 of 3 replicas") as failure:
        client.store("key", b"value")
    assert net.nodes[1].address in str(failure.value)


def test_too_few_replicas_for_a_quorum_are_no_proof_of_a_wrong_clock() -> None:
    """One refuses because of its clock, another is silent: no quorum says that ours is wrong."""
    net = Net()
    net.swarm(3)
    client = net.client()
    client.store("warm up", b"")
    behind, silent, _ = net.replicas("key")
    behind.wall_offset_ms = -HOUR_MS
    silent.silent = True
    with pytest.raises(DeadlineError, match="1 of 2 replicas") as failure:
        client.store("key", b"value", timeout_s=3)
    assert "ahead of this node's clock" in str(failure.value)


def test_a_version_of_the_far_future_at_one_replica_stops_nobody() -> None:
    """A machine with a wrong clock runs a node and a client: the node took what nobody else did."""
    net = Net()
    net.swarm(3)
    node, client, strange = net.nodes[1], net.client(), net.client()
    node.wall_offset_ms = strange.wall_offset_ms = HOUR_MS
    with pytest.raises(ClockOffsetError, match="by 2 of 3"):
        strange.store("key", b"from the future")
    receipt = client.store("key", b"value")
    assert receipt.acks == 2
    assert abs(int.from_bytes(receipt.version[:6]) - client.now.wall_ms) < 1000


Answer = Callable[[int, m.Store], m.Reply]

ANSWERS: dict[str, Answer] = {
    **{
        reason.name: (lambda call, _, reason=reason: m.Failed(call, reason, "no"))  # type: ignore[misc]
        for reason in m.Reason
    },
    "a reason of later versions": lambda call, _: m.Failed(call, 99),
    "NotReady": lambda call, _: m.NotReady(call),
    "NotReplica": lambda call, _: m.NotReplica(call, []),
    "Pong": lambda call, _: m.Pong(call),
    "Found": lambda call, request: m.Found(call, request.version, b""),
    "an old version": lambda call, _: m.Stale(call, bytes(16)),
    "the same version": lambda call, request: m.Stale(call, request.version),
    "a version of the far future": lambda call, _: m.Stale(call, b"\x7f" * 16),
    "always a newer version": lambda call, request: m.Stale(
        call, (int.from_bytes(request.version) + (1 << 64)).to_bytes(16)
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("deletes", [False, True])
def test_no_answer_of_one_replica_ends_a_write(answer: str, deletes: bool) -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    for number, bad in enumerate(net.nodes):
        asked = answer_stores_so(bad, ANSWERS[answer])
        assert client.store(f"key {number}", None if deletes else b"value").acks >= 2
        net.run(0.5)
        assert len(asked) <= 10
        bad.machine.links.handlers[m.Store] = bad.machine._replica._on_store


@pytest.mark.parametrize("answer", ["an old version", "the same version"])
def test_a_stale_that_is_not_newer_is_misbehaviour_and_no_more(answer: str) -> None:
    """One rule for all false answers: the link ends and is counted, the write goes on."""
    net = Net()
    net.swarm(3)
    client = net.client()
    answer_stores_so(net.nodes[0], ANSWERS[answer])
    for number in range(5):
        assert client.store(f"key {number}", b"value").acks == 2
    net.run(0.5)
    assert client.machine.counters.misbehaved > 0


def answer_stores_so(node: Peer, answer: Answer) -> list[m.Store]:
    """From now on; gives the stores that it is asked."""
    asked: list[m.Store] = []
    links = node.machine.links

    def on_store(link: object, request: m.Store, now: object) -> None:
        asked.append(request)
        links.reply(link, answer(request.id, request))

    links.handlers[m.Store] = on_store
    return asked


# Expiry, which every node derives by its own clock


def contents(net: Net, name: str) -> list[Record | None]:
    """What the replicas of a key keep of it, whatever the time."""
    return [node.machine.store.held(key_of(name)) for node in net.replicas(name)]


def agree(net: Net, names: list[str], value: bytes) -> bool:
    """Whether all replicas of these keys hold the same, with this value."""
    held = [contents(net, name) for name in names]
    return all(each.count(each[0]) == 3 and each[0] and each[0].value == value for each in held)


def store_all(net: Net, count: int, *, ttl_ms: int) -> tuple[Peer, list[str]]:
    client, names = net.client(), [f"key {number}" for number in range(count)]
    for name in names:
        client.store(name, b"value", ttl_ms=ttl_ms)
    net.run(1)
    return client, names


def read_all(client: Peer, names: list[str]) -> None:
    """By every quorum: reads begin with another replica each time."""
    for _ in range(3):
        for name in names:
            assert client.retrieve(name) == b"value"


@pytest.mark.parametrize("seconds", [5, 40])
@pytest.mark.parametrize("nodes", [3, 5])
def test_a_clock_that_is_ahead_for_seconds_hides_nothing(seconds: int, nodes: int) -> None:
    net = Net()
    net.swarm(nodes)
    client, names = store_all(net, 100, ttl_ms=HOUR_MS)
    for node in net.nodes:  # each in turn
        node.wall_offset_ms = HOUR_MS + 1000
        net.run(seconds)
        node.wall_offset_ms = 0
        net.run(1)
    read_all(client, names)
    assert agree(net, names, b"value")
    assert client.machine.counters.repairs == 0
    net.run(HOUR_MS / 1000)
    for name in names:
        with pytest.raises(KeyNotFoundError):
            client.retrieve(name)


def test_while_a_clock_is_ahead_quorums_find_what_it_hides() -> None:
    net = Net()
    net.swarm(3)
    client, names = store_all(net, 40, ttl_ms=HOUR_MS)
    net.nodes[2].wall_offset_ms = 2 * HOUR_MS
    net.run(5)
    read_all(client, names)


def test_what_has_expired_too_early_comes_back_from_the_others() -> None:
    """A clock is ahead for so long that it is believed; then somebody sets it right."""
    net = Net()
    net.swarm(3)
    client, names = store_all(net, 40, ttl_ms=HOUR_MS)
    net.nodes[1].wall_offset_ms = 2 * HOUR_MS
    net.run(STEADY_NS / 1e9 + 60)
    store = net.nodes[1].machine.store
    assert [store.held(key_of(name)).value for name in names] == [None] * 40
    net.nodes[1].wall_offset_ms = 0
    net.run(1)
    read_all(client, names[:20])
    assert agree(net, names[:20], b"value"), "reads repair"
    net.run(80)
    assert agree(net, names, b"value"), "and syncs do: each asks one neighbour, after 30 s"
    read_all(client, names)


@pytest.mark.parametrize("offset_ms", HOURS)
def test_a_clock_that_is_set_right_is_made_up_for_at_once(offset_ms: int) -> None:
    """Of all neighbours, and not of one every half a minute: most hold nothing of a key."""
    net = Net()
    net.swarm(12)
    wrong, ttl_ms = net.nodes[4], 100 * HOUR_MS
    wrong.wall_offset_ms = offset_ms * 200
    net.run(STEADY_NS / 1e9 + 60)
    _, names = store_all(net, 120, ttl_ms=ttl_ms)
    names = [name for name in names if wrong in net.replicas(name)]
    assert len(names) > 10
    assert not agree(net, names, b"value")
    wrong.wall_offset_ms = 0
    net.run(5)
    assert agree(net, names, b"value")


def test_expired_is_expired_though_one_clock_is_behind() -> None:
    """It still has the value; the reader's clock decides between it and the others."""
    net = Net()
    net.swarm(3)
    client, names = store_all(net, 20, ttl_ms=60_000)
    net.nodes[1].wall_offset_ms = -HOUR_MS
    net.run(61)
    for name in names * 3:
        with pytest.raises(KeyNotFoundError):
            client.retrieve(name)
    net.nodes[1].wall_offset_ms = 0
    net.run(STEADY_NS / 1e9 + 60)
    assert all(record.value is None for name in names for record in contents(net, name) if record)


def test_an_older_version_does_not_shine_through_when_a_newer_one_expires() -> None:
    net = Net()
    net.swarm(3)
    client, other = net.client(), net.client()
    client.store("key", b"older, for ever")
    net.run(1)
    missing = net.replicas("key")[0]
    net.judge = lambda source, target, message: (
        DROP if target is missing and isinstance(message, m.Store) else PASS
    )
    other.store("key", b"newer", ttl_ms=5000)
    net.judge = lambda *_: PASS
    net.run(80)
    for _ in range(6):
        with pytest.raises(KeyNotFoundError):
            client.retrieve("key")
    assert [record and record.value for record in contents(net, "key")] == [None] * 3


def test_a_copy_that_would_not_last_does_not_count() -> None:
    """By one replica's clock the time of each record is over when it comes."""
    net = Net()
    net.swarm(3)
    net.nodes[1].wall_offset_ms = HOUR_MS
    client = net.client()
    for number in range(20):
        client.store(f"key {number}", b"value", ttl_ms=60_000)
        held = [net.nodes[place].holds(f"key {number}") for place in (0, 2)]
        assert [record.value for record in held] == [b"value"] * 2
    net.run(50)
    read_all(client, [f"key {number}" for number in range(20)])


@pytest.mark.parametrize("batch", [False, True])
def test_who_is_behind_can_not_store_what_is_over_at_once(batch: bool) -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    client.wall_offset_ms = -HOUR_MS
    if batch:
        (error,) = store_many(client, {"key": b"value"}, ttl_ms=60_000)
    else:
        with pytest.raises(ClockOffsetError) as failure:
            client.store("key", b"value", ttl_ms=60_000)
        error = failure.value
    assert isinstance(error, ClockOffsetError)
    assert findall(r"time was over \d+ ms ago by this node's clock", str(error))
    assert client.store("key", b"value", ttl_ms=2 * HOUR_MS).acks >= 2


def test_who_leaves_with_a_wrong_clock_hands_over_values() -> None:
    net = Net()
    net.swarm(4)
    client, names = store_all(net, 40, ttl_ms=HOUR_MS)
    net.nodes[1].wall_offset_ms = 2 * HOUR_MS
    net.run(2)
    net.leave(net.nodes[1])
    net.run(10)
    read_all(client, names)
    assert agree(net, names, b"value")


def test_who_comes_is_given_values_by_nodes_whose_clocks_are_wrong() -> None:
    net = Net()
    net.swarm(3)
    client, names = store_all(net, 40, ttl_ms=HOUR_MS)
    for node in net.nodes:
        node.wall_offset_ms = 2 * HOUR_MS
    net.run(2)
    newcomer = net.node()
    net.run(5)
    for node in net.nodes:
        node.wall_offset_ms = 0
    net.run(5)
    assert newcomer.machine.ownership.settled
    read_all(client, names)
    assert agree(net, names, b"value")


def test_nobody_gives_a_value_up_because_others_hold_what_has_expired_too_early() -> None:
    """The record is no longer this node's, and those that it is to be given to had wrong clocks."""
    net = Net()
    nodes = net.swarm(4)
    key, ends_ms = key_of("key"), nodes[0].now.wall_ms + HOUR_MS
    outsider = next(node for node in nodes if node not in net.replicas("key"))
    record = Record(
        HybridClock(outsider.machine.node_id).next(ends_ms - HOUR_MS), b"value", ends_ms
    )
    outsider.machine.store.put(key, record, outsider.now.wall_ms)
    for node in net.replicas("key"):
        node.machine.store.put(key, record, node.now.wall_ms)
        node.machine.store.expire(ends_ms + 1)
        assert node.machine.store.held(key).value is None
    net.run(120)
    assert outsider.machine.store.held(key) is None
    assert contents(net, "key") == [record] * 3


def test_short_jumps_and_slewing_put_nothing_off() -> None:
    net = Net()
    net.swarm(3)
    _, names = store_all(net, 5, ttl_ms=20_000)
    for _ in range(40):
        net.nodes[0].wall_offset_ms += 80
        net.run(1)
    assert [contents(net, name)[0].value for name in names] == [None] * 5  # type: ignore[union-attr]
