"""A recording of lives is written as it comes, and stages are replayed from it."""

import json
from pathlib import Path
from random import Random

import pytest

from perflab.gate.policy import load_policy
from perflab.gate.recording import RecordingError
from perflab.gate.waits import calibrate
from perflab.gate.waits.calibrate import read_lives, record_lives, replayed, table
from perflab.gate.waits.figures import SLOW
from perflab.results.checkout import Commit
from tests.perflab.gate.waits.blocks import life


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As many lives as there have to be, and one that was cut short."""
    rng, clock = Random(4), iter(range(10_000))
    monkeypatch.setattr(calibrate, "live", lambda *_: life(rng, pairs=200))

    def now() -> float:
        return float(next(clock))

    file = tmp_path / "lives.jsonl"
    record_lives(file, "core", Commit("c" * 40, "It"), {"cores": "2"}, 50.0, lambda _: None, now)
    with file.open("a") as tape:
        tape.write('{"at_s":')
    return file


def test_what_was_recorded_is_read(recording: Path) -> None:
    found = read_lives(recording)
    assert found.lives[0] == life(Random(4), pairs=200)
    assert found.commit == Commit("c" * 40, "It")
    assert len(found.lives) == len(found.seconds) >= calibrate.FEWEST_LIVES


def test_stages_are_silent_on_equal_sides_and_find_rare_waits(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = "rare: 5 ms for one of 200"
    kept = {name: calibrate.SLOWER[name] for name in ("nothing", rare)}
    monkeypatch.setattr(calibrate, "SLOWER", kept)
    found = replayed(read_lives(recording), load_policy(), 8, Random(2), lambda _: None)
    equal, late = found.rows
    assert equal.red.found == 0
    assert late.red.found >= 5
    assert set(late.blamed) <= set(SLOW.values())
    assert f"| {rare} | " in table(found)


@pytest.mark.parametrize("lines", [[], ["7"], ['{"format": 9}'], ['{"format": 1}', "{}"]])
def test_another_file_is_refused(lines: list[str], tmp_path: Path) -> None:
    file = tmp_path / "lives.jsonl"
    file.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(RecordingError, match="is no recording of lives"):
        read_lives(file)


def test_few_lives_are_no_recording(recording: Path) -> None:
    header, *entries = recording.read_text().splitlines()
    recording.write_text("".join(line + "\n" for line in (header, *entries[:9])))
    assert all(map(json.loads, entries[:9]))
    with pytest.raises(RecordingError, match="has 9 lives; 10 are needed"):
        read_lives(recording)
