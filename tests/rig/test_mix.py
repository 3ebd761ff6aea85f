"""Plans have YCSB's shares, and a seed is a plan."""

from collections import Counter

import pytest

from benchmarks.rig.mix import ycsb_b


def test_workload_b_reads_most_and_mostly_the_popular() -> None:
    plan = ycsb_b(20_000, 1000, seed=1)
    kinds = Counter(kind for kind, _ in plan)
    assert kinds["update"] / 20_000 == pytest.approx(0.05, abs=0.01)
    chosen = Counter(record for _, record in plan)
    assert set(chosen) <= set(range(1000))
    assert chosen[0] / 20_000 == pytest.approx(0.13, abs=0.01)  # 1 / sum of rank^-0.99
    assert chosen[0] / chosen[9] == pytest.approx(10**0.99, rel=0.15)


def test_a_seed_is_a_plan() -> None:
    assert ycsb_b(100, 50, seed=3) == ycsb_b(100, 50, seed=3) != ycsb_b(100, 50, seed=4)
