"""Why there is no compare-and-set: the counter-schedule of decision 20, on the real machines.

Each replica checks, as it would have to, that it holds the version that the writer has read. No
message is lost, nobody lies, no clock is wrong, and no node comes or goes.
"""

from typing import Any

import pytest

from p2pcore.errors import DeadlineError
from p2pcore.ids import key_of
from p2pcore.wire.messages import Failed, Message, Put, Reason, Store
from tests.net import DROP, HOLD, PASS, Net, Peer


def check_first(node: Peer, writers: list[Peer], base: bytes) -> None:
    """This replica takes the writers' next stores only in the place of version `base`."""
    links, honest = node.machine.links, node.machine.links.handlers[Store]
    ids = [writer.machine.node_id for writer in writers]

    def handle(link: Any, request: Store, now: Any) -> None:
        held = node.machine.store.version(key_of("key"))
        if link.peer_id in ids and held not in (base, request.version):
            links.reply(link, Failed(request.id, Reason.NO_QUORUM, "another version is here"))
        else:
            honest(link, request, now)

    links.handlers[Store] = handle


def test_a_write_that_was_refused_replaces_one_that_was_acknowledged() -> None:
    net = Net()
    a, b, c = net.swarm(3)
    ann, bob, reader = net.client(), net.client(), net.client()
    base = ann.store("key", b"0").version
    net.run(1)
    for node in (a, b, c):
        check_first(node, [ann, bob], base)

    def one_way_first(source: Peer, target: Peer, message: Message) -> str:
        """Ann's stores come first to A and C, and Bob's to B."""
        if isinstance(message, Put):
            return DROP
        late = (source is ann and target is b) or (source is bob and target in (a, c))
        return HOLD if late and isinstance(message, Store) else PASS

    net.judge = one_way_first
    first = ann.write("key", b"0 + 1, by Ann", timeout_s=2)
    net.run(0.001)
    second = bob.write("key", b"0 + 2, by Bob", timeout_s=2)
    net.run(0.1)
    net.judge = lambda source, target, message: DROP if isinstance(message, Put) else PASS
    net.release()
    receipt = ann.result(first)
    assert receipt.acks == 2  # both replicas had held the base, and no other writer has two
    with pytest.raises(DeadlineError, match="another version is here"):
        bob.result(second)

    for _ in range(
        3
    ):  # whichever two replicas are asked: once B is among them, Bob's is the newest
        value = reader.retrieve("key")
    net.run(1)
    assert value == b"0 + 2, by Bob"
    assert {node.holds("key").value for node in (a, b, c)} == {b"0 + 2, by Bob"}
    assert ann.retrieve("key") == b"0 + 2, by Bob"
