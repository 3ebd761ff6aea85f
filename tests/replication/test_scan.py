"""Names of listed records are found, each once, whoever lies, dies or comes."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from p2pcore.contact import Contact
from p2pcore.effects import Instant
from p2pcore.errors import DeadlineError, IncompatibleError, ProtocolError, QuorumError
from p2pcore.ids import ID_BITS, Key, key_of
from p2pcore.replication import scan as scan_module
from p2pcore.replication.naming import LOOKS
from p2pcore.replication.scan import LAST_KEY, NamesFound, Scan, Stretch
from p2pcore.storage.memory import Record
from p2pcore.versions import Version
from p2pcore.wire import messages as m
from p2pcore.wire.limits import MAX_LISTED_BYTES, MAX_NAMES_BYTES
from tests.net import DROP, PASS, Net, Peer

TIMEOUT_S = 8.0


def put(client: Peer, *names: str, listed: bool = True, ttl_ms: int | None = None) -> None:
    number = client.operation()
    items = [(key_of(name), b"value of " + name.encode()) for name in names]
    listing = [name.encode() for name in names] if listed else []
    deadline_ns = client.net.mono_ns + 5_000_000_000
    client.tell(
        lambda now: client.machine.write_many(number, items, ttl_ms, deadline_ns, now, listing)
    )
    assert not [each for each in client.result(number) if isinstance(each, Exception)]


def step(peer: Peer, scan: Scan, limit: int = 1000, timeout_s: float = TIMEOUT_S) -> NamesFound:
    number, deadline_ns = peer.operation(), peer.net.mono_ns + round(timeout_s * 1e9)
    peer.tell(lambda now: peer.machine.scan(number, scan, limit, deadline_ns, now))
    found: NamesFound = peer.result(number)
    scan.after = found.reached
    return found


def listing(peer: Peer, prefix: str = "", limit: int = 1000) -> list[str]:
    """All names, in the order in which a scan gives them; none twice."""
    scan, names = Scan(prefix.encode()), []
    while not scan.over:
        before = scan.after
        names += step(peer, scan, limit).names
        assert scan.after > before
    keys = [key_of(name) for name in names]
    assert all(one < other for one, other in pairwise(keys))
    return [name.decode() for name in names]


def some(count: int, start: str = "key") -> list[str]:
    return [f"{start} {n}" for n in range(count)]


@pytest.mark.parametrize("count", [3, 5, 30])
def test_all_that_are_listed_are_found_once_by_clients_and_nodes(count: int) -> None:
    net = Net()
    nodes, client = net.swarm(count), net.client()
    put(client, *some(200), *some(50, "other"))
    put(client, *some(50, "unlisted"), listed=False)
    for peer in (client, nodes[0], nodes[-1]):
        assert sorted(listing(peer)) == sorted([*some(200), *some(50, "other")])
        assert sorted(listing(peer, "other", limit=7)) == sorted(some(50, "other"))
    assert listing(client, "nothing") == []
    net.check()


def test_a_lone_node_lists_what_it_has() -> None:
    net = Net()
    node = net.node(replication_factor=1, write_quorum=1, read_quorum=1)
    put(node, *some(20))
    assert sorted(listing(node)) == sorted(some(20))


def test_what_is_deleted_stored_anew_or_over_is_not_listed() -> None:
    net = Net()
    net.swarm(5)
    client = net.client()
    put(client, "kept", "deleted", "plain now")
    put(client, "short", ttl_ms=2000)
    assert sorted(listing(client)) == ["deleted", "kept", "plain now", "short"]
    client.store("deleted", None)
    put(client, "plain now", listed=False)
    net.run(2.1)
    assert listing(client) == ["kept"]
    put(client, "deleted", "plain now")
    assert sorted(listing(client)) == ["deleted", "kept", "plain now"]


def test_a_scan_goes_on_where_it_stopped() -> None:
    net = Net()
    net.swarm(5)
    client = net.client()
    put(client, *some(300))
    scan = Scan(b"")
    first = step(client, scan, limit=20).names
    rest, again = [], Scan(b"", key_of(first[-1]))
    while not again.over:
        rest += step(client, again).names
    assert sorted(each.decode() for each in first + rest) == sorted(some(300))


def test_names_are_handed_over_pulled_and_repaired() -> None:
    """By those who join, leave, are lost, and who have missed them."""
    net = Net()
    net.swarm(4)
    client = net.client()
    put(client, *some(60))
    for change in (net.node, net.node, lambda: net.leave(net.nodes[1]), net.node):
        change()
        alive = [node for node in net.nodes if node.alive]
        net.run_until(lambda a=alive: all(n.machine.ownership.settled for n in a))  # type: ignore[misc]
        net.run(3)
        assert sorted(listing(client)) == sorted(some(60))
    for name in some(60):
        for replica in net.replicas(name):
            assert replica.holds(name).name == name.encode()


def test_a_read_repairs_with_the_name() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    behind = net.nodes[2]
    net.judge = lambda source, target, message: (
        DROP if target is behind and isinstance(message, m.StoreMany | m.Store) else PASS
    )
    put(client, "key")
    net.judge = lambda source, target, message: PASS
    assert behind.holds("key") is None
    for _ in range(3):
        client.retrieve("key")
        net.run(0.1)
    assert behind.holds("key").name == b"key"


def test_a_name_that_one_replica_has_missed_is_found_without_another() -> None:
    """R answers suffice, whichever they are."""
    for lost in range(3):
        for without in range(3):
            net = Net()
            nodes = net.swarm(3)
            client = net.client()
            missed = nodes[without]
            net.judge = lambda source, target, message, missed=missed: (  # type: ignore[misc]
                DROP if target is missed and isinstance(message, m.StoreMany | m.Store) else PASS
            )
            put(client, "key")
            silent = nodes[lost]
            net.judge = lambda source, target, message, silent=silent: (  # type: ignore[misc]
                DROP if source is silent and isinstance(message, m.NamesListed) else PASS
            )
            if lost != without:
                assert listing(client) == ["key"]


def test_nodes_that_are_lost_are_done_without() -> None:
    net = Net()
    nodes = net.swarm(8)
    client = net.client()
    put(client, *some(100))
    nodes[3].silent = True
    assert sorted(listing(client)) == sorted(some(100))
    net.kill(nodes[5])
    nodes[3].silent = False
    assert sorted(listing(client)) == sorted(some(100))


def test_too_few_nodes_are_no_listing() -> None:
    net = Net()
    nodes = net.swarm(3)
    client = net.client()
    put(client, "key")
    for node in nodes[1:]:
        net.kill(node)
    with pytest.raises(QuorumError, match="scan needs 2 nodes, the network has 1"):
        listing(client)
    net.run(1)
    assert not [c for c in client.machine.links.calls.values() if type(c).__name__ == "ScanStep"]


def test_nodes_of_an_older_version_are_named() -> None:
    net = Net()
    nodes = net.swarm(3)
    client = net.client()
    put(client, "key")
    for node in nodes[1:]:
        node.machine.links.handlers[m.ListNames] = lambda link, request, now, node=node: (
            node.machine.links.reply(
                link, m.Failed(request.id, m.Reason.UNKNOWN_MESSAGE, "unknown")
            )
        )
        if node is nodes[1]:
            assert listing(client) == ["key"]
    with pytest.raises(IncompatibleError, match="older version"):
        listing(client)


# Peers that lie


def lie(net: Net, liar: Peer, false: Any) -> None:
    """From now on this one answers so when it is asked for names."""
    links = liar.machine.links
    links.handlers[m.ListNames] = lambda link, request, now: links.reply(link, false(request))


def beyond(after: bytes, step: int = 1) -> bytes:
    return min(int.from_bytes(after.rjust(32, b"\0")) + step, (1 << 256) - 1).to_bytes(32)


IN_ORDER = sorted((f"false {n}".encode() for n in range(900)), key=key_of)


@pytest.mark.parametrize(
    "false",
    [
        lambda r: m.NamesListed(r.id, [], beyond(r.after)),  # for ever
        lambda r: m.NamesListed(r.id, [], r.after.rjust(32, b"\0")),  # not on
        lambda r: m.NamesListed(r.id, IN_ORDER[:2], beyond(r.after)),
        lambda r: m.NamesListed(r.id, IN_ORDER[::-1], r.last),
        lambda r: m.NamesListed(r.id, [b"false"] * 3, r.last),
        lambda r: m.NamesListed(r.id, [f"f{n:1023}".encode() for n in range(900)], r.last),
        lambda r: m.Failed(r.id, m.Reason.BUSY, "no"),
        lambda r: m.Pong(r.id),
        lambda r: m.NotReady(r.id),
    ],
)
def test_one_that_lies_neither_holds_a_scan_up_nor_puts_names_in(false: Any) -> None:
    net = Net()
    nodes = net.swarm(5)
    client = net.client()
    put(client, *some(50))
    lie(net, nodes[2], false)
    sent = net.sent
    assert sorted(listing(client, "key")) == sorted(some(50))
    assert net.sent - sent < 60


def test_a_replica_invents_names_of_its_own_keys_at_most() -> None:
    """A member can store what it likes: that is outside the promise. But not beyond its range."""
    net = Net()
    nodes = net.swarm(8)
    client = net.client()
    put(client, *some(50))
    lie(net, nodes[2], lambda r: m.NamesListed(r.id, IN_ORDER, r.last))
    found = listing(client)
    assert set(some(50)) <= set(found)
    for name in set(found) - set(some(50)):
        assert nodes[2] in net.replicas(name)


def test_a_false_name_is_not_kept() -> None:
    net = Net()
    nodes = net.swarm(3)
    client = net.client()
    number = client.operation()
    key, deadline_ns = key_of("one"), net.mono_ns + 300_000_000
    client.tell(
        lambda now: client.machine.write(number, key, b"v", None, deadline_ns, now, b"another")
    )
    with pytest.raises(DeadlineError, match="not the hash of its name"):
        client.result(number)
    assert all(node.holds("one") is None for node in nodes)
    false = Record(Version(bytes(15) + b"1"), b"v", 0, b"another")
    nodes[0].machine.store.put(key_of("one"), false, 0)
    net.run(40)  # they compare what they hold
    assert nodes[1].holds("one").name is None
    assert nodes[1].holds("one").value == b"v"


def test_where_every_answer_counts_a_liar_makes_an_end_of_it_not_an_endless_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan_module, "BARREN_STEPS", 50)
    net = Net()
    node = net.node(replication_factor=1, write_quorum=1, read_quorum=1)
    client = net.client()
    lie(net, node, lambda r: m.NamesListed(r.id, [], beyond(r.after)))
    with pytest.raises(ProtocolError, match="50 answers in a row"):
        listing(client)


# What one answer takes


def test_an_answer_is_bounded_whatever_is_held() -> None:
    net = Net()
    node = net.node(replication_factor=1, write_quorum=1, read_quorum=1)
    store, version = node.machine.store, Version(bytes(16))
    looked: list[bytes] = []
    held = store.held
    store.held = lambda key: (looked.append(key), held(key))[1]
    for name in [f"{n:05}{'x' * (MAX_LISTED_BYTES - 5)}".encode() for n in range(1500)]:
        store.put(key_of(name), Record(version, b"", 0, name), 0)
    server = node.machine.links.handlers[m.ListNames].__self__
    for prefix in (b"", b"00", b"none"):
        looked.clear()
        page = server._page(m.ListNames(1, prefix, b"", LAST_KEY), 1)
        assert len(looked) <= LOOKS
        assert sum(map(len, page.names)) <= MAX_NAMES_BYTES
        assert page.reached < LAST_KEY
        assert len(listing(node, prefix.decode())) == {b"": 1500, b"00": 1000, b"none": 0}[prefix]


def test_a_stretch_has_every_replica_of_its_keys() -> None:
    """Against brute force, in networks larger than a lookup, by clients and by nodes."""
    rng = Random(7)
    for size in (3, 19, 20, 21, 60, 400):
        everybody = [Contact.of(rng.randbytes(32), "10.0.0.1:1") for _ in range(size)]
        us = everybody.pop()
        start = stretches = 0
        while start < 1 << ID_BITS:
            closest = sorted(everybody, key=lambda c: c.point ^ start)[:20]
            for own in (None, us):
                stretch = Stretch(start, closest, own, 3, Instant(0, 0))
                last = int.from_bytes(stretch.last)
                assert start <= last
                all_of = everybody if own is None else [*everybody, us]
                for _ in range(20):
                    key = rng.randrange(start, last + 1)
                    true = sorted(all_of, key=lambda c: c.point ^ key)[:3]
                    assert stretch.replicas(Key(key.to_bytes(32))) == true
            stretches += 1
            start = int.from_bytes(stretch.last) + 1
        assert stretches <= size
