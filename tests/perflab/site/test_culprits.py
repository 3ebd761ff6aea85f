"""A change among unmeasured commits says the one that a search has found."""

from dataclasses import replace
from pathlib import Path

import pytest

from perflab.gate.policy import load_policy
from perflab.results.culprits import CULPRITS, StepCulprit, write_culprits
from perflab.results.history import History, Place, PublishedCommit, Series
from perflab.results.suite import Benchmark
from perflab.site.culprits import culprit_words, filed_culprits
from perflab.site.model import SiteModel, build_model
from perflab.site.readings import Readings

FOUND = StepCulprit(
    machine="lab", environment="e", series="counts.Messages.track_messages('store')",
    good=f"{2:040}", last=f"{9:040}", commits=7, commit=f"{5:040}", subject="Commit 5",
    probability=0.998, builds=4, certain=True,
)  # fmt: skip


def model_of(*culprits: StepCulprit) -> SiteModel:
    """Ten commits, of which three were measured; the last of them sends a message more."""
    benchmark = Benchmark(
        name="counts.Messages.track_messages", file="f.json", suite="counts", unit="messages",
        kind="exact", layout="C", catches="", cannot_see="", version="1",
        param_names=("operation",), params=(("'store'",),),
    )  # fmt: skip
    commits = [
        PublishedCommit(hash=f"{place:040}", subject=f"Commit {place}", author="Ann", date_ms=0)
        for place in range(10)
    ]
    measured = [0, 2, 9]
    place = Place(
        machine="lab", environment="e", params={}, commits=measured,
        measured_ms=dict.fromkeys(measured, 0),
    )  # fmt: skip
    none: list[float | None] = [None] * 3
    series = {(0, benchmark.name, 0): Series(at=measured, values=[6, 6, 7], low=none, high=none)}
    return build_model(
        project="p", generated_ms=0, suite=[benchmark], readings=Readings(), policy=load_policy(),
        history=History(commits=commits, places=[place], series=series), culprits=culprits,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (FOUND, {"at": 5, "sure": "99.8 %", "of": 7}),
        (replace(FOUND, commit=""), {"at": None, "sure": "99.8 %", "of": 7}),
        (replace(FOUND, certain=False), None),
        (replace(FOUND, machine="another"), None),
        (replace(FOUND, good=f"{0:040}", last=f"{2:040}"), None),  # another step
        (replace(FOUND, commit="f" * 40), None),  # no longer in the history
    ],
)
def test_a_change_has_the_commit_that_was_found(
    found: StepCulprit, words: dict[str, object] | None
) -> None:
    model = model_of(found)
    (change,) = model.changes
    assert (change.change.before, change.change.at) == (2, 9)
    assert culprit_words(model, change) == words


def test_a_file_that_cannot_be_read_costs_nothing_else(tmp_path: Path) -> None:
    problems: list[str] = []
    assert filed_culprits(tmp_path, problems) == []
    write_culprits(tmp_path / "alerts" / CULPRITS, [FOUND])
    assert filed_culprits(tmp_path, problems) == [FOUND]
    assert problems == []
    (tmp_path / "alerts" / CULPRITS).write_text("[", encoding="utf-8")
    assert filed_culprits(tmp_path, problems) == []
    assert "remove it" in problems[0]
