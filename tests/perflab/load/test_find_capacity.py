"""The search for the capacity finds it, says why it stopped, and forgives a slow spell."""

import json
from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.load.find_capacity import MOST_TRIALS, RESOLUTION, search
from perflab.load.record import LoadRecordError, Trial, read_capacity, read_load


def trial(rate: float, kept: bool) -> Trial:
    return Trial(
        rate=rate,
        kept=kept,
        p99_s=0.1,
        success=1.0,
        generator_bound=False,
        directory="",
        message="",
    )


@pytest.mark.parametrize("capacity", [1.5, 37, 200, 4321, 80_000])
def test_the_highest_rate_that_is_kept_is_found(capacity: float) -> None:
    trials, why = search(200, lambda rate: trial(rate, rate <= capacity))
    best = max(each.rate for each in trials if each.kept)
    assert best <= capacity < best * RESOLUTION
    assert "within 10%" in why
    missed = [each.rate for each in trials if not each.kept]
    assert all(missed.count(rate) == 2 for rate in missed)


def test_a_slow_spell_is_forgiven() -> None:
    seen: list[float] = []

    def spells(rate: float) -> Trial:
        seen.append(rate)
        return trial(rate, rate <= 1000 and len(seen) % 3 != 0)

    best = max(each.rate for each in search(200, spells)[0] if each.kept)
    assert best <= 1000 < best * RESOLUTION


@pytest.mark.parametrize(("kept", "words"), [(True, "rates end"), (False, "rates end")])
def test_a_search_ends_where_rates_do(kept: bool, words: str) -> None:
    trials, why = search(200, lambda rate: trial(rate, kept))
    assert words in why
    assert len(trials) < MOST_TRIALS


@pytest.mark.slow
def test_a_search_is_filed_with_its_trials(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody keeps a P99 of a nanosecond, so the search goes down to the lowest rate."""
    out = tmp_path / "run"
    options = ["--target", "null", "--pattern", "constant", "--rate", "1", "--seconds", "1"]
    options += ["--find-capacity", "--slo-p99-ms", "1e-6", "--from-rate", "1", "--out", str(out)]
    code = main(["load", *options, "--records", "10"])
    found = read_capacity(out)
    assert code == (2 if found.generator_bound else 1)  # others may keep it from the processor
    assert found.generator_bound == found.trials[0].generator_bound
    assert found.rate is None
    assert [each.rate for each in found.trials] == [1, 1]
    assert [len(read_load(out / each.directory).rows) for each in found.trials] == [6, 6]
    assert "no rate keeps" in capsys.readouterr().out
    table = json.loads((out / "capacity.json").read_text())
    (out / "capacity.json").write_text(json.dumps(table | {"version": 2}))
    with pytest.raises(LoadRecordError, match="version 2"):
        read_capacity(out)
