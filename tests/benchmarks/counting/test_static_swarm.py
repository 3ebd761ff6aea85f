"""The static swarm runs the real machines, counts what they say, and is the same every time."""

from typing import Any

import pytest

from benchmarks.common.counting.static_swarm import LATENCY_NS, StaticMember, StaticSwarm
from benchmarks.common.subject import NetworkSettings
from p2pcore.session.link import ACCIDENTS
from p2pcore.wire.codec import encode_frame
from p2pcore.wire.messages import Store, Stored

VALUE = bytes(1024)


def connected(swarm: StaticSwarm) -> StaticMember:
    client = swarm.client()
    client.operate(client.machine.connect)
    return client


def store(client: StaticMember, name: str, value: bytes = VALUE) -> Any:
    swarm = client.swarm
    key = swarm.core.key_of(name)
    return client.operate(client.machine.write, key, value, None, swarm.deadline_ns)


def retrieve(client: StaticMember, name: str) -> Any:
    swarm = client.swarm
    return client.operate(client.machine.read, swarm.core.key_of(name), name, swarm.deadline_ns)


def test_a_store_is_three_questions_and_three_answers() -> None:
    swarm = StaticSwarm(4, NetworkSettings())
    client = connected(swarm)
    store(client, "key")  # opens links
    traffic, moment = swarm.traffic, swarm.now().mono_ns
    messages, size = traffic.messages, traffic.bytes
    receipt = store(client, "key")
    assert receipt.acks >= 2
    assert traffic.messages - messages == 6
    call_id = client.machine.links.new_call_id() - 1
    question = Store(call_id, swarm.core.key_of("key"), receipt.version, VALUE)
    expected = 3 * len(encode_frame(question)) + 3 * len(encode_frame(Stored(call_id)))
    assert traffic.bytes - size == expected
    assert swarm.now().mono_ns - moment == 2 * LATENCY_NS
    assert retrieve(client, "key") == VALUE


def test_with_disks_an_answer_comes_after_a_sync() -> None:
    swarm = StaticSwarm(4, NetworkSettings(), disk=True)
    client = connected(swarm)
    store(client, "key")
    traffic, moment = swarm.traffic, swarm.now().mono_ns
    messages = traffic.messages
    assert store(client, "key").acks >= 2
    assert traffic.messages - messages == 6
    assert swarm.now().mono_ns - moment == 3 * LATENCY_NS
    holders = [node.machine for node in swarm.nodes if len(node.machine.store)]
    assert len(holders) == 3
    assert all(machine.journal.is_settled for machine in holders)
    assert retrieve(client, "key") == VALUE


def test_the_same_again() -> None:
    def traffic(seed: int) -> tuple[int, int]:
        swarm = StaticSwarm(8, NetworkSettings(), seed)
        store(connected(swarm), "key")
        swarm.run(300_000_000_000)
        return swarm.traffic.messages, swarm.traffic.bytes

    assert traffic(1) == traffic(1)
    assert traffic(1) != traffic(2)


def test_errors_are_raised() -> None:
    swarm = StaticSwarm(3, NetworkSettings())
    with pytest.raises(KeyError):
        retrieve(connected(swarm), "nobody has stored this")


def test_background_waits_for_operations() -> None:
    """A minute's upkeep is overdue when the operation begins, and not part of it."""
    swarm = StaticSwarm(4, NetworkSettings())
    client = connected(swarm)
    store(client, "key")
    messages = swarm.traffic.messages
    for _ in range(2000):
        store(client, "key")
    assert swarm.traffic.messages - messages == 2000 * 6
    messages = swarm.traffic.messages
    swarm.run(60_000_000_000)
    assert swarm.traffic.messages > messages


def test_who_leaves_hands_over_and_is_gone() -> None:
    swarm = StaticSwarm(4, NetworkSettings())
    client = connected(swarm)
    for number in range(20):
        store(client, f"r{number}")
    leaver = swarm.nodes[1]
    swarm.leave(leaver)
    assert leaver.gone
    assert leaver not in swarm.nodes
    assert all(len(node.machine.store) == 20 for node in swarm.nodes)
    assert [retrieve(client, f"r{number}") for number in range(20)] == [VALUE] * 20


def test_a_stranger_may_come_back() -> None:
    swarm = StaticSwarm(4, NetworkSettings())
    store(connected(swarm), "key")

    def visit() -> int:
        messages = swarm.traffic.messages
        client = swarm.client(100)
        client.operate(client.machine.connect)
        assert retrieve(client, "key") == VALUE
        messages = swarm.traffic.messages - messages
        swarm.leave(client)
        return messages

    assert visit() == visit()


def test_what_never_ends_is_noticed() -> None:
    swarm = StaticSwarm(3, NetworkSettings())
    client = connected(swarm)
    for node in swarm.nodes:
        node.gone = True
    with pytest.raises(AssertionError, match="does not come to an end"):
        swarm.finish(client, lambda: False)


def test_a_counted_run_has_no_accidents() -> None:
    """Joins, operations of every kind, five minutes of upkeep: nothing is late or broken."""
    for seed in range(5):
        swarm = StaticSwarm(8, NetworkSettings(), seed)
        client = connected(swarm)
        for number in range(20):
            store(client, f"key {number}")
            assert retrieve(client, f"key {number}") == VALUE
        machine, deadline_ns = client.machine, swarm.deadline_ns
        items = [(swarm.core.key_of(f"batch {number}"), VALUE) for number in range(50)]
        client.operate(machine.write_many, items, None, deadline_ns)
        keys = [key for key, _ in items]
        found = client.operate(machine.read_many, keys, [bytes(key) for key in keys], deadline_ns)
        assert found == [VALUE] * 50
        swarm.run(300_000_000_000)
        for member in swarm._members.values():
            counters = member.machine.counters
            assert {n: getattr(counters, n) for n in ACCIDENTS if getattr(counters, n)} == {}
