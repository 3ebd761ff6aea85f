"""Nodes for a rate, where the law is known."""

import pytest

from perflab.capacity.law import CapacityLaw, highest

SIZES = (4, 6, 8, 12, 16, 24)
NOISE = (0.98, 1.0, 1.02)


def known_rate(nodes: int) -> float:
    return float(1000 * nodes**0.8)


def known(cost: tuple[float, float] = (1.0, 1.0)) -> CapacityLaw:
    return CapacityLaw({n: [known_rate(n) * each for each in NOISE] for n in SIZES}, cost)


def test_the_law_is_found_again_and_its_interval_holds_it() -> None:
    for nodes in (8, 24, 60):
        found = known().rate(nodes)
        assert found.low <= known_rate(nodes) <= found.high
        assert found.value == pytest.approx(known_rate(nodes), rel=0.02)
    assert known().growth.law == "c N^p"


def test_how_many_nodes_a_rate_needs() -> None:
    needed = known().needed(9000)
    exact = next(n for n in range(1, 100) if known_rate(n) >= 9000)
    assert needed.nodes == pytest.approx(exact, abs=1)
    assert needed.low is not None
    assert needed.high is not None
    assert needed.low <= exact <= needed.high
    assert not needed.extrapolated
    assert known().needed(14_000).extrapolated


def test_a_rate_that_no_number_of_nodes_serves() -> None:
    needed = known().needed(1e9)
    assert needed.nodes is None
    assert needed.extrapolated


def test_what_a_message_may_cost_widens_the_interval() -> None:
    sure, unsure = known().rate(12), known((0.8, 1.25)).rate(12)
    assert unsure.low < sure.low < sure.high < unsure.high
    assert unsure.value == sure.value
    wide, narrow = (known(cost).needed(9000).high for cost in ((0.8, 1.25), (1.0, 1.0)))
    assert wide is not None
    assert narrow is not None
    assert wide > narrow


@pytest.mark.parametrize("limit", [0.2, 0.55, 0.83, 0.97])
def test_bisection_finds_the_highest_load(limit: float) -> None:
    tried: list[float] = []

    def keeps(load: float) -> bool:
        tried.append(load)
        return load <= limit

    assert limit - 0.05 <= highest(keeps) <= limit
    assert len(tried) <= 6


def test_a_level_that_no_load_keeps() -> None:
    assert highest(lambda load: False) == 0
    assert 0 < highest(lambda load: load <= 0.05) <= 0.05
