"""Objectives as data: what is refused, how a configuration scores, when a rail breaks."""

import math
from pathlib import Path

import pytest

from perflab.forms import toml_table
from perflab.tune.objective import SHIPPED, Rail, TuneObjective, read_objective, score
from perflab.tune.record import TuneError
from perflab.tune.tunables import DETUNED, defaults, read_base

GOOD = 'about = "x"\nweights = { "slow.read_s_p99" = 1.0 }\n'


def test_all_that_are_shipped_can_be_read() -> None:
    for name in toml_table(SHIPPED, TuneError):
        objective = read_objective(name)
        assert set(objective.weights) <= set(objective.figures)
        assert set(objective.settings) <= set(defaults())
    for name, (its_objective, spoilt) in DETUNED.items():
        searched = read_objective(its_objective).settings or defaults()
        assert set(spoilt) <= set(searched), name  # or it could never be found again


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('about = "x"\nweights = {}', "weights need one figure"),
        ('about = "x"\nweights = { "slow.read_p99" = 1.0 }', "did you mean 'slow.read_s_p99'"),
        ('about = "x"\nweights = { "slow.read_s_p99" = 0.0 }', "a number above 0"),
        (GOOD + 'wieghts = 1', "did you mean 'weights'"),
        (GOOD + 'rails = [{ figure = "slow.lost" }]', "either 'most' or 'times'"),
        (GOOD + 'rails = [{ figure = "sockets.failed", most = 0.0 }]', "do not mix"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(f"[mine]\n{text}\n")
    with pytest.raises(TuneError, match=r"own\.toml: mine") as caught:
        read_objective("mine", file)
    assert words in str(caught.value)
    with pytest.raises(TuneError, match="did you mean 'mine'"):
        read_objective("mind", file)


def test_scores_are_weighted_logarithms_of_ratios() -> None:
    objective = TuneObjective(about="x", weights={"slow.read_s_p99": 3.0, "calm.read_s_p99": 1.0})
    reference = {"slow.read_s_p99": 0.01, "calm.read_s_p99": 0.002}
    assert score(objective, reference, reference) == 0
    twice = {"slow.read_s_p99": 0.02, "calm.read_s_p99": 0.002}
    assert score(objective, twice, reference) == pytest.approx(0.75 * math.log(2))


def test_rails_are_held_to_means() -> None:
    objective = TuneObjective(
        about="x",
        weights={"slow.read_s_p99": 1.0},
        rails=[
            Rail(figure="slow.lost", most=0.0),
            Rail(figure="slow.failed_ppm", times=1.5, plus=10.0),
        ],
    )
    reference = [{"slow.lost": 0.0, "slow.failed_ppm": 100.0}] * 2
    fine = [
        {"slow.lost": 0.0, "slow.failed_ppm": 200.0},
        {"slow.lost": 0.0, "slow.failed_ppm": 120.0},
    ]
    assert objective.broken(fine, reference) == {}
    one_lost = [dict(fine[0], **{"slow.lost": 1.0}), fine[1]]
    assert objective.broken(one_lost, reference) == {"slow.lost": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hedge_bugdet = 0.1", "did you mean 'hedge_budget'"),
        ("hedge_budget = true", "is a float, not True"),
        ("avoid_outliers = 1", "is a bool, not 1"),
        ("pool_size = 2", "searched from 4 to 1024, not 2"),
    ],
)
def test_a_base_that_cannot_be_meant(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "base.toml"
    file.write_text(text)
    with pytest.raises(TuneError, match=r"base\.toml") as caught:
        read_base(file)
    assert words in str(caught.value)
    file.write_text("hedge_budget = 0\npool_size = 64\n")
    assert read_base(file) == {**defaults(), "hedge_budget": 0, "pool_size": 64}
