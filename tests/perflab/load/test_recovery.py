"""Service has come back when the run's own noise says so, and not before."""

import random
from typing import Any

import numpy as np
import pytest

from perflab.load.record import ROW, FaultResult, decode_rows
from perflab.load.recovery import Happened, recoveries

RATE = 100
FAULT_S, HEAL_S, END_S = 10.0, 14.0, 40.0


def row(due_s: float, took_ms: float, outcome: int = 0) -> bytes:
    due = round(due_s * 1e9)
    return ROW.pack(due, due, due + round(took_ms * 1e6), 0, 0, outcome, 0)


def run(bad_from_s: float, bad_to_s: float, took_ms: float = 200, outcome: int = 0) -> Any:
    """A run at RATE with latencies of 2 to 4 ms, and a stretch of other ones."""
    chance = random.Random(1)
    rows = b""
    for number in range(round(END_S * RATE)):
        due_s = number / RATE
        bad = bad_from_s <= due_s < bad_to_s
        usual_ms = chance.uniform(2, 4)
        rows += row(due_s, took_ms if bad else usual_ms, outcome if bad else 0)
    return decode_rows(rows)


def judged(rows: Any, *, healed_s: float | None = HEAL_S, within_s: float = 10.0) -> FaultResult:
    happened = Happened(
        fault=0, kind="pause", begin_s=FAULT_S, healed_s=healed_s, seen_by_nodes_s=None,
        until_s=END_S, recover_within_s=within_s,
    )  # fmt: skip
    (found,) = recoveries(rows, [happened], 2.0)
    return found


def test_a_fault_that_nobody_felt() -> None:
    found = judged(run(0, 0))
    assert found.recovered
    assert (found.seen_by_clients_s, found.recovered_s, found.operations_lost) == (None, 0.0, 0)


def test_slow_until_after_the_heal() -> None:
    found = judged(run(10.5, 17.0))
    assert found.recovered
    assert found.seen_by_clients_s == pytest.approx(0.5)
    assert found.recovered_s == pytest.approx(7.0)
    assert found.recovered_after_heal_s == pytest.approx(3.0)
    assert found.operations_lost == 0
    assert "P95" in found.reason


def test_served_again_before_the_heal_and_disturbed_by_it() -> None:
    rows = np.concatenate([run(10, 11), run(15, 16)])
    late = rows[len(rows) // 2 :]
    both = run(10, 11)
    disturbed = (late["due_ns"] >= 15e9) & (late["due_ns"] < 16e9)
    both = both.copy()
    both[disturbed] = late[disturbed]
    found = judged(both)
    assert found.recovered
    assert found.recovered_s == pytest.approx(1.0)
    assert found.recovered_after_heal_s == pytest.approx(2.0)  # HOLD slices do not fit before it


def test_operations_that_fail_are_lost_until_it_is_back() -> None:
    found = judged(run(10, 15, took_ms=1, outcome=2))
    assert found.recovered
    assert found.operations_lost == 5 * RATE
    assert found.recovered_s == pytest.approx(5.0)


@pytest.mark.parametrize(("bad_to_s", "within_s"), [(40, 100), (30, 10)])
def test_never_or_too_late_is_not_recovered(bad_to_s: float, within_s: float) -> None:
    found = judged(run(10, bad_to_s), within_s=within_s)
    assert not found.recovered
    assert found.recovered_after_heal_s is None
    assert "not so again within the limit" in found.reason


def test_a_fault_without_a_heal_counts_from_its_beginning() -> None:
    found = judged(run(10, 13), healed_s=None)
    assert found.recovered
    assert found.recovered_s == pytest.approx(3.0)
    assert found.recovered_after_heal_s is None
    assert not judged(run(10, 21), healed_s=None).recovered


def test_without_an_undisturbed_time_before_it_nothing_can_be_said() -> None:
    faults = [
        Happened(
            fault=number, kind="kill", begin_s=begin_s, healed_s=None, seen_by_nodes_s=None,
            until_s=until_s, recover_within_s=30,
        )
        for number, begin_s, until_s in ((0, 10.0, 20.0), (1, 20.0, 40.0))
    ]  # fmt: skip
    first, second = recoveries(run(10, 19), faults, 2.0)
    assert not first.recovered
    assert not second.recovered
    assert "undisturbed" in second.reason
    (alone,) = recoveries(run(0, 0), faults[:1], 9.5)
    assert not alone.recovered
