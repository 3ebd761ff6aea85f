"""Values that are on disk only: they are read when they are needed, and what is damaged is not
given to anybody."""

from collections.abc import Iterator

import msgspec
import pytest

from p2pcore.effects import Send
from p2pcore.errors import BusyError, DeadlineError, QuorumError
from p2pcore.ids import key_of
from p2pcore.replication import recall
from p2pcore.replication.ownership import Standing
from p2pcore.storage.logged import CACHED_OVERHEAD_BYTES
from p2pcore.wire.messages import Draw, Drawn, Found, FoundMany, Message, Missing, NotReady, Survey
from tests.net import DROP, PASS, Net, Peer

ALONE = {"replication_factor": 1}
KEYS = [f"key {number}" for number in range(20)]
VALUE_BYTES = 1000
SMALL = {"cache_bytes": 3 * (VALUE_BYTES + CACHED_OVERHEAD_BYTES)}


def value_of(name: str) -> bytes:
    return name.encode() * (VALUE_BYTES // len(name))


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    for peer in net.nodes:
        peer.syncs = True
        peer.sync()
    net.check()


def cold(peer: Peer) -> list[str]:
    held = [(key, peer.machine.store.held(key_of(key))) for key in KEYS]
    return [key for key, record in held if record is not None and record.is_cold]


def filled(net: Net, **settings: object) -> tuple[Peer, Peer]:
    node, client = net.node(disk=True, **ALONE, **SMALL, **settings), net.client()
    for key in KEYS:
        client.store(key, value_of(key))
    return node, client


def damage(peer: Peer, name: str) -> None:
    """The newest value of a key is not what was written."""
    place = max(n for n, each in enumerate(peer.disk) if each.key == key_of(name))
    peer.disk[place] = msgspec.structs.replace(peer.disk[place], version=bytes(16))


def test_values_beyond_the_cache_are_on_disk_and_come_when_asked_for(net: Net) -> None:
    node, client = filled(net)
    store = node.machine.store
    assert len(cold(node)) == len(KEYS) - 3
    assert store.warm_bytes <= SMALL["cache_bytes"]
    assert node.machine.counters.values_recalled == 0
    for key in KEYS:
        assert client.retrieve(key) == value_of(key)
    assert node.machine.counters.values_recalled >= len(KEYS) - 3
    assert store.warm_bytes <= SMALL["cache_bytes"]
    assert store.size_bytes == sum(400 + len(value_of(key)) for key in KEYS)


def test_what_was_used_last_stays(net: Net) -> None:
    node, client = filled(net)
    client.retrieve(KEYS[0])
    client.retrieve(KEYS[0])
    client.store(KEYS[5], value_of(KEYS[5]))
    client.retrieve(KEYS[0])
    client.store(KEYS[6], value_of(KEYS[6]))
    before = node.machine.counters.values_recalled
    assert client.retrieve(KEYS[0]) == value_of(KEYS[0])
    assert node.machine.counters.values_recalled == before


def test_what_is_not_on_disk_stays_in_memory(net: Net) -> None:
    node, client = filled(net)
    node.syncs = False
    numbers = [client.write(f"more {n}", b"v" * VALUE_BYTES) for n in range(10)]
    net.run(0.1)
    assert all(not node.holds(f"more {n}").is_cold for n in range(10))
    node.sync()
    assert sum(node.holds(f"more {n}").is_cold for n in range(10)) == 7
    for number in numbers:
        client.result(number)


def test_what_the_disk_had_no_room_for_stays_in_memory_and_is_written_later(net: Net) -> None:
    node, client = filled(net)
    node.syncs = False
    number = client.write(KEYS[0], b"new" * 300, timeout_s=0.5)
    net.run(0.1)
    last, node.unsynced = node.unsynced[-1].number, []
    node.tell(lambda now: node.machine.journal.refused(last, "no space", now))
    net.run(0.6)
    with pytest.raises(Exception, match="full"):
        client.result(number)
    node.syncs = True
    node.sync()
    net.run(3)
    for key in KEYS[1:]:
        client.retrieve(key)
    assert client.retrieve(KEYS[0]) == b"new" * 300
    rewritten = [each for each in node.disk if each.key == key_of(KEYS[0])]
    assert rewritten[-1].value == b"new" * 300
    assert rewritten[-1].replaces == last


def test_batches_and_own_reads_come_from_disk_as_well(net: Net) -> None:
    node, client = filled(net)
    operation, due_ns = client.operation(), net.mono_ns + 5_000_000_000
    keys = [key_of(key) for key in KEYS]
    client.tell(lambda now: client.machine.read_many(operation, keys, KEYS, due_ns, now))
    assert client.result(operation) == [value_of(key) for key in KEYS]
    assert node.retrieve(KEYS[2]) == value_of(KEYS[2])
    assert node.machine.store.warm_bytes <= SMALL["cache_bytes"]


def test_one_read_serves_all_who_wait_for_it(net: Net) -> None:
    node, client = filled(net)
    node.syncs = False
    numbers = [client.read(KEYS[1]) for _ in range(5)]
    net.run(0.1)
    assert len(node.unread) == 1
    node.sync()
    assert [client.result(number) for number in numbers] == [value_of(KEYS[1])] * 5


def test_what_changes_meanwhile_is_seen(net: Net) -> None:
    node, client = filled(net)
    node.syncs = False
    reading, writing = client.read(KEYS[1]), client.write(KEYS[1], b"newer")
    net.run(0.1)
    node.sync()
    assert client.result(reading) == b"newer"
    client.result(writing)


def test_too_much_at_a_time_is_busy(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "MAX_READ_BYTES", 3 * VALUE_BYTES)
    node, client = filled(net)
    node.syncs = False
    numbers = [client.read(key, timeout_s=1) for key in cold(node)]
    net.run(2)
    assert len(node.unread) <= 5
    results = [client.results.pop(number) for number in numbers]
    assert any(isinstance(each, BusyError) for each in results)
    assert all(isinstance(each, BusyError | DeadlineError | QuorumError) for each in results)


def test_records_are_handed_over_from_disk(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True, **SMALL), net.client()
    for key in KEYS:
        client.store(key, value_of(key))
    net.run(1)
    assert all(cold(node) for node in nodes)
    newcomer = net.node(disk=True, **SMALL)
    net.run_until(lambda: newcomer.machine.ownership.settled)
    net.run(40)  # who was pushed out has given up its share
    net.leave(nodes[0])
    net.run(10)
    reader = net.client(bootstrap=[newcomer.address])
    assert [reader.retrieve(key) for key in KEYS] == [value_of(key) for key in KEYS]
    assert sum(node.machine.counters.records_pushed for node in nodes) > 0


def test_a_restart_reads_no_values(net: Net) -> None:
    node, _ = filled(net)
    net.kill(node)
    back = net.node(back=node, bootstrap=(), join=False, **ALONE, **SMALL)
    assert back.result(back.join()) is None
    store = back.machine.store
    assert cold(back) == KEYS
    assert store.warm_bytes == 0
    assert store.size_bytes == node.machine.store.size_bytes
    assert list(store.slots()) == list(node.machine.store.slots())
    assert store.keys_after(b"", 100) == sorted(key_of(key) for key in KEYS)
    client = net.client(bootstrap=[back.address])
    assert client.retrieve(KEYS[3]) == value_of(KEYS[3])
    assert client.store(KEYS[3], b"newer").acks == 1
    before, after = [each for each in back.disk if each.key == key_of(KEYS[3])]
    assert after.replaces == before.number


def test_a_damaged_value_is_given_to_nobody_and_pulled_from_the_others(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True, **SMALL), net.client()
    for key in KEYS:
        client.store(key, value_of(key))
    net.run(1)
    node = nodes[1]
    name = cold(node)[0]
    damage(node, name)
    said: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if source is node and isinstance(message, Found | FoundMany | Missing | NotReady):
            said.append(message)
        return PASS

    net.judge = judge
    for _ in range(6):  # each begins with another replica
        assert client.retrieve(name) == value_of(name)
    assert node.machine.counters.values_damaged == 1
    assert not any(isinstance(each, Missing) for each in said)
    net.run_until(lambda: node.machine.ownership.settled)
    held = node.machine.store.held(key_of(name))
    assert held is not None
    assert held.value == value_of(name)
    assert node.machine.counters.records_pulled >= 1


def test_a_node_does_not_count_for_what_it_has_lost_until_it_has_compared(net: Net) -> None:
    nodes, client = net.swarm(3, disk=True, **SMALL), net.client()
    for key in KEYS:
        client.store(key, value_of(key))
    net.run(1)
    node = nodes[1]
    name, other = cold(node)[:2]
    damage(node, name)
    net.judge = lambda source, target, message: DROP if isinstance(message, Survey) else PASS
    for _ in range(6):  # each begins with another replica
        assert client.retrieve(name) == value_of(name)
    standing = node.machine.ownership.standing
    assert standing(int.from_bytes(key_of(name))) is Standing.PENDING
    assert standing(int.from_bytes(key_of(other))) is Standing.READY
    assert not node.machine.ownership.settled
    net.judge = lambda source, target, message: PASS
    net.run_until(lambda: node.machine.ownership.settled, 60)
    assert standing(int.from_bytes(key_of(name))) is Standing.READY


def test_what_nobody_asks_for_is_looked_at_as_well(net: Net) -> None:
    """One of a hundred a minute: all of these within 100 minutes and the rounds that it takes. What
    is in memory as well is written again; what is not, is dropped where nobody else has it."""
    node, client = filled(net)
    lost, kept = cold(node)[0], KEYS[-1]
    assert not node.machine.store.held(key_of(kept)).is_cold
    damage(node, lost)
    damage(node, kept)
    net.run(110 * 60)
    assert node.machine.counters.values_damaged == 2
    newest = [each for each in node.disk if each.key == key_of(kept)][-1]
    assert newest.value == value_of(kept)
    assert newest.version == node.machine.store.held(key_of(kept)).version
    assert node.machine.store.held(key_of(lost)) is None
    assert client.retrieve(kept) == value_of(kept)
    assert any("damaged on disk" in notice for notice in node.notices)


def test_what_a_node_has_missed_is_drawn_from_disk(net: Net) -> None:
    """Who was away asks for the records by halves of their keys, and waits until they are read."""
    nodes, client = net.swarm(3, disk=True, **SMALL), net.client()
    for key in KEYS:
        client.store(key, value_of(key))
    net.kill(nodes[2])
    for key in KEYS:
        client.store(key, value_of(f"{key} again"))
    net.run(1)
    drawn: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        drawn.extend([message] if isinstance(message, Drawn) else [])
        return PASS

    net.judge = judge
    back = net.node(back=nodes[2], **SMALL)
    net.run_until(lambda: back.machine.ownership.settled)
    assert drawn
    assert sum(node.machine.counters.values_recalled for node in nodes[:2]) > 0
    assert not any(node.machine.counters.misbehaved for node in net.nodes)
    for key in KEYS:
        assert back.holds(key).version == nodes[0].holds(key).version
        assert client.retrieve(key) == value_of(f"{key} again")


def test_only_nodes_have_what_they_draw_read(net: Net) -> None:
    node, client = filled(net)
    node.syncs = False
    link_id = next(iter(client.machine.links.by_id))
    draw = Draw(1 << 40, key_of(cold(node)[0])[:8])
    net.carry_out(client, Send((link_id,), draw))
    net.run(0.1)
    assert not node.unread
    assert node.machine.counters.requests_refused == 1
