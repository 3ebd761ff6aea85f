"""Batches: few messages when all is well, operations of their own when it is not."""

from collections.abc import Iterator
from typing import Any

import pytest

from p2pcore.errors import DeadlineError, KeyNotFoundError, StorageFullError
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.sim import LinkProfile, Service, Slowness, World
from p2pcore.storage.memory import Record
from p2pcore.versions import HybridClock, Version
from p2pcore.wire.limits import MAX_BATCH_ITEMS, MAX_VALUE_BYTES
from p2pcore.wire.messages import Fetch, FetchMany, FoundMany, Message, Store, StoreMany
from tests.net import DROP, HOLD, PASS, Net, Peer

ITEMS = {f"key {number}": f"value {number}".encode() for number in range(100)}


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    net.swarm(6)
    yield net
    net.judge = lambda *_: PASS
    net.release()
    net.check()


@pytest.fixture
def client(net: Net) -> Peer:
    client = net.client()
    client.store("first", b"so that the regions are known")
    return client


def store_many(client: Peer, items: dict[str, bytes], *, timeout_s: float = 5) -> list[Any]:
    number, deadline_ns = client.operation(), client.net.mono_ns + round(timeout_s * 1e9)
    placed = [(key_of(name), value) for name, value in items.items()]
    client.tell(lambda now: client.machine.write_many(number, placed, None, deadline_ns, now))
    return list(client.result(number))


def retrieve_many(client: Peer, names: list[str], *, timeout_s: float = 5) -> list[Any]:
    return list(client.result(begin_retrieve_many(client, names, timeout_s=timeout_s)))


def begin_retrieve_many(client: Peer, names: list[str] | None = None, timeout_s: float = 5) -> int:
    number, deadline_ns = client.operation(), client.net.mono_ns + round(timeout_s * 1e9)
    names = list(ITEMS) if names is None else names
    keys = [key_of(name) for name in names]
    client.tell(lambda now: client.machine.read_many(number, keys, names, deadline_ns, now))
    return number


def watch(net: Net) -> list[Message]:
    """Every message from now on."""
    seen: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        seen.append(message)
        return PASS

    net.judge = judge
    return seen


def test_one_message_for_each_replica(net: Net, client: Peer) -> None:
    seen = watch(net)
    receipts = store_many(client, ITEMS)
    assert all(isinstance(r, StoreReceipt) and r.acks == 2 and r.replicas == 3 for r in receipts)
    net.run(0.1)
    assert sum(isinstance(message, StoreMany) for message in seen) == len(net.nodes)
    assert retrieve_many(client, list(ITEMS)) == list(ITEMS.values())
    assert sum(isinstance(message, FetchMany) for message in seen) == len(net.nodes)
    assert not any(isinstance(message, Store | Fetch) for message in seen)
    for name, value in ITEMS.items():
        assert [r.holds(name).value for r in net.replicas(name)] == [value] * 3


def test_a_client_that_knows_nobody_yet(net: Net) -> None:
    client = net.client()
    assert all(isinstance(r, StoreReceipt) for r in store_many(client, ITEMS))
    assert retrieve_many(client, list(ITEMS)) == list(ITEMS.values())


def test_empty_batches(client: Peer) -> None:
    assert store_many(client, {}) == []
    assert retrieve_many(client, []) == []


def test_what_is_not_there_is_an_error_of_its_own_item(client: Peer) -> None:
    client.store("here", b"value")
    value, missing = retrieve_many(client, ["here", "nowhere"])
    assert value == b"value"
    assert isinstance(missing, KeyNotFoundError)
    assert "nowhere" in str(missing)


def test_a_dead_replica_costs_no_item(net: Net, client: Peer) -> None:
    store_many(client, ITEMS)
    net.kill(net.nodes[2])
    assert retrieve_many(client, list(ITEMS)) == list(ITEMS.values())
    assert all(isinstance(r, StoreReceipt) for r in store_many(client, ITEMS))


def test_a_replica_that_goes_silent_in_the_middle(net: Net, client: Peer) -> None:
    store_many(client, ITEMS)
    net.nodes[2].silent = True
    began_ns = net.mono_ns
    assert retrieve_many(client, list(ITEMS)) == list(ITEMS.values())
    assert net.mono_ns - began_ns < 40_000_000  # not for as long as a link is waited for
    assert client.machine.counters.hedges == 1
    began_ns = net.mono_ns
    assert retrieve_many(client, list(ITEMS)) == list(ITEMS.values())
    assert net.mono_ns - began_ns < 10_000_000  # it is asked last now
    net.run(20)  # until the others have given it up


def test_a_replica_that_is_busy_is_waited_for(net: Net, client: Peer) -> None:
    """It answers others meanwhile, though not this."""
    store_many(client, ITEMS)
    busy = net.nodes[2]
    net.judge = lambda source, target, message: (
        HOLD if source is busy and isinstance(message, FoundMany) else PASS
    )
    began_ns = net.mono_ns
    number = begin_retrieve_many(client)
    net.run(0.01)
    client.retrieve("first")
    net.run(0.05)
    assert client.machine.counters.hedges == 0
    net.judge = lambda *_: PASS
    net.release()
    assert list(client.result(number)) == list(ITEMS.values())
    assert net.mono_ns - began_ns < 100_000_000


def test_a_link_that_is_being_opened_is_waited_for(net: Net, client: Peer) -> None:
    """Nobody is silent who was not asked yet."""
    store_many(client, ITEMS)
    far = net.nodes[2]
    client.tell(lambda now: client.machine.links.give_up(far.machine.links.self_id, "idle", now))
    net.judge = lambda source, target, message: HOLD if source is far else PASS
    number = begin_retrieve_many(client)
    net.run(0.1)
    assert client.machine.counters.hedges == 0
    net.judge = lambda *_: PASS
    net.release()
    assert list(client.result(number)) == list(ITEMS.values())


def test_batches_alone_show_which_node_is_slow() -> None:
    link, service = LinkProfile(latency_us=100, jitter_us=50), Service(message_us=300)
    world = World(3, link=link, service=service)
    world.swarm(8)
    bootstrap = [node.address for node in world.nodes]
    client = world.client(bootstrap=bootstrap, service=Service(message_us=5))
    client.store_many(ITEMS)

    def longest_ms(batches: int) -> float:
        took_ns = []
        for _ in range(batches):
            began_ns = world.now_ns
            assert client.retrieve_many(list(ITEMS)) == ITEMS
            took_ns.append(world.now_ns - began_ns)
        return max(took_ns) / 1e6

    usual_ms = longest_ms(10)
    world.apply(Slowness(nodes=("n1",), times=10, for_s=60))
    assert longest_ms(1) > 2 * usual_ms
    longest_ms(20)
    assert longest_ms(1) < 1.25 * usual_ms
    world.check()


def test_a_newer_version_is_overwritten_by_a_newer_one_still(net: Net, client: Peer) -> None:
    ahead = HybridClock(b"w" * 32).next  # type: ignore[arg-type]
    newer: Version = ahead(client.now.wall_ms + 5000)
    for replica in net.replicas("key 7"):
        replica.machine.store.put(key_of("key 7"), Record(newer, b"theirs", 0), 0)
    receipts = store_many(client, ITEMS)
    assert receipts[7].version > newer
    assert retrieve_many(client, ["key 7"]) == [b"value 7"]


def test_reads_of_batches_repair(net: Net, client: Peer) -> None:
    """The two nearest replicas are asked; the one that has nothing gets the record."""
    nearest, second, _ = net.replicas("key")
    made = HybridClock(b"w" * 32).next(1_600_000_000_000)  # type: ignore[arg-type]
    second.machine.store.put(key_of("key"), Record(made, b"value", 0), 0)
    assert retrieve_many(client, ["key"]) == [b"value"]
    net.run(0.1)
    assert nearest.holds("key").value == b"value"


def test_an_item_that_fails_says_why_and_fails_alone() -> None:
    net = Net()
    net.swarm(3, max_store_bytes=100_000)
    client = net.client()
    client.store("first", b"")
    items = {"small": b"x", "large": bytes(200_000), "also small": b"y"}
    small, large, also = store_many(client, items, timeout_s=2)
    assert isinstance(small, StoreReceipt)
    assert isinstance(also, StoreReceipt)
    assert isinstance(large, StorageFullError)
    net.check()


def test_nobody_answers(net: Net, client: Peer) -> None:
    net.judge = lambda source, target, message: PASS if source in net.nodes else DROP
    results = store_many(client, {"a": b"1", "b": b"2"}, timeout_s=2)
    assert [type(result) for result in results] == [DeadlineError] * 2


def test_long_batches_go_in_parts(net: Net, client: Peer) -> None:
    seen = watch(net)
    items = {str(number): b"" for number in range(3 * MAX_BATCH_ITEMS)}
    assert all(isinstance(r, StoreReceipt) for r in store_many(client, items))
    batches = [len(message.items) for message in seen if isinstance(message, StoreMany)]
    assert max(batches) <= MAX_BATCH_ITEMS
    large = {str(number): bytes(MAX_VALUE_BYTES) for number in range(4)}
    assert all(isinstance(r, StoreReceipt) for r in store_many(client, large))
    assert retrieve_many(client, list(large)) == list(large.values())
    replies = [message for message in seen if isinstance(message, FoundMany)]
    assert any(reply.others for reply in replies), "a reply must fit into a frame"


def test_an_answer_of_another_length_is_none(net: Net, client: Peer) -> None:
    """A replica that answers for fewer keys than it was asked is asked again, one by one."""
    client.store("key", b"value")
    asked: list[tuple[Peer, int]] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, FetchMany):
            asked.append((target, message.id))
        return DROP if isinstance(message, FoundMany) else PASS

    net.judge = judge
    deadline_ns = net.mono_ns + 5_000_000_000
    key, number = key_of("key"), client.operation()
    client.tell(lambda now: client.machine.read_many(number, [key], ["key"], deadline_ns, now))
    for replica, call_id in asked:
        (link_id,) = [link for link, (peer, _, _) in client.links.items() if peer is replica]
        lie = FoundMany(call_id, [], [7])
        client.tell(lambda now, link_id=link_id, lie=lie: client.machine.receive(link_id, lie, now))
    assert client.result(number) == [b"value"]


def test_a_batch_that_is_cancelled_leaves_nothing(net: Net, client: Peer) -> None:
    number, deadline_ns = client.operation(), net.mono_ns + 5_000_000_000
    placed = [(key_of(name), value) for name, value in ITEMS.items()]
    client.tell(lambda now: client.machine.write_many(number, placed, None, deadline_ns, now))
    client.tell(lambda now: client.machine.cancel(number))
    net.run(1)
    assert number not in client.results
    assert not client.machine.links.calls
