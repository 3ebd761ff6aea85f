"""Versions that wrong clocks make: what they may spoil, and for how long."""

import pytest

from p2pcore.errors import ClockOffsetError, KeyNotFoundError
from p2pcore.ids import key_of
from p2pcore.wire import messages as m
from tests.net import DROP, PASS, Net, Peer

HOUR_MS = 3_600_000


def test_a_clients_clock_that_was_ahead_for_a_moment_spoils_nothing_afterwards() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    client.wall_offset_ms = HOUR_MS
    with pytest.raises(ClockOffsetError):
        client.store("key", b"too early")
    client.wall_offset_ms = 0
    for name in ("key", "other"):
        version = client.store(name, b"value").version
        assert abs(int.from_bytes(version[:6]) - client.now.wall_ms) < 1000


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("silent", [False, True])
def test_a_version_of_the_far_future_at_one_replica_hides_nothing(
    batch: bool, silent: bool
) -> None:
    """It was never acknowledged, and is not read as long as there is a quorum without it."""
    net = Net()
    net.swarm(3)
    node, client, strange = net.replicas("key")[0], net.client(), net.client()
    client.store("key", b"value")
    node.wall_offset_ms = strange.wall_offset_ms = HOUR_MS
    with pytest.raises(ClockOffsetError, match="by 2 of 3"):
        strange.store("key", b"from the future")
    assert node.holds("key").value == b"from the future"
    if silent:
        net.replicas("key")[1].silent = True
    read = retrieve_in_batch if batch else retrieve
    for number in range(6):
        if silent:  # there is no other quorum: better this than none
            assert read(client) == b"from the future"
            continue
        assert read(client) == b"value"
        client.store("key", b"value" if number < 5 else None)
    if not silent:
        with pytest.raises(KeyNotFoundError):
            read(client)


def retrieve(client: Peer) -> bytes:
    return bytes(client.retrieve("key"))


def retrieve_in_batch(client: Peer) -> bytes:
    number, deadline_ns = client.operation(), client.net.mono_ns + 5_000_000_000
    keys = [key_of("key")]
    client.tell(lambda now: client.machine.read_many(number, keys, ["key"], deadline_ns, now))
    (found,) = client.result(number)
    if isinstance(found, Exception):
        raise found
    return bytes(found)


@pytest.mark.parametrize("offset_ms", [-HOUR_MS, -48 * HOUR_MS, HOUR_MS])
def test_who_reads_by_a_wrong_clock_reads_the_newest_all_the_same(offset_ms: int) -> None:
    net = Net()
    net.swarm(5)
    client, reader = net.client(), net.client()
    reader.wall_offset_ms = offset_ms
    for number in range(20):
        client.store("key", b"%d" % number)
        assert reader.retrieve("key") == b"%d" % number


def test_a_clock_that_is_days_ahead_does_not_keep_what_was_deleted() -> None:
    """By that clock the deletion need not be remembered any more, but the record is older."""
    net = Net()
    net.swarm(3)
    client, names = net.client(), [f"key {number}" for number in range(10)]
    for name in names:
        client.store(name, b"value")
    net.run(1)
    late = net.nodes[1]
    net.judge = lambda source, target, message: (
        DROP if target is late and isinstance(message, m.Store) else PASS
    )
    for name in names:
        client.store(name, None)
    net.judge = lambda *_: PASS
    late.wall_offset_ms = 48 * HOUR_MS
    net.run(80)
    held = [late.machine.store.held(key_of(name)) for name in names]
    assert all(record is None or record.value is None for record in held)
