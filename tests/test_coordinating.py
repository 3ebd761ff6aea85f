"""What a node does for others: the limit is one for all links of an identity."""

from random import Random

from p2pcore.config import CoordinatorConfig
from p2pcore.effects import Instant, LinkId, Send
from p2pcore.errors import KeyNotFoundError
from p2pcore.ids import NodeId
from p2pcore.node import Node
from p2pcore.replication.coordinating import MAX_COORDINATED
from p2pcore.replication.operations import StoreReceipt
from p2pcore.versions import HybridClock
from p2pcore.wire.messages import Failed, Get, Put, Ready, Reason, Role, Settings
from tests.net import EPOCH_MS


def wake(node: Node, now: Instant) -> None:
    """As an edge does: in turn after turn, while the node has more to do at this time."""
    node.handle_timer(now)
    while (deadline_ns := node.next_deadline()) is not None and deadline_ns <= now.mono_ns:
        node.handle_timer(now)


def test_a_limit_per_peer_is_one_for_all_of_its_links() -> None:
    """And for those that it has lost: what was asked on them goes on, and holds its value."""
    config = CoordinatorConfig(give_up_after_s=60)  # who is silent stays
    node = Node(config, NodeId(bytes(32)), lambda purpose: Random(purpose))
    now = Instant(10**12, EPOCH_MS)
    node.open("h:1")
    node.join(0, now)
    settings = Settings(3, 2, 2)
    for number in range(1, 4):  # replicas that never answer
        node.connected(LinkId(number), NodeId(bytes([number]) * 32), "h:2", incoming=True, now=now)
        node.receive(LinkId(number), Ready(1, 1, Role.NODE, f"h:{number + 4}", settings), now)

    def put(link: int, count: int) -> int:
        """How many of these are coordinated."""
        node.drain()
        for number in range(count):
            node.receive(LinkId(link), Put(number, b"\1" * 32, bytes(16), b"v", 0, 60_000), now)
        sent = [effect.message for effect in node.drain() if isinstance(effect, Send)]
        failed = [message for message in sent if isinstance(message, Failed)]
        assert {message.reason for message in failed} <= {Reason.BUSY}
        return count - len(failed)

    for link in range(11, 19):
        node.connected(LinkId(link), NodeId(b"\x99" * 32), "h:2", incoming=True, now=now)
        node.receive(LinkId(link), Ready(1, 1, Role.CLIENT), now)
    assert put(11, 200) == 200
    assert put(12, 100) == MAX_COORDINATED - 200
    assert put(18, 10) == 0
    node.disconnected(LinkId(11), None, now)
    assert put(12, 10) == 0
    late = Instant(now.mono_ns + 61_000_000_000, now.wall_ms + 61_000)
    for part_ns in range(now.mono_ns, late.mono_ns, 200_000_000):
        wake(node, Instant(part_ns, now.wall_ms))
    wake(node, late)
    assert node.coordinating.by_peer == {}
    assert put(12, 10) == 10


def test_what_ends_is_told_with_the_time_that_it_took() -> None:
    node = Node(CoordinatorConfig(replication_factor=1), NodeId(bytes(32)), lambda p: Random(p))
    told: list[tuple[str, object, int]] = []
    node.coordinating.on_over = lambda *ended: told.append(ended)
    now = Instant(10**12, EPOCH_MS)
    node.open("h:1")
    node.join(0, now)
    node.connected(LinkId(1), NodeId(b"c" * 32), "c:1", incoming=True, now=now)
    node.receive(LinkId(1), Ready(1, 1, Role.CLIENT, "", Settings(1, 1, 1)), now)
    key, version = b"k" * 32, HybridClock(NodeId(b"c" * 32), max_ahead_ms=1).next(EPOCH_MS)
    node.receive(LinkId(1), Put(1, key, version, b"v", 0, 1000), now)
    node.receive(LinkId(1), Get(2, key, 1000), now)
    node.receive(LinkId(1), Get(3, b"n" * 32, 1000), now)
    assert [op for op, _, _ in told] == ["put", "get", "get"]
    assert isinstance(told[0][1], StoreReceipt)
    assert isinstance(told[2][1], KeyNotFoundError)
    assert all(took_ns == 0 for _, _, took_ns in told)  # time has stood still
