"""Greedy and rude clients, in small."""

from pathlib import Path

import pytest

from benchmarks.common import subject
from perflab.chaos import neighbours
from perflab.chaos.neighbours import KEPT, share_with
from perflab.chaos.trial import ChaosPlan


@pytest.mark.slow
def test_what_others_keep_is_held_against_what_they_had_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "MOST_LAG_MS", float("inf"))  # however busy this machine is
    said: list[str] = []
    plan = ChaosPlan(directory=tmp_path, seed=1, loop=subject.default_loop(), say=said.append)
    outcome = share_with(plan, ["rude"], seconds=1)
    assert outcome.figures["capacity_per_s"] > 0
    kept = outcome.figures["rude_others_kept"]
    assert kept >= 0
    assert bool(outcome.missed) == (kept < KEPT["rude"])
    assert [text.split(" beside rude ")[0].split()[-1][-2:] for text in said[-2:]] == ["/s", "/s"]
