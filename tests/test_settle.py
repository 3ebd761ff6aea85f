"""A node that is put in its place, for simulations: `Node.settle`."""

from p2pcore.contact import Contact
from p2pcore.wire.messages import Survey
from tests.net import PASS, Net, Peer


def settled(net: Net, count: int) -> list[Peer]:
    nodes = [net.node(join=False) for _ in range(count)]
    contacts = [Contact.of(node.machine.node_id, node.address) for node in nodes]
    for node in nodes:
        node.tell(lambda now, node=node: node.machine.settle(contacts, now))
    return nodes


def test_it_is_a_member_and_ready_at_once() -> None:
    net = Net(seed=1)
    nodes = settled(net, 5)
    assert all(node.machine.ownership.settled for node in nodes)
    assert all(node.machine.table.size == 4 for node in nodes)
    assert net.sent == 0
    client = net.client()
    client.store("key", b"value")
    assert client.retrieve("key") == b"value"
    net.run(1)
    assert all(node.holds("key") for node in net.replicas("key"))
    net.check()


def test_it_compares_and_looks_around_at_its_own_time() -> None:
    net = Net(seed=1)
    nodes = settled(net, 5)
    surveys: list[int] = []

    def judge(source: Peer, target: Peer, message: object) -> str:
        if isinstance(message, Survey):
            surveys.append(net.mono_ns)
        return PASS

    net.judge = judge
    net.run(31)
    assert 5 <= len(surveys) <= 12  # one neighbour each, not all; some have begun again
    assert surveys[-1] - surveys[0] > 10_000_000_000
    net.run(60)
    assert all(node.machine.table.size == 4 for node in nodes)


def test_a_loss_is_noticed_and_made_good() -> None:
    net = Net(seed=2)
    nodes = settled(net, 5)
    client = net.client()
    client.store("key", b"value")
    net.run(1)
    lost, *_ = net.replicas("key")
    net.kill(lost)
    net.run(120)
    assert all(node.holds("key") for node in net.replicas("key"))
    assert all(node.machine.ownership.settled for node in nodes if node.alive)
