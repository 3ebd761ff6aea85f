"""Quorum reads and writes: what is repaired, what counts, and what never comes back."""

from collections.abc import Iterator

import pytest

from p2pcore.errors import DeadlineError, KeyNotFoundError
from p2pcore.ids import key_of
from p2pcore.session.timeouts import LEAST_NS
from p2pcore.storage.memory import Record
from p2pcore.versions import HybridClock, Version
from p2pcore.wire.messages import Fetch, Get, Message, NotReplica, Put, PutDone, Store, Stored
from tests.net import DROP, HOLD, PASS, Net, Peer


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    net.swarm(6)
    yield net
    net.judge = lambda *_: PASS
    net.release()
    net.check()


def version(number: int) -> Version:
    return HybridClock(b"w" * 32).next(1_600_000_000_000 + number)  # type: ignore[arg-type]


def put(node: Peer, name: str, record: Record) -> None:
    """What a replica holds, past every protocol."""
    node.machine.store.put(key_of(name), record, node.now.wall_ms)


def versions(net: Net, name: str) -> list[Version | None]:
    records = [replica.holds(name) for replica in net.replicas(name)]
    return [record and record.version for record in records]


def read_often(client: Peer, name: str, times: int = 3) -> None:
    """Reads begin with another replica each time, so these have asked all of them."""
    for _ in range(times):
        try:
            client.retrieve(name)
        except KeyNotFoundError:
            continue


@pytest.mark.parametrize("fresh", [0, 1, 2])
@pytest.mark.parametrize("others", [None, 1])
@pytest.mark.parametrize("value", [b"newest", None])
def test_reads_repair_whoever_is_behind(
    net: Net, fresh: int, others: int | None, value: bytes | None
) -> None:
    """One replica holds the newest version, a value or a tombstone; the others less or nothing."""
    for index, replica in enumerate(net.replicas("key")):
        if index == fresh:
            put(replica, "key", Record(version(9), value, 0))
        elif others is not None:
            put(replica, "key", Record(version(others), b"old", 0))
    client = net.client()
    read_often(client, "key")
    net.run(1)
    assert versions(net, "key") == [version(9)] * 3
    assert [replica.holds("key").value for replica in net.replicas("key")] == [value] * 3
    assert client.machine.counters.repairs == 2
    if value is None:
        with pytest.raises(KeyNotFoundError):
            client.retrieve("key")
    else:
        assert client.retrieve("key") == value


@pytest.mark.parametrize("coordinator", [0, 1, 2])
def test_a_coordinator_repairs_its_own_copy_too(net: Net, coordinator: int) -> None:
    replicas = net.replicas("key")
    for index, replica in enumerate(replicas):
        if index != coordinator:
            put(replica, "key", Record(version(9), b"newest", 0))
    client = net.client(bootstrap=[replicas[coordinator].address])
    net.judge = lambda source, target, message: (
        DROP if source is client and isinstance(message, Fetch) else PASS
    )
    read_often(client, "key", 4)
    assert net.replicas("key")[coordinator].holds("key").version == version(9)


def test_an_expiry_is_repaired_with_the_value(net: Net) -> None:
    ends_ms = net.nodes[0].now.wall_ms + 5000
    put(net.replicas("key")[1], "key", Record(version(9), b"value", ends_ms))
    client = net.client()
    read_often(client, "key")
    net.run(1)
    assert [replica.holds("key").expires_ms for replica in net.replicas("key")] == [ends_ms] * 3
    net.run(6)
    with pytest.raises(KeyNotFoundError):
        client.retrieve("key")


def test_what_was_deleted_stays_deleted(net: Net) -> None:
    """A replica that missed the deletion does not bring the record back, however it is read."""
    client = net.client()
    client.store("key", b"value")
    net.run(1)
    away = net.replicas("key")[0]
    net.judge = lambda source, target, message: (
        DROP if target is away and isinstance(message, Store) else PASS
    )
    client.store("key", None)
    assert away.holds("key").value == b"value"
    net.judge = lambda *_: PASS
    for _ in range(6):
        with pytest.raises(KeyNotFoundError):
            client.retrieve("key")
    net.run(1)
    assert away.holds("key").value is None


def test_a_store_that_was_on_its_way_for_long_loses_against_a_newer_delete(net: Net) -> None:
    client, other = net.client(), net.client()
    net.judge = lambda source, target, message: (
        HOLD if source is client and isinstance(message, Store) else PASS
    )
    client.write("key", b"early", timeout_s=30)
    net.run(0.1)
    receipt = other.store("key", None)
    client.tell(lambda now: client.machine.cancel(2))
    net.judge = lambda *_: PASS
    net.release()
    net.run(1)
    assert versions(net, "key") == [receipt.version] * 3


def test_a_write_is_acknowledged_at_its_quorum_not_before(net: Net) -> None:
    client = net.client()
    client.store("warm up", b"")
    net.judge = lambda source, target, message: HOLD if isinstance(message, Stored) else PASS
    number = client.write("key", b"value", timeout_s=30)
    net.run(0.2)
    assert len(net.held) == 3
    for expected in (False, True):
        target, link_id, frame = net.held.pop()
        net._deliver_later(target, link_id, frame)
        net.run(0.01)
        assert (number in client.results) is expected
    assert client.result(number).acks == 2


def test_repeated_acks_of_one_replica_count_once(net: Net) -> None:
    """A retry is confirmed again by the replica that had it; that is still one."""
    client = net.client()
    client.store("warm up", b"")
    first = net.replicas("key")[0]

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Store | Put) and target is not first:
            return DROP
        return DROP if isinstance(message, Put) else PASS

    net.judge = judge
    number = client.write("key", b"value", timeout_s=8)
    net.run(6)
    assert number not in client.results
    net.judge = lambda *_: PASS
    assert client.result(number).acks == 2


def test_a_replica_whose_link_breaks_is_not_waited_for(net: Net) -> None:
    client = net.client()
    client.store("key", b"value")
    asked: list[Peer] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Fetch) and source is client:
            asked.append(target)
            return DROP if target is asked[0] else PASS
        return PASS

    net.judge = judge
    number = client.read("key")
    net.run_until(lambda: bool(asked))
    begun_ns = net.mono_ns
    net.kill(asked[0])
    assert client.result(number) == b"value"
    assert net.mono_ns - begun_ns < LEAST_NS // 4, "another one is asked at once"


def test_a_coordinator_that_hangs_is_not_waited_for_until_the_deadline(net: Net) -> None:
    """Replicas that come back meanwhile are asked again."""
    client = net.client()
    client.store("warm up", b"")
    hanging = True

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Put) or (isinstance(message, Store) and hanging):
            return DROP
        return PASS

    net.judge = judge
    number = client.write("key", b"value", timeout_s=8)
    net.run(1)
    hanging = False
    net.run(3)
    assert client.result(number).acks == 2


def test_retries_are_never_a_second_write(net: Net) -> None:
    """Every round carries the same version."""
    client = net.client()
    seen: set[bytes] = set()

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Store | Put):
            seen.add(message.version)
        return DROP if isinstance(message, Stored) and net.mono_ns < until_ns else PASS

    until_ns = net.mono_ns + 3_000_000_000
    net.judge = judge
    receipt = client.store("key", b"value", timeout_s=10)
    assert seen == {receipt.version}


def test_a_write_that_arrives_late_does_not_overtake_newer_ones(net: Net) -> None:
    """A coordinator may be asked through a connection that stood still for a whole partition."""
    early, late = net.client(), net.client()
    early.store("warm up", b"")

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Put):
            return HOLD
        return DROP if isinstance(message, Store) and source is early else PASS

    net.judge = judge
    number = early.write("key", b"old", timeout_s=2)
    net.run(3)
    assert isinstance(early.results.pop(number), DeadlineError)
    late.store("key", b"new")
    net.judge = lambda *_: PASS
    net.release()
    net.run(3)
    assert late.retrieve("key") == b"new"


def test_a_coordinator_leaves_it_to_the_writer_to_be_newer(net: Net) -> None:
    """The writer still waits, so its write becomes the newest, with a version of its own."""
    early, late = net.client(), net.client()
    early.store("warm up", b"")
    asked: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Put):
            asked.append(message)
        return DROP if isinstance(message, Store) and source is early and not asked else PASS

    net.judge = judge
    number = early.write("key", b"second", timeout_s=8)
    first = late.store("key", b"first")
    assert early.result(number).version > first.version
    assert len(asked) == 1
    assert late.retrieve("key") == b"second"


def test_a_node_that_is_no_replica_says_so_and_is_not_asked_again(net: Net) -> None:
    """The client's picture of the network is old: it learns the new one at the first refusal."""
    client = net.client()
    client.store("key", b"value")
    for _ in range(6):
        net.node()
    net.run(1.5)
    refusals: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, NotReplica):
            refusals.append(message)
        return PASS

    net.judge = judge
    for _ in range(5):
        client.store("key", b"new")
    net.run(1)
    newest = max(peer.holds("key").version for peer in net.replicas("key"))
    assert versions(net, "key") == [newest] * 3
    assert len(refusals) <= 3


def test_reads_of_one_key_are_spread_over_its_replicas(net: Net) -> None:
    client = net.client()
    client.store("key", b"value")
    net.run(1)
    asked: dict[str, int] = {}

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if isinstance(message, Fetch | Get):
            asked[target.name] = asked.get(target.name, 0) + 1
        return PASS

    net.judge = judge
    for _ in range(30):
        assert client.retrieve("key") == b"value"
    assert sorted(asked) == sorted(peer.name for peer in net.replicas("key"))
    assert sum(asked.values()) == 60
    assert max(asked.values()) <= 30


def test_a_silent_replica_is_asked_last_from_then_on(net: Net) -> None:
    client = net.client()
    client.store("key", b"value")
    silent = net.replicas("key")[0]
    silent.silent = True
    for _ in range(3):  # reads begin with another replica each time
        client.retrieve("key")
    started_ns = net.mono_ns
    for _ in range(6):
        assert client.retrieve("key") == b"value"
    assert net.mono_ns - started_ns < LEAST_NS
    silent.silent = False
    client.store("key", b"another")
    net.run(0.1)
    assert not client.machine.links.slow, "whoever answers again is as good as the others"


def test_a_receipt_is_of_the_version_that_was_written_last(net: Net) -> None:
    """A coordinator has written for us, its receipt is on its way, and a replica tells us of a
    newer version: the write is versioned anew, and a receipt of the old version would be false."""
    client, other = net.client(), net.client()
    held_back = (Store, PutDone)
    net.judge = lambda source, target, message: (
        HOLD if client in (source, target) and isinstance(message, held_back) else PASS
    )
    number = client.write("key", b"ours")
    net.run_until(lambda: any(target is client for target, _, _ in net.held))
    other.store("key", b"theirs")
    net.judge = lambda *_: PASS
    receipts = [held for held in net.held if held[0] is client]
    net.held = [held for held in net.held if held[0] is not client]
    net.release()
    net.run(0.0025)  # the stores arrive, and what the replicas say to them
    net.held = receipts
    net.release()
    receipt = client.result(number)
    assert other.retrieve("key") == b"ours"
    assert versions(net, "key") == [receipt.version] * 3


def test_an_acknowledgement_that_is_much_older_than_the_others_is_asked_for_again(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replicas far away: the round takes longer than acknowledgements count together."""
    client = net.client()
    client.store("key", b"value")
    net.run(1)
    monkeypatch.setattr(client.machine.links.timeouts, "of", lambda contacts, now: 2 * 10**9)
    near, far, mute = net.replicas("key")
    asked: list[Peer] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        asked.extend([target] if isinstance(message, Store) else [])
        if source in (far, mute) and isinstance(message, Stored):
            return HOLD if source is far else DROP
        return PASS

    net.judge = judge
    number = client.write("key", b"newer")
    net.run(1)
    assert asked == [near, far, mute]
    net.release()
    assert client.result(number).acks == 2
    assert asked == [near, far, mute, near, mute]


def test_nodes_that_are_slow_are_not_taken_for_nodes_that_are_not_there(net: Net) -> None:
    """A lookup finds only those that answer in time; a busy machine's nodes may all be late."""
    client = net.client()
    late = net.nodes[1:]
    net.judge = lambda source, target, message: HOLD if source in late else PASS
    number = client.write("key", b"value", timeout_s=10)
    net.run(4)
    assert number not in client.results
    net.judge = lambda *_: PASS
    net.release()
    assert client.result(number).acks >= 2
