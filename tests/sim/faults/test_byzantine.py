"""Byzantine nodes do what their behaviour says, and no record is lost by one of them."""

from typing import Any

import pytest

from p2pcore.effects import Instant
from p2pcore.ids import NodeId, key_of
from p2pcore.replication.operations import WriteOperation
from p2pcore.session.link import Call
from p2pcore.sim import (
    Byzantine,
    Crash,
)
from p2pcore.sim.faults.byzantine import BEHAVIOURS
from p2pcore.wire.messages import Draw, FetchMany
from tests.sim.faults.support import crowd


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_records_outlive_one_misbehaving_member(behaviour: str) -> None:
    world = crowd(7)
    world.apply(Byzantine(nodes=("n4",), behaviour=behaviour))
    world.run(1)
    client = world.client(bootstrap=[node.address for node in world.nodes[:3]])
    done = [client.start_store(f"key {n}", b"value") for n in range(20)]
    for operation in done:
        operation.wait()
    answers = [client.start_retrieve(f"key {n}") for n in range(20)]
    for answer in answers:
        assert answer.wait() == b"value"
    world.check()


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_misbehaving_member_answers_itself(behaviour: str) -> None:
    world = crowd(3)
    world.apply(Byzantine(nodes=("n2",), behaviour=behaviour))
    world.run(1)
    node, key, receipts = world.nodes[1], key_of("key"), []

    def write(now: Instant) -> None:
        done = lambda receipt, now: receipts.append(receipt)  # noqa: E731
        context, version = node.machine._context, node.machine.clock.next(now.wall_ms)
        due_ns = now.mono_ns + 10**9
        WriteOperation(context, key, version, b"value", 0, due_ns, done).start(now)

    node.tell(write)
    world.run(1)
    assert receipts
    assert node.machine.store.version(key) is not None


def test_a_misbehaving_member_is_ended() -> None:
    world = crowd(4)
    world.apply(Byzantine(nodes=("n2",), behaviour="silence", for_s=3))
    world.apply(Crash(nodes=("n3",), at_s=1, for_s=0.5))
    world.apply(Byzantine(nodes=("n3",), behaviour="silence", for_s=2))
    world.run(2.9)
    assert world.nodes[1].alive
    world.run(2)
    assert not world.nodes[1].alive
    assert world.nodes[2].alive  # it was started again meanwhile, and is honest


def test_garbage_is_noticed_and_hung_up_on() -> None:
    world = crowd(4)
    world.apply(Byzantine(nodes=("n4",), behaviour="garbage"))
    world.run(0.1)
    world.nodes[0].lookup(bytes(32))
    assert world.nodes[0].machine.counters.misbehaved == 1


def test_liars_name_nobody_that_exists() -> None:
    world = crowd(4)
    world.apply(Byzantine(nodes=("n4",), behaviour="liar"))
    world.run(0.1)
    report = world.nodes[0].lookup(bytes(range(32)), limit_s=300)
    known = {node.node_id for node in world.nodes}
    assert set(report.closest[:3]) <= known


class Asked(Call):
    """A question to one node, and its answers."""

    def __init__(self, call_id: int) -> None:
        super().__init__(call_id, 1 << 62)
        self.answers: list[Any] = []

    def replied(self, node_id: NodeId, reply: Any, now: Instant) -> None:
        self.answers.append(reply)


def test_amnesia_knows_no_record_however_it_is_asked() -> None:
    """Of those that it holds from before as well."""
    world = crowd(3)
    asker, node = world.nodes[:2]
    client = world.client()
    keys = [key_of(f"key {number}") for number in range(3)]
    for number in range(3):
        client.store(f"key {number}", b"value")
    world.run(1)
    assert all(node.machine.store.held(key) for key in keys)
    world.apply(Byzantine(nodes=("n2",), behaviour="amnesia"))
    world.run(1)
    asked: list[Asked] = []

    def ask(now: Instant) -> None:
        links = asker.machine.links
        other = asker.machine.table.get(node.node_id)
        assert other is not None
        starts = b"".join(key[:8] for key in keys)
        for make in (lambda id: FetchMany(id, list(keys)), lambda id: Draw(id, starts)):
            asked.append(Asked(links.new_call_id()))
            links.ask(asked[-1], [other], make(asked[-1].id), now)

    asker.tell(ask)
    world.run(1)
    assert [answer.items for call in asked for answer in call.answers] == [[None] * 3] * 2
    assert asker.machine.counters.misbehaved == 0
