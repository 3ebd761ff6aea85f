"""Situations come to an end, with the same figures each time, and show what they are about."""

import pytest

from benchmarks.common.counting.situations import SITUATIONS, Figures
from p2pcore import CoordinatorConfig
from perflab.gate.seeds import SITUATIONS as ASKED


@pytest.fixture(scope="module")
def played() -> dict[str, Figures]:
    return {name: play(0) for name, play in SITUATIONS.items()}


def test_each_gives_the_figures_that_the_gate_takes(played: dict[str, Figures]) -> None:
    assert {name: set(figures) for name, figures in played.items()} == {
        name: {metric.partition(".")[2] for metric in metrics} for name, metrics in ASKED.items()
    }


def test_the_same_seed_gives_the_same(played: dict[str, Figures]) -> None:
    assert SITUATIONS["away"](0) == played["away"]
    assert SITUATIONS["away"](1) != played["away"]


def test_changes_take_as_long_as_they_must(played: dict[str, Figures]) -> None:
    waits = CoordinatorConfig().copy_after_s  # for who is lost
    assert waits <= played["lost"]["seconds.copies"] < waits + 1
    assert 0 < played["stale"]["seconds.ready"] < 1
    assert 0 < played["stale"]["seconds.handed_over"] < 1
    assert played["away"]["dials.away"] > 7  # each of the others has dialled it again
    assert played["stale"]["messages.stale"] > played["mixed"]["messages.mixed"] - 3
