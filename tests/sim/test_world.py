"""What users call."""

from typing import Any

import pytest

from p2pcore.errors import (
    BatchError,
    BusyError,
    ClosedError,
    ConfigError,
    KeyNotFoundError,
    LimitError,
    StorageFullError,
    UsageError,
)
from p2pcore.ids import key_of
from p2pcore.replication.operations import StoreReceipt
from p2pcore.sim import MOBILE, SimOperation, StillError, World
from p2pcore.wire.limits import MAX_VALUE_BYTES
from p2pcore.wire.messages import FindNode, Store

ONE: dict[str, Any] = {"replication_factor": 1, "write_quorum": 1, "read_quorum": 1}


def test_records_are_stored_retrieved_and_deleted() -> None:
    world = World(seed=1)
    world.swarm(5)
    client = world.client()
    receipt = client.store("key", b"one", ttl_s=60)
    assert receipt.acks >= 2
    assert client.retrieve("key") == b"one"
    client.delete("key")
    with pytest.raises(KeyNotFoundError):
        client.retrieve("key")
    client.store_many({"a": b"1", "b": b"2"})
    assert client.retrieve_many(["b", "none", "a"]) == {"b": b"2", "a": b"1"}


def test_operations_run_side_by_side_and_call_back() -> None:
    world = World(seed=1)
    world.swarm(5)
    client = world.client()
    over: list[SimOperation] = []
    started: list[SimOperation] = []
    world.on_start.append(started.append)
    world.on_operation.append(over.append)
    for number in range(10):
        client.start_store(
            f"key {number}",
            b"value",
            then=lambda done: client.start_retrieve(str(done.key), timeout_s=1),
        )
    assert len(started) == 10
    assert not over
    world.run(1)
    assert [operation.kind for operation in over].count("retrieve") == 10
    assert all(operation.latency_ns > 0 for operation in over)
    assert {operation.result for operation in over if operation.kind == "retrieve"} == {b"value"}


def test_a_failed_operation_raises_what_sockets_would() -> None:
    world = World(seed=1)
    world.swarm(2)
    client = world.client()
    operation = client.start_store("key", b"value", timeout_s=0.5)
    world.run(2)
    assert not operation.failed  # two of three are a write quorum
    world.nodes[1].crash()
    operation = client.start_store("key", b"value", timeout_s=0.5)
    world.run(2)
    assert operation.failed


@pytest.mark.parametrize(
    ("call", "arguments", "options", "error"),
    [
        ("store", ("key", bytes(MAX_VALUE_BYTES + 1)), {}, LimitError),
        ("store", ("key", None), {}, UsageError),
        ("store", ("", b""), {}, UsageError),
        ("store", ("key", b""), {"ttl_s": 0}, UsageError),
        ("start_store", ("key", b""), {"timeout_s": 0}, UsageError),
        ("store_many", ({"key": "text"},), {}, UsageError),
        ("retrieve", (7,), {}, UsageError),
        ("start_retrieve_many", (["key", ""],), {}, UsageError),
    ],
)
def test_misuse_is_told_at_once(
    call: str, arguments: tuple[object, ...], options: dict[str, float], error: type[Exception]
) -> None:
    world = World(seed=1)
    world.swarm(1, **ONE)
    client = world.client()
    started: list[SimOperation] = []
    world.on_start.append(started.append)
    before = world.accounting.sent, world.now_ns
    with pytest.raises(error):
        getattr(client, call)(*arguments, **options)
    assert not started
    assert (world.accounting.sent, world.now_ns) == before


def test_too_much_at_once_is_told_at_once() -> None:
    world = World(seed=1)
    world.swarm(1, **ONE)
    client = world.client(max_in_flight=10)
    operations = [client.start_store("key", b"value") for _ in range(12)]
    world.run(1)
    assert [type(each.result) for each in operations] == [StoreReceipt] * 10 + [BusyError] * 2
    client.store("key", b"value")


def test_a_batch_error_has_the_results_of_the_others() -> None:
    world = World(seed=1)
    world.swarm(1, max_store_bytes=2000, **ONE)
    with pytest.raises(BatchError) as failure:
        world.client().store_many({"a": b"x", "b": bytes(3000)}, timeout_s=0.5)
    assert list(failure.value.results) == ["a"]
    assert isinstance(failure.value.errors["b"], StorageFullError)


def test_closing_ends_what_is_in_flight() -> None:
    world = World(seed=1)
    world.swarm(1, **ONE)
    client = world.client()
    operation = client.start_store("key", b"value")
    client.close()
    assert isinstance(operation.result, ClosedError)
    with pytest.raises(ClosedError, match="c1 does not run"):
        client.retrieve("key")
    world.run(1)
    world.check()


def test_leaving_hands_records_over() -> None:
    world = World(seed=2)
    world.swarm(5)
    client = world.client(bootstrap=[node.address for node in world.nodes])
    for number in range(20):
        client.store(f"key {number}", b"value")
    leaver = world.replicas("key 0")[0]
    leaver.leave()
    assert not leaver.alive
    for number in range(20):
        assert sum(bool(node.holds(f"key {number}")) for node in world.nodes if node.alive) >= 3
    world.check()


def test_lookups_report_hops_and_the_closest() -> None:
    world = World(seed=3)
    world.swarm(40)
    world.run(5)
    target = key_of("anything")
    report = world.nodes[5].lookup(target, width=3)
    brute = [node.node_id for node in world.replicas("anything", 4)]
    brute = [each for each in brute if each != world.nodes[5].node_id][:3]
    assert report.closest == brute
    assert 0 <= report.hops <= 3
    assert report.duration_ns > 0


def test_lookups_go_on_side_by_side() -> None:
    world = World(seed=3)
    nodes = world.warm_swarm(40)
    seen: list[SimOperation] = []
    started = [node.start_lookup(key_of("anything"), width=3, then=seen.append) for node in nodes]
    assert not any(each.over for each in started)
    world.run_until(lambda: len(seen) == len(started))
    for each in started:
        result: Any = each.result
        brute = [node.node_id for node in world.replicas("anything", 4) if node is not each.process]
        assert result.closest == brute[:3]
        assert result.duration_ns == each.latency_ns


def test_regions_and_links_are_felt() -> None:
    world = World(seed=4)
    world.swarm(3, regions=("london",))
    near, far = world.client(region="london"), world.client(region="sydney")
    phone = world.client(region="london", link=MOBILE)
    latencies = []
    for client in (near, far, phone):
        client.store("key", b"value")
        operation = client.start_store("key", b"value")
        operation.wait()
        latencies.append(operation.latency_ns)
    assert latencies[0] < 5_000_000
    assert 260_000_000 < latencies[1] < 270_000_000
    assert latencies[2] > 40_000_000


def test_messages_are_counted_by_kind() -> None:
    world = World(seed=5)
    world.swarm(4)
    world.client().store("key", b"value")
    assert world.accounting.kinds[Store] == 3
    assert world.accounting.kinds[FindNode] > 3


def test_virtual_time_is_free() -> None:
    world = World()
    calls: list[int] = []
    world.after(3600, lambda: calls.append(world.now_ns))
    begun = world.now_ns
    world.run(7200)
    assert calls == [begun + 3600 * 10**9]
    assert world.now_ns == begun + 7200 * 10**9


def test_waiting_for_what_cannot_happen_ends() -> None:
    world = World()
    with pytest.raises(StillError, match="nothing will happen"):
        world.run_until(lambda: False)
    world.swarm(2)
    with pytest.raises(StillError, match="in time"):
        world.run_until(lambda: False, 5)


def test_stories_are_told() -> None:
    lines: list[str] = []
    world = World(story=lines.append)
    world.swarm(2)
    assert any("n2 -> n1 Ready(" in line for line in lines)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="codec must be one of"):
        World(codec="half")
    world = World()
    with pytest.raises(ConfigError, match="no region 'mars'"):
        world.node(region="mars")
    world.node(name="a")
    with pytest.raises(ConfigError, match="two processes"):
        world.node(name="a")
    with pytest.raises(ConfigError, match="nobody is called 'b'"):
        world.process("b")
