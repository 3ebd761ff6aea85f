"""What a node writes down for itself, and what it does where that has rotted."""

import pytest
from msgspec.structs import astuple

from tests.net import Net
from tests.saved import Rotten


@pytest.fixture
def net() -> Net:
    return Net()


def test_where_nobody_has_what_rotted_nobody_is_waited_for(net: Net) -> None:
    node = net.node(disk=True, replication_factor=1, write_quorum=1, read_quorum=1)
    net.client().store("key", b"value")
    net.kill(node)
    node.disk[:] = [Rotten(*astuple(each)) for each in node.disk]
    back = net.node(back=node, bootstrap=(), replication_factor=1, write_quorum=1, read_quorum=1)
    assert back.machine.ownership.settled
