"""The machines joined in memory store and retrieve, and nobody is left busy."""

from benchmarks.common.counting.machines import MachineNet


def test_what_is_stored_is_retrieved() -> None:
    net = MachineNet(nodes=5)
    stores = [net.start_write(f"key {number}", bytes([number])) for number in range(20)]
    net.run()
    assert all(net.client.results.pop(number).acks >= 2 for number in stores)
    retrieves = [net.start_read(f"key {number}") for number in range(20)]
    net.run()
    assert [net.client.results.pop(number) for number in retrieves] == [
        bytes([number]) for number in range(20)
    ]
    assert not net.client.results


def test_nodes_with_disks_get_ready() -> None:
    net = MachineNet(nodes=3, disk=True)
    assert all(node.machine.journal.is_settled for node in net.nodes)
    assert all(node.machine.ownership.settled for node in net.nodes)


def test_each_record_is_on_its_replicas() -> None:
    net = MachineNet(nodes=5)
    net.start_write("key", b"value")
    net.run()
    assert sum(len(node.machine.store) for node in net.nodes) == 3


def test_the_same_work_takes_the_same_messages() -> None:
    def messages() -> list[int]:
        net = MachineNet(nodes=4)
        net.start_write("key", b"value")
        net.run()
        net.settle()
        return [node.machine.counters.links_opened for node in net.nodes]

    assert messages() == messages()
