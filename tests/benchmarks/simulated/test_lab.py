"""Simulated figures are the same wherever and whenever they are made."""

import math
from typing import Any

import pytest

from benchmarks import chaos, simulated
from benchmarks.common.children import ChildError
from benchmarks.common.sampling import read, record
from benchmarks.common.simulated import faults as sim_faults
from benchmarks.common.simulated.lab import Question, play
from p2pcore.errors import KeyNotFoundError
from tests.processes import busy_core

SHORT_FORM: list[Question] = [
    {"play": "operations", "nodes": 64, "seed": 1, "lookups": 12, "per_client": 2},
    {"play": "distant", "nodes": 24, "seed": 1, "per_client": 1},
    {"play": "joins", "nodes": 24, "seed": 1},
    {"play": "churn", "nodes": 64, "seed": 1, "seconds": 4, "rate_per_s": 20},
    {"play": "calm", "seed": 1},
    {"play": "fault", "name": "partition", "seed": 1},
    {"play": "fault", "name": "churn", "seed": 1},
]


@pytest.mark.slow
def test_two_runs_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another hash seed, and beside a busy neighbour."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    quiet = play(SHORT_FORM)
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    with busy_core():
        assert play(SHORT_FORM) == quiet
    assert all(math.isfinite(value) for figures in quiet for value in figures.values())


def test_a_small_network_answers_everything() -> None:
    operations, joins = play([SHORT_FORM[0], SHORT_FORM[2]])
    assert 0 < operations["lookup_hops"] <= 2
    assert operations["store_messages"] > 6  # three replicas, and their answers
    assert operations["store_bytes"] > 3 * 1024
    failed = [value for name, value in operations.items() if name.endswith("_ppm")]
    assert failed == [0] * 4
    assert 0 < joins["join_s_p50"] <= joins["join_s_p99"]


def test_a_partition_is_felt_and_mended() -> None:
    calm, cut = play([{"play": "calm", "seed": 0}, SHORT_FORM[5] | {"seed": 0}])
    assert {name: value for name, value in calm.items() if name != "bytes"} == {
        "recovery_s": 0, "unavailable_s": 0, "failed": 0, "stale": 0, "lost": 0,
    }  # fmt: skip
    assert cut["failed"] > 0
    assert cut["unavailable_s"] > 0
    assert cut["bytes"] > calm["bytes"]


def test_what_is_lost_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every node that has the records dies at once: no core can keep them."""
    all_of_them = {"fault": "crash", "count": sim_faults.NODES - 1, "for_s": 1}
    monkeypatch.setitem(sim_faults.FAULTS, "end_of_the_world", all_of_them)
    with pytest.raises((AssertionError, KeyNotFoundError)):
        sim_faults.fault("end_of_the_world", seed=0)


def test_an_unknown_fault_is_an_error() -> None:
    with pytest.raises(ChildError, match="flood"):
        play([{"play": "fault", "name": "flood", "seed": 0}])


def test_the_suites_ask_for_what_there_is() -> None:
    assert sorted(chaos.FAULTS) == sorted(sim_faults.FAULTS)


def test_hops_of_a_known_slope() -> None:
    assert math.isclose(simulated._slope({64: 1.0, 512: 2.5, 4096: 4.0}), 0.5)


def test_a_commit_without_the_simulator_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.common import subject

    def require(*features: str) -> None:
        if "simulator" in features:
            raise NotImplementedError("no simulator yet")

    monkeypatch.setattr(subject, "require", require)
    found: Any = record(chaos._figures, "simulator")
    with pytest.raises(NotImplementedError, match="simulator"):
        read(found, "recovery_s", "crash")
