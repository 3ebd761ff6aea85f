"""Nodes and clients together: store, retrieve and delete over a whole network in virtual time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from p2pcore.effects import Send
from p2pcore.errors import (
    ClockOffsetError,
    DeadlineError,
    KeyNotFoundError,
    QuorumError,
    StorageFullError,
)
from p2pcore.ids import key_of
from p2pcore.replication.coordinating import MAX_COORDINATED
from p2pcore.versions import HybridClock
from p2pcore.wire.messages import (
    Failed,
    Fetch,
    Found,
    Get,
    Message,
    Put,
    PutDone,
    Reason,
    Store,
    Stored,
)
from tests.net import DROP, HOLD, PASS, Net, Peer

ROOT = Path(__file__).parent.parent


@pytest.fixture
def net() -> Iterator[Net]:
    """Whatever a test does, nothing is left in flight at its end, and the accounts balance."""
    net = Net()
    yield net
    net.judge = lambda *_: PASS
    net.release()
    net.check()


def test_store_retrieve_delete(net: Net) -> None:
    net.swarm(5)
    client = net.client()
    receipt = client.store("key", b"value")
    assert (receipt.replicas, receipt.acks) == (3, 2)
    assert client.retrieve("key") == b"value"
    newer = client.store("key", b"")
    assert newer.version > receipt.version
    assert client.retrieve("key") == b""
    assert client.store("key", None).version > newer.version
    with pytest.raises(KeyNotFoundError, match="'key'"):
        client.retrieve("key")
    with pytest.raises(KeyNotFoundError):
        client.retrieve("never stored")
    assert client.store("never stored", None).acks == 2


def test_exactly_the_closest_nodes_hold_a_record(net: Net) -> None:
    net.swarm(8)
    client = net.client()
    for number in range(20):
        client.store(f"key {number}", b"v")
    net.run(1)
    for number in range(20):
        holders = {peer.name for peer in net.nodes if peer.holds(f"key {number}")}
        assert holders == {peer.name for peer in net.replicas(f"key {number}")}


def test_a_network_of_one() -> None:
    net = Net()
    net.node(replication_factor=1, write_quorum=1, read_quorum=1)
    client = net.client()
    assert client.store("key", b"value").acks == 1
    assert client.retrieve("key") == b"value"
    net.check()


@pytest.mark.parametrize("size", [1, 2])
def test_fewer_nodes_than_the_quorum(net: Net, size: int) -> None:
    net.swarm(size, write_quorum=3, read_quorum=3)
    client = net.client()
    with pytest.raises(QuorumError, match=f"needs 3 replicas, the network has {size}") as error:
        client.store("key", b"value")
    assert (error.value.got, error.value.needed) == (size, 3)
    with pytest.raises(QuorumError):
        client.retrieve("key")


def test_two_nodes_are_enough_for_quorums_of_two(net: Net) -> None:
    net.swarm(2)
    client = net.client()
    assert client.store("key", b"value").acks == 2
    assert client.retrieve("key") == b"value"


def test_one_replica_dead(net: Net) -> None:
    net.swarm(5)
    client = net.client()
    client.store("key", b"one")
    net.run(1)
    net.kill(net.replicas("key")[0])
    assert client.retrieve("key") == b"one"
    assert client.store("key", b"two").acks == 2
    assert client.retrieve("key") == b"two"


def test_a_silent_replica_delays_a_read_by_one_attempt_only(net: Net) -> None:
    """A pulled plug: no connection ends. The read goes on to the next replica by itself."""
    net.swarm(5)
    client = net.client()
    client.store("key", b"value")
    net.run(1)
    for replica in net.replicas("key"):
        replica.silent = True
        begun_ns = net.mono_ns
        assert client.retrieve("key") == b"value"
        assert net.mono_ns - begun_ns < 600_000_000
        begun_ns = net.mono_ns
        assert client.store("key", b"value").acks == 2
        assert net.mono_ns - begun_ns < 600_000_000
        replica.silent = False
        net.run(1)


def test_two_replicas_silent_make_a_deadline_error_with_counts(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    client.store("key", b"value")
    for replica in net.replicas("key")[:2]:
        replica.silent = True
    store = client.write("key", b"other", timeout_s=2)
    retrieve = client.read("key", timeout_s=2)
    with pytest.raises(DeadlineError, match="store: 1 of 2 replicas took part in time"):
        client.result(store)
    with pytest.raises(DeadlineError, match="retrieve: 1 of 2 replicas took part in time"):
        client.result(retrieve)


def test_a_late_reply_still_counts(net: Net) -> None:
    """Replies that are held back over several rounds complete the operation when they come."""
    net.swarm(3)
    client = net.client()
    replica = net.replicas("key")[0]

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Stored):
            return PASS if source is replica else HOLD
        return DROP if isinstance(message, Put) else PASS

    net.judge = judge
    number = client.write("key", b"value", timeout_s=30)
    net.run(3)
    assert not client.results
    net.judge = lambda *_: PASS
    net.release()
    begun_ns = net.mono_ns
    assert client.result(number).acks == 2
    assert net.mono_ns - begun_ns < 10_000_000
    net.run(1)
    assert len({replica.holds("key").version for replica in net.replicas("key")}) == 1


def test_a_version_that_is_behind_is_made_anew(net: Net) -> None:
    """A client whose clock is behind still overwrites what it can see."""
    net.swarm(3)
    ahead, behind = net.client(), net.client()
    ahead.wall_offset_ms = 20_000
    first = ahead.store("key", b"ahead")
    second = behind.store("key", b"behind")
    assert second.version > first.version
    net.run(1)
    assert behind.retrieve("key") == ahead.retrieve("key") == b"behind"
    for replica in net.replicas("key"):
        assert replica.holds("key").version == second.version


def test_a_clock_too_far_ahead_is_refused(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    client.wall_offset_ms = 31_000
    with pytest.raises(ClockOffsetError, match="30000 ms"):
        client.store("key", b"value")
    client = net.client()
    client.wall_offset_ms = 29_000
    assert client.store("key", b"value").acks >= 2


def test_a_replica_with_a_version_far_ahead_is_not_followed(net: Net) -> None:
    """Its version wins there, but our own clock does not run after it."""
    net.swarm(3)
    for node in net.nodes:
        node.wall_offset_ms = 60_000
    ahead, client = net.client(), net.client()
    ahead.wall_offset_ms = 60_000
    ahead.store("key", b"from the future")
    with pytest.raises(ClockOffsetError, match="ahead of this clock"):
        client.store("key", b"now")
    version = client.store("other", b"now").version
    assert abs(int.from_bytes(version[:6]) - client.now.wall_ms) < 1000


def test_a_coordinator_can_not_spoil_our_clock(net: Net) -> None:
    """A delegated store may come back under a newer version, but not from any future."""
    net.swarm(3)
    client = net.client()
    for node in net.nodes:
        node.machine.links.handlers[Put] = lambda link, request, now, links=node.machine.links: (
            links.reply(link, PutDone(request.id, b"\xff" * 16, 3, 2))
        )
    net.judge = lambda source, target, message: DROP if isinstance(message, Store) else PASS
    client.store("key", b"value")
    net.judge = lambda *_: PASS
    version = client.store("other", b"value").version
    assert abs(int.from_bytes(version[:6]) - client.now.wall_ms) < 1000


def test_storage_full(net: Net) -> None:
    net.swarm(3, max_store_bytes=1000)
    client = net.client()
    assert client.store("small", b"x").acks >= 2
    with pytest.raises(StorageFullError, match="1000 bytes are in use"):
        client.store("large", b"x" * 800, timeout_s=1)
    client.store("small", None)
    with pytest.raises(KeyNotFoundError):
        client.retrieve("large")


def test_time_to_live(net: Net) -> None:
    net.swarm(3, tombstone_grace_s=30)
    client = net.client()
    client.store("key", b"value", ttl_ms=5000)
    net.run(4)
    assert client.retrieve("key") == b"value"
    net.run(2)
    with pytest.raises(KeyNotFoundError):
        client.retrieve("key")
    assert all(len(node.machine.store) == 1 for node in net.nodes), "its tombstone is kept"
    net.run(40)
    assert all(len(node.machine.store) == 0 for node in net.nodes)
    assert all(node.machine.store.size_bytes == 0 for node in net.nodes)


def test_an_operation_that_is_cancelled_leaves_nothing(net: Net) -> None:
    net.swarm(3)
    client = net.client()
    net.judge = lambda source, target, message: DROP
    numbers = [client.write("a", b"value"), client.read("b")]
    for elapsed_s in (0, 0.5, 1.5):
        net.run(elapsed_s)
        numbers += [client.write("a", b"value"), client.read("b")]
    for number in numbers:
        client.tell(lambda now, n=number: client.machine.cancel(n))
        client.tell(lambda now, n=number: client.machine.cancel(n))
    net.judge = lambda *_: PASS
    net.run(3)
    assert not client.machine.links.calls
    assert not client.machine._operations
    assert not client.results


def test_a_coordinator_is_asked_when_replicas_can_not_be_reached(net: Net) -> None:
    net.swarm(6)
    replicas = net.replicas("key")
    others = [node for node in net.nodes if node not in replicas]
    client = net.client(bootstrap=[node.address for node in others])
    for replica in replicas:
        net.cut(client, replica)
    receipt = client.store("key", b"value")
    assert receipt.acks == 2
    assert client.retrieve("key") == b"value"
    client.store("key", None)
    with pytest.raises(KeyNotFoundError):
        client.retrieve("key")
    net.run(1)
    for replica in replicas:
        assert replica.holds("key").value is None


def test_a_coordinator_that_is_lost_is_not_waited_for(net: Net) -> None:
    net.swarm(6)
    replicas = net.replicas("key")
    helper = next(node for node in net.nodes if node not in replicas)
    client = net.client(bootstrap=[node.address for node in net.nodes])
    for node in net.nodes:
        if node is not helper:
            net.cut(client, node)
    net.judge = lambda source, target, message: (
        DROP if target is helper and isinstance(message, Put) else PASS
    )
    number = client.write("key", b"value", timeout_s=20)
    net.run(1)
    net.heal()
    net.kill(helper)
    begun_ns = net.mono_ns
    assert client.result(number).acks >= 2
    assert net.mono_ns - begun_ns < 3_000_000_000


def test_a_coordinator_limits_what_it_does_for_one_peer(net: Net) -> None:
    nodes = net.swarm(3)
    client = net.client()
    link_id, (node, _, _) = next(iter(client.links.items()))
    for other in nodes:
        if other is not node:
            other.silent = True
    refused: list[Failed] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Failed):
            refused.append(message)
        return PASS

    net.judge = judge
    for number in range(MAX_COORDINATED + 5):
        message = Get(10**6 + number, key_of("key"), 1000)
        net.carry_out(client, Send((link_id,), message))
    net.run(0.1)
    assert [message.reason for message in refused] == [Reason.BUSY] * 5
    net.run(3)
    assert {message.reason for message in refused[5:]} == {Reason.DEADLINE}
    assert len(refused) == MAX_COORDINATED + 5
    for other in nodes:
        other.silent = False


def test_a_reply_from_a_node_that_was_not_asked_is_ignored(net: Net) -> None:
    nodes = net.swarm(5)
    client = net.client(bootstrap=[node.address for node in nodes])
    outsider = next(node for node in nodes if node not in net.replicas("key"))
    net.judge = lambda source, target, message: DROP if isinstance(message, Fetch) else PASS
    number = client.read("key", timeout_s=3)
    call = next(iter(client.machine.links.calls))
    before = client.machine.counters.late_replies
    forged = Found(call, HybridClock(outsider.machine.node_id).next(1), b"forged")
    link = next(iter(client.machine.links.by_id.values()))
    link.peer_id, genuine = outsider.machine.node_id, link.peer_id
    client.tell(lambda now: client.machine.receive(link.id, forged, now))
    link.peer_id = genuine
    assert client.machine.counters.late_replies == before + 1
    net.judge = lambda *_: PASS
    with pytest.raises(KeyNotFoundError):
        client.result(number)


SCRIPT = """
from hashlib import sha256
from tests.net import Net
net = Net(seed=7)
net.trace = []
net.swarm(24)
client = net.client()
for n in range(10):
    client.store(f"key {n}", b"v" * n)
net.kill(net.nodes[3])
for n in range(10):
    client.read(f"key {n}")
client.write("x", None)
net.leave(net.nodes[5])
net.run_until(lambda: len(client.results) == 11)
net.node()
net.run(70)
print(len(net.trace), sha256("\\n".join(net.trace).encode()).hexdigest())
"""


def test_the_same_seed_gives_the_same_effects_whatever_the_hash_seed() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "12345")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()[1]) == len(sha256().hexdigest())
