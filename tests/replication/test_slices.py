"""A million records in one node: no turn of it looks at more than a few thousand.

Looks are counted at the store itself: every record that is read, written or listed, whoever does
it. So a new scan over all records is found by this test, without a clock.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from p2pcore.ids import Key
from p2pcore.replication.replica import TALLIED_AT_ONCE
from p2pcore.storage import ordered
from p2pcore.storage.memory import EXPIRE_RECORDS, TALLY_RECORDS, Record
from p2pcore.versions import Version
from p2pcore.wire.messages import Listed, Message, Summed, Surveyed
from tests.net import PASS, Net, Peer

RECORDS = 1_000_000
SETTINGS: dict[str, Any] = {
    "max_store_bytes": 1 << 40,
    "repair_bytes_per_s": 1 << 20,
    "leave_timeout_s": 1,
}
ENDING = 20_000  # of these, all at the same millisecond
MOST_LOOKS = 5000  # in one turn: a page is listed and looked up (2,000), and what is new tallied


class Looks(dict[Key, Record]):
    """The records of a store, and how often somebody has looked since the last turn."""

    looks = most = 0

    def get(self, key: Any, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)

    def __getitem__(self, key: Key) -> Record:
        self.looks += 1
        return super().__getitem__(key)

    def __setitem__(self, key: Key, record: Record) -> None:
        self.looks += 1
        super().__setitem__(key, record)

    def __delitem__(self, key: Key) -> None:
        self.looks += 1
        super().__delitem__(key)

    def __iter__(self) -> Iterator[Key]:
        self.looks += len(self)
        return super().__iter__()

    def items(self) -> Any:
        self.looks += len(self)
        return super().items()

    values = keys = items

    def turn_over(self) -> None:
        self.most = max(self.most, self.looks)
        self.looks = 0


@pytest.fixture(scope="module")
def net() -> Net:
    net = Net()
    nodes = net.swarm(4, **SETTINGS)
    version = Version((1 << 80).to_bytes(16))
    ends_ms = nodes[0].now.wall_ms + 3000
    lasting, ending = Record(version, b"v", 0), Record(version, b"v", ends_ms)
    store = nodes[0].machine.store
    for number in range(RECORDS):
        key = Key(sha256(number.to_bytes(4)).digest())
        store.put(key, ending if number < ENDING else lasting, nodes[0].now.wall_ms)
    return net


def watched(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Looks:
    """Every turn of this peer, and what it looks at."""
    store, tell = peer.machine.store, peer.tell
    records = store._records if isinstance(store._records, Looks) else Looks(store._records)
    records.looks = records.most = 0
    after = ordered.Ordered.after

    def listed(self: ordered.Ordered[bytes], item: bytes, count: int) -> list[bytes]:
        found = after(self, item, count)
        records.looks += len(found)
        return found

    def told(event: Any) -> None:
        tell(event)
        records.turn_over()

    monkeypatch.setattr(store, "_records", records)
    monkeypatch.setattr(ordered.Ordered, "after", listed)
    monkeypatch.setattr(peer, "tell", told)
    return records


@pytest.mark.slow
def test_no_turn_grows_with_the_records(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    node = net.nodes[0]
    counters, store = node.machine.counters, node.machine.store
    first_ms = store.next_end_ms()
    assert first_ms is not None
    looks = watched(node, monkeypatch)
    answers: list[Message] = []

    def judge(source: Peer, target: Peer, message: Message) -> str:
        if source is node and isinstance(message, Surveyed | Summed | Listed):
            answers.append(message)
        return PASS

    net.judge = judge
    net.node(**SETTINGS)  # pulls, and pushes the node out of many keys
    net.run_until(lambda: counters.records_dropped > 1000, 20)  # others have taken it over
    assert any(isinstance(answer, Surveyed) and len(answer.sums) == 384 for answer in answers)
    summed = [answer.sums for answer in answers if isinstance(answer, Summed)]
    assert any(len(sums) - sums.count(0) > 2000 * 5 for sums in summed), "of so many slots"
    assert sum(isinstance(answer, Listed) for answer in answers) > 3
    assert looks.most > 1000, "it is watched"
    client = net.client()
    client.store("one", b"more")
    assert client.retrieve("one") == b"more"
    node.tell(node.machine._replica.tidy_later)  # as when they are stored over the wire
    net.run_until(lambda: (store.next_end_ms() or 0) > first_ms, 5)  # the ending have ended
    number = node.operation()
    node.tell(lambda now: node.machine.hand_over(number, now))
    node.result(number)
    assert len(store) > 0.9 * RECORDS, "so much was there all the time"
    assert EXPIRE_RECORDS < looks.most <= MOST_LOOKS


def test_what_is_stored_is_tallied_between_turns() -> None:
    """Not by the stores, nor all at once a second later."""
    net = Net()
    [node] = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    client, store = net.client(), node.machine.store
    for number in range(TALLY_RECORDS + 40):
        client.write(f"key {number}", b"v")
        net.run(0.00001)
    net.run_until(lambda: len(store) == TALLY_RECORDS + 40)
    began_ns, left = net.mono_ns, [len(store.untallied)]
    while len(store.untallied) >= TALLIED_AT_ONCE:
        net.run(1e-4)
        left.append(len(store.untallied))
    assert left[0] > TALLY_RECORDS, "the stores have left it"
    assert {a - b for a, b in pairwise(left)} == {0, TALLIED_AT_ONCE}, "in slices"
    assert net.mono_ns - began_ns < 10_000_000, "of virtual time"


def test_a_sweep_stands_in_the_way_of_reads_for_less_than_a_read_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 300,000 records it takes hundreds of turns, among which reads come; each record is listed
    and looked up."""
    net = Net()
    [node] = net.swarm(1, replication_factor=1, write_quorum=1, read_quorum=1)
    for number in range(3000):
        key = Key(sha256(number.to_bytes(4)).digest())
        node.machine.store.put(key, Record(Version(bytes(16)), b"v", 0), node.now.wall_ms)
    net.run(1)  # all are tallied
    looks = watched(node, monkeypatch)
    net.run(40)
    assert 256 < looks.most <= 2 * 256
