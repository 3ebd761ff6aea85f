"""Clocks that are wrong: what one of them may spoil, and who is told whose it is."""

from collections.abc import Callable
from re import findall

import pytest

from p2pcore.errors import ClockOffsetError, DeadlineError
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.wire import messages as m
from tests.net import DROP, PASS, Net, Peer

HOUR_MS = 3_600_000
HOURS = (-HOUR_MS, HOUR_MS)


def store_many(client: Peer, items: dict[str, bytes]) -> list[object]:
    number, deadline_ns = client.operation(), client.net.mono_ns + 5_000_000_000
    placed = [(key_of(name), value) for name, value in items.items()]
    client.tell(lambda now: client.machine.write_many(number, placed, None, deadline_ns, now))
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


def answer_stores_so(node: Peer, answer: Answer) -> list[m.Store]:
    """From now on; gives the stores that it is asked."""
    asked: list[m.Store] = []
    links = node.machine.links

    def on_store(link: object, request: m.Store, now: object) -> None:
        asked.append(request)
        links.reply(link, answer(request.id, request))

    links.handlers[m.Store] = on_store
    return asked
