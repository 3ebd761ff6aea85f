"""Work that grows with a population, and what lives leave behind, is found and blamed right."""

import datetime
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import p2pcore
from perflab.gate.instructions import unavailable
from perflab.gate.judge import GateOutcome, judge
from perflab.gate.lives import INSTRUCTIONS, KEPT, take_lives
from perflab.gate.policy import load_policy
from perflab.gate.populations import GROWTH_METRICS, POPULATION_METRICS, take_populations
from perflab.gate.recorder import Recorder
from perflab.gate.run import EXACT, STAGES, Take
from perflab.gate.seeded_defects import DEFECTS, Edit, apply, misplaced, missing
from perflab.gate.seeds import take_seeds
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Mutated")
POLICY = load_policy()
TIMER = "a timer looks at every record"
PINGS, WAITS = "pings are sent twice", "copies wait twice as long"


def defect(name: str, *must: str) -> Edit:
    """One of DEFECTS; only these of what must show, if any are given."""
    [edit] = [each for each in DEFECTS if each.name == name]
    assert set(must) <= set(edit.must)
    return replace(edit, must=must) if must else edit


def judged(edit: Edit, place: Path, wanted: Callable[[str], bool], take: Take) -> GateOutcome:
    """What the gate says of a defect after this stage; it must be found, and blamed right."""
    shutil.copytree(CORE, place / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    apply(edit, place)
    sheets = Recorder(COMMIT, None, wanted), Recorder(COMMIT, None, wanted)
    take(sheets, (str(CORE.parent), str(place)), lambda: True)
    base, head = (sheet.measured() for sheet in sheets)
    outcome = judge(base, head, POLICY, datetime.date.today())
    blamed = {each.name for each in outcome.regressions}
    assert not outcome.problems
    assert missing(edit, blamed) == []
    assert misplaced(edit, blamed) == []
    return outcome


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
@pytest.mark.parametrize(
    "growths",
    [
        pytest.param(defect(TIMER).must, id="alone"),
        pytest.param(GROWTH_METRICS, marks=pytest.mark.nightly, id="among all growths"),
    ],
)
def test_a_timer_that_looks_at_every_record_is_found(
    growths: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = judged(defect(TIMER), tmp_path, growths.__contains__, take_populations)
    [each] = [e for e in outcome.regressions if e.name == "instructions.records_turn_growth"]
    assert each.ratio > 100


@pytest.mark.slow
def test_what_tombstones_leave_behind_is_found(tmp_path: Path) -> None:
    kept = defect("a forgotten tombstone's key is kept")
    judged(kept, tmp_path, KEPT.__contains__, take_lives)


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(defect(PINGS, "traffic.messages.upkeep_with_records.8"), id=PINGS),
        pytest.param(defect(PINGS), marks=pytest.mark.nightly, id=f"{PINGS}: each figure"),
        pytest.param(defect(WAITS), marks=pytest.mark.nightly, id=WAITS),
    ],
)
def test_more_traffic_and_a_longer_change_are_found(edit: Edit, tmp_path: Path) -> None:
    judged(
        edit,
        tmp_path,
        edit.must.__contains__,
        lambda sheets, cores, left: take_seeds(sheets, cores, POLICY, left, print),
    )


def test_without_valgrind_instructions_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    names = {*GROWTH_METRICS, *INSTRUCTIONS}
    sheets = tuple(Recorder(COMMIT, None, names.__contains__) for _ in range(2))
    for take in (take_populations, take_lives):
        take((sheets[0], sheets[1]), (str(CORE.parent),) * 2, lambda: True)
    metrics = sheets[0].measured().metrics
    assert {metrics[name].skipped for name in names} == {"valgrind is not installed"}


def test_every_exact_stage_is_taken() -> None:
    assert set(STAGES) - set(EXACT) == {"seeds", "sockets", "rounds"}
    assert len(set(POPULATION_METRICS)) == len(POPULATION_METRICS)
