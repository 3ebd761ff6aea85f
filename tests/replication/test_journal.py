"""With a disk: who may count on what is held here, and when."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple

from p2pcore.effects import Instant
from p2pcore.errors import (
    BusyError,
    ConfigError,
    DeadlineError,
    KeyNotFoundError,
    StorageBrokenError,
    StorageFullError,
)
from p2pcore.ids import key_of
from p2pcore.replication import journal
from p2pcore.replication.journal import CLOCK_KEY, LEASE_MS, MEMBERS_KEY
from p2pcore.replication.notes import AGAIN
from p2pcore.versions import wall_ms_of
from p2pcore.wire.messages import Confirmed, Message, Stored, StoredMany
from tests.net import EPOCH_MS, PASS, Net, Peer
from tests.saved import Rotten, saved

ALONE: dict[str, Any] = {"replication_factor": 1}


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    for peer in net.nodes:
        peer.syncs = True
        peer.sync()
    net.check()


def on_disk(peer: Peer, name: str) -> bytes | None:
    found = [each.value for each in peer.disk if each.key == key_of(name)]
    return found[-1] if found else None


def test_a_store_is_acknowledged_when_it_is_synced(net: Net) -> None:
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    number = client.write("key", b"value")
    net.run(0.2)
    assert number not in client.results
    assert node.holds("key").value == b"value"
    assert client.retrieve("key") == b"value"
    node.sync()
    assert client.result(number).acks == 1
    assert on_disk(node, "key") == b"value"


def test_a_retry_of_what_is_not_synced_waits_as_well(net: Net) -> None:
    """It changes nothing, so that nothing more is written: yet it must not be acknowledged."""
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    number = client.write("key", b"value")
    net.run(2.5)  # rounds of asking
    assert client.machine.counters.retries > 1
    assert len([each for each in node.unsynced if each.key == key_of("key")]) == 1
    assert number not in client.results
    node.sync()
    client.result(number)
    net.run(1)


def test_batches_wait_too(net: Net) -> None:
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    sent: list[Message] = []
    net.judge = lambda source, target, message: sent.append(message) or PASS
    operation = client.operation()
    due_ns = net.mono_ns + 5_000_000_000
    items = [(key_of("a"), b"1"), (key_of("b"), b"2")]
    client.tell(lambda now: client.machine.write_many(operation, items, None, due_ns, now))
    net.run(0.2)
    assert not any(isinstance(each, StoredMany) for each in sent)
    node.sync()
    client.result(operation)


def test_a_coordinator_waits_for_its_own_disk(net: Net) -> None:
    """It asks itself as it asks others, and its own answer comes as late as theirs."""
    nodes = net.swarm(3, disk=True)
    client = net.client(bootstrap=[nodes[0].address])
    for node in nodes[1:]:
        net.cut(client, node)
    for node in nodes:
        node.syncs = False
    number = client.write("key", b"value")
    net.run(0.6)
    nodes[0].sync()
    net.run(0.1)
    assert number not in client.results
    nodes[1].sync()
    assert client.result(number).acks == 2
    net.heal()
    for node in nodes:
        node.syncs = True
        node.sync()
    net.run(5)


def test_records_are_handed_over_to_disks(net: Net) -> None:
    nodes, client = net.swarm(4, disk=True), net.client()
    for number in range(40):
        client.store(f"key {number}", b"value")
    net.run(1)
    newcomer = net.node(disk=True)
    newcomer.syncs = False
    confirmed: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if source is newcomer and isinstance(message, Confirmed):
            confirmed.append(message)
        return PASS

    net.judge = judge
    net.run(20)
    assert not newcomer.machine.ownership.settled
    assert not confirmed
    assert not any(node.machine.counters.records_dropped for node in nodes)
    newcomer.syncs = True
    newcomer.sync()
    net.run_until(lambda: newcomer.machine.ownership.settled)
    net.run_until(lambda: any(node.machine.counters.records_dropped for node in nodes), 60)


def test_what_was_on_disk_is_back_after_all_have_lost_their_power(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True), net.client()
    for number in range(30):
        client.store(f"key {number}", b"%d" % number)
    client.store("key 1", None)
    net.run(0.5)
    for node in nodes:
        net.kill(node)
    net.run(1)
    first = net.node(back=nodes[0], bootstrap=())
    back = [first, *(net.node(back=n, bootstrap=[first.address]) for n in nodes[1:])]
    net.run_until(lambda: all(node.machine.ownership.settled for node in back))
    reader = net.client(bootstrap=[first.address])
    for number in range(30):
        if number != 1:
            assert reader.retrieve(f"key {number}") == b"%d" % number
    with pytest.raises(KeyNotFoundError):
        reader.retrieve("key 1")


def test_one_that_comes_back_empty_compares_before_it_counts(net: Net) -> None:
    """Nobody counts when all come back at once. Whoever has lost its disk must ask them all the
    same, or two of three would say that nothing is there."""
    nodes, client = net.swarm(3, disk=True), net.client()
    keys = [f"key {number}" for number in range(30)]
    for key in keys:
        client.store(key, b"value")
    net.run(0.5)
    for node in nodes:
        net.kill(node)
    net.run(1)
    addresses = [f"10.0.0.{len(net.peers) + n}:7000" for n in (1, 2, 3)]
    nodes[1].disk.clear()
    back = [net.node(back=node, bootstrap=addresses, join=False) for node in nodes]
    joins = [node.join() for node in back]
    for node, number in zip(back, joins, strict=True):
        assert node.result(number) is None
    net.run_until(lambda: all(node.machine.ownership.settled for node in back))
    assert all(back[1].holds(key) is not None for key in keys)


def test_what_is_damaged_is_left_out_and_named_and_pulled(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True), net.client()
    client.store("key", b"value")
    net.run(0.5)
    net.kill(nodes[2])
    key = key_of("key")
    place = next(n for n, each in enumerate(nodes[2].disk) if each.key == key)
    sound = saved(nodes[2].disk)
    flipped = [msgspec.structs.replace(e, value=b"walue") if e.key == key else e for e in sound]
    assert [each.is_sound for each in flipped].count(False) == 1
    del nodes[2].disk[place]
    back = net.node(back=nodes[2], bootstrap=[nodes[0].address], join=False)
    back.tell(lambda now: back.machine.journal.restore(flipped, now))
    assert back.machine.journal.damaged == [key_of("key")]
    assert back.holds("key") is None
    assert back.result(back.join()) is None
    net.run_until(lambda: back.machine.ownership.settled)
    assert back.holds("key").value == b"value"


def test_a_full_disk_refuses_values_and_takes_deletes(net: Net) -> None:
    node, client = net.node(disk=True, **ALONE), net.client()
    client.store("old", b"value")
    node.syncs = False
    number = client.write("key", b"value", timeout_s=1)
    net.run(0.1)
    full(node)
    net.run_until(lambda: number in client.results)
    with pytest.raises(StorageFullError, match="the disk is full: no space"):
        client.result(number)
    with pytest.raises(StorageFullError):
        client.store("another", b"value", timeout_s=1)
    assert node.holds("another") is None
    assert client.retrieve("old") == b"value"
    for attempt in range(3):  # the tombstones fit, what was behind does not
        deleting = client.write("old", None)
        net.run(0.1)
        fitting = [each.number for each in node.unsynced if each.value is None]
        node.disk += [each for each in node.unsynced if each.value is None]
        last, node.unsynced = node.unsynced[-1].number, []
        for number in fitting:
            node.tell(lambda now, n=number: tell_group(node, n, now))
        assert client.result(deleting).acks == 1, attempt
        assert last in fitting
        assert isinstance(node.machine.journal.trouble, StorageFullError)
        net.run(1.2)
    node.syncs = True
    node.sync()
    net.run(1.5)
    assert node.machine.journal.trouble is None
    assert on_disk(node, "key") == b"value"
    client.store("another", b"value")
    assert "there is room on disk again" in node.notices


def test_what_did_not_fit_is_not_acknowledged_by_a_retry(net: Net) -> None:
    """It is in memory, unchanged by the retry, and the disk does not have it."""
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    number = client.write("key", None, timeout_s=3)
    for _ in range(20):
        net.run(0.1)
        full(node)
    net.run_until(lambda: number in client.results)
    with pytest.raises((StorageFullError, DeadlineError)):
        client.result(number)


def tell_group(node: Peer, number: int, now: Instant) -> None:
    """All up to this change did not fit, and this one did."""
    journal = node.machine.journal
    if journal._over < number - 1:
        journal.refused(number - 1, "no space", now)
    journal.persisted(number, now)


def test_what_did_not_fit_is_not_confirmed(net: Net) -> None:
    """Else whoever gives it up would drop it."""
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    number = client.write("key", b"value", timeout_s=0.5)
    net.run(0.1)
    version = node.holds("key").version
    store = node.machine.store
    assert not store.lacks(key_of("key"), version, 0, 0)
    full(node)
    assert store.lacks(key_of("key"), version, 0, 0)
    net.run(1.5)
    node.sync()
    assert not store.lacks(key_of("key"), version, 0, 0)
    with pytest.raises(StorageFullError):
        client.result(number)


def full(node: Peer) -> None:
    """There is no room for what waits."""
    written, node.unsynced = node.unsynced, []
    if written:
        node.tell(lambda now: node.machine.journal.refused(written[-1].number, "no space", now))


def test_a_disk_that_has_failed_counts_no_more(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True), net.client()
    client.store("key", b"value")
    broken = nodes[1]
    broken.syncs = False
    acknowledged: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if source is broken and isinstance(message, Stored | StoredMany | Confirmed):
            acknowledged.append(message)
        return PASS

    net.judge = judge
    number = client.write("other", b"value")
    net.run(0.1)
    broken.tell(lambda now: broken.machine.journal.failed("input/output error", now))
    assert client.result(number).acks >= 2
    net.run(1)
    broken.sync()  # what an edge should not say after that
    client.store("third", b"value")
    assert not acknowledged
    assert not broken.machine.ownership.settled
    assert isinstance(broken.machine.journal.trouble, StorageBrokenError)
    assert any("input/output error" in notice for notice in broken.notices)


def test_a_disk_that_can_not_keep_up_is_busy(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_UNSYNCED_BYTES", 10_000)
    node, client = net.node(disk=True, **ALONE), net.client()
    node.syncs = False
    numbers = [client.write(f"key {n}", b"v" * 4000, timeout_s=1) for n in range(5)]
    net.run(2)
    errors = [client.results.pop(number) for number in numbers]
    assert any(isinstance(error, BusyError) for error in errors)
    assert len(node.machine.store) < 5


def test_versions_never_go_back(net: Net) -> None:
    """The time of day is an hour earlier after the restart."""
    node = net.node(disk=True, **ALONE)
    before = node.machine.clock.next(node.now.wall_ms + 3000)
    net.run(LEASE_MS / 1000)  # the clock was written once more
    assert wall_ms_of(before) < wall_ms_of(node.disk[-1].version)
    net.kill(node)
    back = net.node(back=node, bootstrap=(), join=False, **ALONE)
    assert back.machine.clock.next(EPOCH_MS) > before


def test_records_older_than_deletions_are_remembered_are_refused(net: Net) -> None:
    node, client = net.node(disk=True, tombstone_grace_s=60.0, **ALONE), net.client()
    client.store("key", b"value")
    net.kill(node)
    net.run(50)
    net.kill(net.node(back=node, bootstrap=(), tombstone_grace_s=60.0, **ALONE))
    net.run(200)
    with pytest.raises(ConfigError, match=r"in use 2\d\d s ago.*60 s.*raise tombstone_grace_s"):
        net.node(back=node, bootstrap=(), join=False, tombstone_grace_s=60.0, **ALONE)
    net.peers[-1].alive = False


def test_what_is_dropped_or_ends_is_told_to_the_disk(net: Net) -> None:
    node = net.node(disk=True, tombstone_grace_s=5.0, **ALONE)
    client = net.client()
    client.store("key", b"value", ttl_ms=2000)
    net.run(4)
    ours = [each for each in node.disk if each.key == key_of("key")]
    assert [each.value for each in ours] == [b"value", None]
    assert ours[-1].version == ours[0].version
    net.run(10)
    assert [each for each in node.disk if each.key == key_of("key")][-1].version is None
    notes = {CLOCK_KEY, CLOCK_KEY + AGAIN, MEMBERS_KEY, MEMBERS_KEY + AGAIN}
    assert {each.key for each in saved(node.disk)} == notes


@pytest.mark.parametrize(
    "rotten", [[], [MEMBERS_KEY], [MEMBERS_KEY + AGAIN], [MEMBERS_KEY, MEMBERS_KEY + AGAIN]]
)
def test_who_comes_back_waits_for_most_of_those_that_it_knew(net: Net, rotten: list[bytes]) -> None:
    """Three of five are back: what is acknowledged may be on the others. Of four, one has it. So
    too where the founder's notes of them have rotted: one of the two, or both."""
    nodes, client = net.swarm(5, disk=True), net.client()
    for number in range(40):
        client.store(f"key {number}", b"value")
    net.run(1)
    for node in nodes:
        ids = next(each.value for each in saved(node.disk) if each.key == MEMBERS_KEY)
        assert ids is not None
        assert len(ids) == 4 * 32
    for node in nodes:
        net.kill(node)
    disk = nodes[0].disk
    disk[:] = [Rotten(*astuple(e)) if e.key in rotten else e for e in disk]
    net.run(1)
    first = net.node(back=nodes[0], bootstrap=())
    back = [first, *(net.node(back=n, bootstrap=[first.address]) for n in nodes[1:3])]
    net.run(20)
    assert not any(node.machine.ownership.settled for node in back)
    back.append(net.node(back=nodes[3], bootstrap=[first.address]))
    net.run_until(lambda: all(node.machine.ownership.settled for node in back), 5)
    reader = net.client(bootstrap=[first.address])
    assert all(reader.retrieve(f"key {number}") == b"value" for number in range(40))


def test_those_that_never_come_back_are_not_waited_for_for_ever(net: Net) -> None:
    nodes, client = net.swarm(5, disk=True), net.client()
    client.store("key", b"value")
    net.run(1)
    for node in nodes:
        net.kill(node)
    net.run(1)
    first = net.node(back=nodes[0], bootstrap=())
    second = net.node(back=nodes[1], bootstrap=[first.address])
    net.run(50)
    assert not first.machine.ownership.settled
    net.run(15)
    assert first.machine.ownership.settled
    assert second.machine.ownership.settled


def test_without_a_disk_nothing_is_told(net: Net) -> None:
    node, client = net.node(**ALONE), net.client()
    client.store("key", b"value")
    assert node.machine.journal is None
    assert node.unsynced == node.disk == []
