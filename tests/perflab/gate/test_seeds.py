"""Seeded figures: all under a few seeds, and what has moved under fresh ones until it is clear."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import p2pcore
from benchmarks.common.simulated.lab import play_one
from perflab.gate import seeds
from perflab.gate.judge import GateOutcome, GateVerdict, judge
from perflab.gate.policy import load_policy
from perflab.gate.recorder import Recorder
from perflab.gate.seeded_defects import DEFECTS, apply
from perflab.gate.seeds import Play, most_seeds, take_seeds
from perflab.results.checkout import Commit

CORE = Path(p2pcore.__file__).parent
COMMIT = Commit("0" * 40, "Played")
POLICY = load_policy()
MESSAGES, BYTES = "events.messages.join.8", "events.bytes.join.8"
SECONDS = "simulated.seconds.store.64"


@pytest.fixture
def playing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GateOutcome]:
    """Have this found as MESSAGES and BYTES, and SECONDS always 1; what the gate says of it."""

    def outcome(
        find: Callable[[str, int], dict[str, float]],
        time_left: Callable[[], bool] = lambda: True,
    ) -> GateOutcome:
        still = Play("still", (SECONDS,), lambda *_: {SECONDS: 1.0})
        plays = Play("moving", (MESSAGES, BYTES), find), still
        monkeypatch.setattr(seeds, "PLAYS", plays)
        sheets = Recorder(COMMIT), Recorder(COMMIT)
        take_seeds(sheets, ("base", "head"), POLICY, time_left, print)
        base, head = (sheet.measured() for sheet in sheets)
        return judge(base, head, POLICY, datetime.date.today())

    return outcome


def rounds(outcome: GateOutcome) -> dict[str, list[int]]:
    """How many seeds each stage of head has."""
    return {
        name: [len(stage) for stage in metric.stages]
        for name, metric in outcome.head.metrics.items()
    }


def test_seeds_that_both_sides_had_time_for_are_enough(playing: Callable[..., GateOutcome]) -> None:
    looks = iter([True] * 6)  # three seeds of four, both sides
    found = {MESSAGES: 3.0, BYTES: 5.0}
    outcome = playing(lambda *_: found, lambda: next(looks, False))
    assert rounds(outcome)[MESSAGES] == rounds(outcome)[BYTES] == [3]
    kinds = {each.name: each.verdict for each in outcome.judgements}
    assert kinds[MESSAGES] is kinds[BYTES] is GateVerdict.UNCHANGED
    assert kinds[SECONDS] is GateVerdict.FAILED  # no time is no pass
    assert outcome.code == 2


def test_what_moved_is_played_again_under_fresh_seeds(
    playing: Callable[..., GateOutcome], capsys: pytest.CaptureFixture[str]
) -> None:
    def find(core: str, seed: int) -> dict[str, float]:
        some = 10.0 + seed % 7
        return {MESSAGES: some, BYTES: some * (1.3 if core == "head" else 1)}

    outcome = playing(find)
    assert [each.name for each in outcome.regressions] == [BYTES]
    assert rounds(outcome) == {MESSAGES: [4, 16], BYTES: [4, 16], SECONDS: [4]}
    assert outcome.counts() == {GateVerdict.REGRESSION: 1, GateVerdict.UNCHANGED: 2}
    assert capsys.readouterr().out.splitlines() == [
        "playing moving under 4 seeds",
        "playing still under 4 seeds",
        "playing moving under 16 fresh seeds again",
    ]


def test_what_stays_unclear_is_looked_at_as_often_as_the_policy_says(
    playing: Callable[..., GateOutcome],
) -> None:
    rng = Random(1)
    played: set[int] = set()

    def find(core: str, seed: int) -> dict[str, float]:
        played.add(seed)
        return {name: rng.uniform(50, 150) for name in (MESSAGES, BYTES)}

    outcome = playing(find)
    assert len(played) == most_seeds(POLICY) == 4 + 16 + 16 + 32 + 64
    assert rounds(outcome)[BYTES] == [4, 128]


def test_one_seed_that_fails_fails_all(playing: Callable[..., GateOutcome]) -> None:
    def find(core: str, seed: int) -> dict[str, float]:
        if core == "head" and seed == 2:
            raise ValueError("broken on purpose")
        return {MESSAGES: 3.0, BYTES: 5.0}

    outcome = playing(find)
    assert outcome.code == 2
    failed = [each for each in outcome.judgements if each.verdict is GateVerdict.FAILED]
    assert [each.name for each in failed] == [BYTES, MESSAGES]
    assert all("broken on purpose" in each.why for each in failed)


@pytest.mark.nightly
@pytest.mark.slow
def test_a_longer_wait_is_found_where_it_shows(tmp_path: Path) -> None:
    """It makes no message, byte, instruction or allocation more."""
    [waits] = [edit for edit in DEFECTS if SECONDS in edit.must]
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=shutil.ignore_patterns("__pycache__"))
    apply(waits, tmp_path)
    sheets = Recorder(COMMIT, None, SECONDS.__eq__), Recorder(COMMIT, None, SECONDS.__eq__)
    take_seeds(sheets, (str(CORE.parent), str(tmp_path)), POLICY, lambda: True, print)
    base, head = (sheet.measured() for sheet in sheets)
    [each] = judge(base, head, POLICY, datetime.date.today()).judgements
    assert each.verdict is GateVerdict.REGRESSION
    assert each.low > 1.25


def test_a_core_without_a_simulator_is_skipped(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "sim")
    shutil.copytree(CORE, tmp_path / "p2pcore", ignore=ignored)
    assert play_one({"play": "joins", "nodes": 8, "seed": 0}, str(tmp_path)) == {}
