"""Blocks of a real swarm in turn with the ruler's, in all layouts; wrong answers have no time."""

import os
from functools import partial

import pytest

from benchmarks.common import subject
from benchmarks.common.records import Layout
from benchmarks.common.ruler import sockets
from benchmarks.common.ruler.fresh import Meeting, connect_s
from benchmarks.common.ruler.sockets import (
    KEYS,
    InTurn,
    Taken,
    Turns,
    clock,
    in_swarms,
    middle,
    per_served,
    processor,
    slowest,
)
from benchmarks.common.sampling import SWARMS
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, WorkloadOutcome, closed_loop


async def stores(client: subject.SubjectClient, count: int) -> WorkloadOutcome:
    values = Values(100)
    return await closed_loop(
        lambda n: client.store(f"k{n}", values.value(n)), operations=count, in_flight=4
    )


@pytest.mark.parametrize(("layout", "nodes"), [("A", 3), ("B", 3), ("C", 1)])
def test_the_ruler_runs_where_the_nodes_run(layout: Layout, nodes: int) -> None:
    network = subject.NetworkSettings.of(nodes)
    with Swarm(layout=layout, nodes=nodes, network=network, ruled=True) as swarm:
        before = swarm.usage()
        in_turn = InTurn(swarm)
        ruler = in_turn.ruler(100)
        taken = in_turn.take(
            partial(stores, swarm.client, 8), partial(ruler.closed, "retrieve", 3 * KEYS, 4)
        )
        assert taken.before.operations == taken.after.operations == 3 * KEYS
        assert taken.subject.operations == 8
        for pair in (clock(taken), processor(taken), middle(taken)):
            assert pair.ratio > 0
        many = in_turn.chain(
            [partial(stores, swarm.client, 4)] * 3, partial(ruler.closed, "store", 8, 2)
        )
        assert [one.after for one in many[:-1]] == [one.before for one in many[1:]]
        # Each process with nodes has worked for the ruler: its processor time has grown.
        used = [
            float(after["cpu_s"]) - float(earlier["cpu_s"])
            for earlier, after in zip(before, swarm.usage(), strict=True)
        ]
        assert len(used) == (nodes if layout == "B" else 1)
        assert min(used) > 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no say in processors here")
def test_a_ruled_swarm_and_its_client_keep_to_one_processor() -> None:
    usable = os.sched_getaffinity(0)
    alone = subject.NetworkSettings.of(1)
    with Swarm(layout="B", nodes=1, network=alone, ruled=True) as swarm:
        for pid in (0, *swarm.pids):
            assert os.sched_getaffinity(pid) == {max(usable)}
    assert os.sched_getaffinity(0) == usable


def test_a_case_has_turns_of_several_swarms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PATIENCE_S", 0.0)  # on a busy machine, one may be taken again
    met = []

    def turns(swarm: Swarm) -> Turns:
        met.append(swarm.addresses)
        return {"case": [Taken(swarm.nodes, None, None)]}

    found = in_swarms(turns, layout="C", nodes=1, network=subject.NetworkSettings.of(1))
    assert found == {"case": [Taken(1, None, None)] * SWARMS}
    assert len(met) == SWARMS == len(set(map(tuple, met)))


def test_the_ruler_in_an_open_loop() -> None:
    with Swarm(layout="A", nodes=3, ruled=True) as swarm:
        in_turn = InTurn(swarm)
        ruler = in_turn.ruler(100)
        due_ns = [number * 100_000 for number in range(40)]
        taken = in_turn.take(
            partial(ruler.open, "store", due_ns), partial(ruler.open, "retrieve", due_ns)
        )
        for pair in (middle(taken), slowest(taken), per_served(taken)):
            assert pair.ratio > 0


def test_a_ruler_that_reads_something_else_is_refused() -> None:
    with Swarm(layout="A", nodes=3, ruled=True) as swarm:
        ruler = InTurn(swarm).ruler(100)
        swarm.run(one(swarm.ruler.store("ruler-100-5", b"something else")))
        with pytest.raises(RuntimeError, match="WrongValueError"):
            swarm.run(ruler.closed("retrieve", KEYS, 4))


async def one(operation: object) -> object:
    return await operation  # type: ignore[misc]


def test_beginnings() -> None:
    with Swarm(layout="A", nodes=3, ruled=True) as swarm, Meeting(swarm.loop) as meeting:
        assert swarm.run(connect_s(swarm.new_ruler())) > 0
        assert swarm.run(meeting.start_s()) > 0


def test_a_swarm_without_a_ruler_serves_none() -> None:
    with Swarm(layout="A", nodes=3) as swarm, pytest.raises(AttributeError):
        InTurn(swarm).ruler(100)


def test_pairs_are_per_operation() -> None:
    def outcome(operations: int, elapsed_s: float, cpu_s: float) -> WorkloadOutcome:
        latencies = [elapsed_s / operations] * operations
        return WorkloadOutcome(
            operations=operations,
            in_flight=1,
            elapsed_s=elapsed_s,
            cpu_s=cpu_s,
            latencies_s=latencies,
            errors={},
        )

    taken = Taken(outcome(10, 1.0, 0.5), outcome(5, 1.5, 0.6), outcome(20, 4.0, 1.6))
    assert clock(taken).subject_s == pytest.approx(0.3)
    assert clock(taken).ratio == pytest.approx(2.0)
    assert processor(taken).ratio == pytest.approx(0.12 / 0.065)
    assert middle(taken).ratio == pytest.approx(2.0)
