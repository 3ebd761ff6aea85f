"""Plans have YCSB's shares, and a seed is a plan."""

from collections import Counter
from itertools import islice

import pytest

from benchmarks.common.load.mix import SCAN_MOST, YCSB, Distribution, DrawnOperation, steps, ycsb_b


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


def some(
    name: str, distribution: Distribution, part: int = 0, parts: int = 1
) -> list[DrawnOperation]:
    chosen = steps(YCSB[name], distribution, 1000, seed="1", part=part, parts=parts)
    return list(islice(chosen, 20_000))


@pytest.mark.parametrize("name", YCSB)
def test_the_mixes_have_ycsbs_shares(name: str) -> None:
    kinds = Counter(step.kind for step in some(name, "zipf"))
    assert set(kinds) == set(YCSB[name])
    for kind, share in YCSB[name].items():
        assert kinds[kind] / 20_000 == pytest.approx(share, abs=0.02)


def test_records_are_chosen_as_the_distribution_says() -> None:
    zipf, uniform, hot = (
        Counter(step.record for step in some("C", name)) for name in ("zipf", "uniform", "hot-set")
    )
    assert zipf[0] / 20_000 == pytest.approx(0.13, abs=0.01)
    assert max(uniform.values()) < 60
    assert len(uniform) == 1000
    assert sum(hot[record] for record in range(200)) / 20_000 == pytest.approx(0.8, abs=0.02)
    assert all(step.record < 1000 for step in some("C", "latest"))


def test_the_latest_are_preferred_and_were_inserted_before() -> None:
    there = set(range(1000))
    reads: Counter[bool] = Counter()
    newest = 999
    for step in some("D", "latest", part=1, parts=3):
        if step.kind == "insert":
            assert step.record not in there
            assert step.record >= 1000
            assert step.record % 3 == (1000 + 1) % 3  # nobody else's
            there.add(step.record)
            newest = step.record
        else:
            assert step.record in there
            reads[step.record == newest] += 1
    assert reads[True] / reads.total() == pytest.approx(0.13, abs=0.01)


def test_scans_stay_within_the_records_that_are_there() -> None:
    scans = [step for step in some("E", "uniform") if step.kind == "scan"]
    assert all(step.record + step.records <= 1000 for step in scans)
    assert {step.records for step in scans} == set(range(1, SCAN_MOST + 1))


def test_parts_differ_and_a_seed_is_a_plan() -> None:
    assert some("A", "zipf", 0, 2) == some("A", "zipf", 0, 2) != some("A", "zipf", 1, 2)
