"""Operations of a node's own application: like a client's, and not like those that it runs for
peers."""

import pytest

from p2pcore.errors import KeyNotFoundError
from tests.net import Net


def test_a_node_whose_clock_is_behind_still_writes_the_newest_value() -> None:
    """A replica tells of a newer version; for a peer that would be the peer's affair."""
    net = Net()
    nodes = net.swarm(4)
    client = net.client()
    nodes[0].wall_offset_ms = -5000
    client.store("key", b"old")
    receipt = nodes[0].store("key", b"new")
    assert receipt.acks >= 2
    assert {peer.retrieve("key") for peer in (*nodes, client)} == {b"new"}


def test_a_node_that_is_no_replica_asks_those_that_are() -> None:
    net = Net()
    nodes = net.swarm(6)
    far = next(node for node in nodes if node not in net.replicas("key"))
    far.store("key", b"value")
    assert far.holds("key") is None
    assert far.retrieve("key") == b"value"
    far.store("key", None)
    with pytest.raises(KeyNotFoundError):
        net.replicas("key")[0].retrieve("key")


def test_its_operations_end_at_their_deadline() -> None:
    net = Net()
    nodes = net.swarm(4)
    for node in nodes[1:]:
        node.silent = True
    began_ns = net.mono_ns
    with pytest.raises(TimeoutError, match="of 2 replicas took part in time"):
        nodes[0].store("key", b"value", timeout_s=0.3)
    assert net.mono_ns - began_ns <= 400_000_000
