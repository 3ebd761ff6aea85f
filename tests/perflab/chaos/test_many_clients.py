"""Crowds of nodes and of clients, in small."""

from pathlib import Path

from benchmarks.common import subject
from perflab.chaos.many_clients import connect_clients
from perflab.chaos.scenarios import crowd
from perflab.chaos.trial import ChaosPlan


def test_nodes_that_begin_at_once_are_all_ready_in_the_end(tmp_path: Path) -> None:
    said: list[str] = []
    plan = ChaosPlan(directory=tmp_path, seed=1, loop=subject.default_loop(), say=said.append)
    outcome = crowd(plan, nodes=4)
    assert outcome.kept
    assert 0 < outcome.figures["all_joined_s"] <= outcome.figures["all_ready_s"]
    assert 0 < outcome.figures["join_p50_s"] <= outcome.figures["join_max_s"]
    assert len(said) == 2


def test_clients_stay_connected_and_cost_their_node_memory() -> None:
    found = connect_clients(12, subject.default_loop())
    assert found.clients == 12
    assert found.seconds > 0
    assert found.heap_bytes is None or 1000 < found.heap_bytes < 1_000_000
