"""What a machine thinks of its peers: itself, told to others, and as an operation began."""

import msgspec

from p2pcore.overlay.inspection import NodeInfo
from p2pcore.session.peers import PeerEstimate, received, sent, worst_first
from p2pcore.session.trace import Trace
from p2pcore.wire.codec import FrameParser, encode_frame
from p2pcore.wire.limits import MAX_PEERS
from p2pcore.wire.messages import Inspected
from tests.net import HOLD, PASS, Net, Peer

IDS = [bytes([number]) * 32 for number in range(1, 4)]


def estimate(number: int, **fields: object) -> PeerEstimate:
    return PeerEstimate(IDS[number], 1.0, False, f"10.0.0.{number}:1", **fields)  # type: ignore[arg-type]


def test_it_is_the_same_at_the_other_end() -> None:
    peer = PeerEstimate(
        IDS[0], 2.75, True, "10.0.0.1:1", outlier=True, suspect=True, round_trip_ms=12.5, hedges=7
    )
    assert received(sent(peer)) == peer
    assert received(sent(estimate(1))) == estimate(1)


def test_the_worst_come_first() -> None:
    well, slow, silent = (
        estimate(0),
        estimate(1, outlier=True),
        estimate(2, suspect=True, outlier=True),
    )
    assert worst_first([well, slow, silent]) == [silent, slow, well]


def inspected(net: Net, asker: Peer, node: Peer) -> NodeInfo:
    number = asker.operation()
    target, due_ns = (node.address, None), net.mono_ns + 5 * 10**9
    asker.tell(lambda now: asker.machine.inspect(number, target, due_ns, now))
    info = asker.result(number)
    assert isinstance(info, NodeInfo)
    return info


def test_a_node_tells_what_it_thinks_of_others() -> None:
    net = Net()
    nodes = net.swarm(4)
    client = net.client()
    net.run(5)
    told = inspected(net, client, nodes[0])
    assert {peer.node_id for peer in told.peers} == {node.machine.node_id for node in nodes[1:]}
    trips_ms = {peer.round_trip_ms for peer in told.peers}
    assert {2.0} <= trips_ms <= {0.0, 2.0}, "who was pinged by the other has pinged nobody"
    assert not any(peer.suspect or peer.outlier for peer in told.peers)
    nodes[2].silent = True
    net.run(2)
    worst = inspected(net, client, nodes[0]).peers[0]
    assert (worst.node_id, worst.suspect, worst.outlier) == (nodes[2].machine.node_id, True, True)
    assert worst.address == nodes[2].address
    net.run(5)
    left = {peer.node_id for peer in inspected(net, client, nodes[0]).peers}
    assert nodes[2].machine.node_id not in left


def test_a_crawl_does_not_ask_for_it() -> None:
    net = Net()
    net.swarm(3)
    client = net.client()
    number = client.operation()
    client.tell(lambda now: client.machine.crawl(number, 10, net.mono_ns + 5 * 10**9, now))
    assert [node.peers for node in client.result(number).nodes] == [(), (), ()]


def test_an_older_node_tells_nothing_of_it() -> None:
    state = Inspected(1, "x", 1, True, 1, 1, 1, 1, 1, {"a": 1}, "memory", [sent(estimate(0))])
    body = msgspec.msgpack.decode(encode_frame(state)[4:])
    older = msgspec.msgpack.encode(body[:12])
    (message,) = FrameParser().feed(len(older).to_bytes(4) + older)
    assert isinstance(message, Inspected)
    assert message.peers == []
    assert len(body[12]) == 1 <= MAX_PEERS


def test_a_trace_has_what_was_thought_when_the_operation_began() -> None:
    net = Net()
    nodes = net.swarm(3)
    client = net.client()
    client.store("key", b"value")
    for _ in range(40):  # until it knows how long reads take
        client.retrieve("key")
    silent = nodes[1]
    net.judge = lambda source, target, message: HOLD if target is silent else PASS
    for _ in range(3):
        client.retrieve("key")
    trace = Trace()
    number = client.read("key")
    client.tell(lambda now: client.machine.follow(number, trace))
    thought = {peer.node_id: peer for peer in trace.peers}[silent.machine.node_id]
    assert thought.late
    assert thought.outlier
    assert thought.hedges >= 1
    assert client.result(number) == b"value"
