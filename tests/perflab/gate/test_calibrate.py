"""A recording is written as it comes, and gates replayed from it say what the gate would."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.common import subject
from perflab.__main__ import main
from perflab.gate import recording, seeds
from perflab.gate.calibration import Calibration
from perflab.gate.paired_rounds import PREFIX, most_rounds
from perflab.gate.policy import load_policy
from perflab.gate.replay import ReplayedGate, calibrate
from perflab.gate.seeds import SEEDED_METRICS, most_seeds
from perflab.results.checkout import Commit

COMMIT = Commit("c" * 40, "Recorded")
POLICY = load_policy()
NAMES = ("clock", "insert", "lookup")
LONG_S = 600.0
ENOUGH = 2 * most_seeds(POLICY)


def synthetic(file: Path, rounds: int = 200, unfair: float = 1.0, seeds: int = ENOUGH) -> Path:
    """Spells of half a minute at half the speed, 1 % of noise; base `unfair` times as slow."""
    rng = Random(1)
    lines: list[dict[str, Any]] = [
        {"format": 2, "commit": COMMIT.hash, "subject": COMMIT.subject, "about": {"cores": "2"}}
    ]
    for seed in range(seeds):
        values = {name: 100 * math.exp(rng.gauss(0, 0.01)) for name in SEEDED_METRICS[18:22]}
        lines.append({"seed": seed, "values": values})
    for number in range(rounds):
        level = 2e-6 if number // 10 % 3 == 0 else 1e-6

        def blocks(factor: float, level: float = level) -> dict[str, list[float]]:
            return {
                name: [level * factor * (1 + rng.expovariate(100)) for _ in range(5)]
                for name in NAMES
            }

        sides = {"base": blocks(unfair), "head": blocks(1.0)}
        lines.append({"at_s": number * 3.0, "start_s": 1.0, "each_s": 0.5} | sides)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def replayed(file: Path, gates: int = 30, rounds_s: float = LONG_S) -> Calibration:
    told: list[str] = []
    recorded = recording.read(file)
    return calibrate(recorded, POLICY, "10m", rounds_s, gates, Random(2), told.append)


def test_equal_sides_raise_no_alarm_and_large_slowdowns_are_found(tmp_path: Path) -> None:
    found = replayed(synthetic(tmp_path / "r.jsonl"))
    assert found.alarms["whole"].found == 0
    by_size = {(row.kind, row.slowdown): row for row in found.power}
    for kind in ("paired", "seeded"):
        assert by_size[kind, 0.25].found.share == 1
        assert by_size[kind, 0.25].blamed_others.found == 0
        assert by_size[kind, 0.02].found.share < 0.5  # the floor
    assert set(by_size["paired", 0.05].by_benchmark) == {PREFIX + name for name in NAMES}
    assert sum(part.of for part in found.parts) == found.gates == 30
    assert found.minutes == pytest.approx(199 * 3 / 60 + 2.5 / 60)


def test_which_side_is_called_base_a_coin_says(tmp_path: Path) -> None:
    """A machine that favours a place favours neither side, as in a gate."""
    unfair = synthetic(tmp_path / "r.jsonl", unfair=1.2)
    assert replayed(unfair, gates=10).alarms["whole"].found == 0


def test_rounds_follow_each_other_and_the_budget_ends_them(tmp_path: Path) -> None:
    recorded = recording.read(synthetic(tmp_path / "r.jsonl"))
    gate = ReplayedGate(recorded, POLICY, 10.0, {}, Random(3))
    outcome = gate.run()
    assert gate.rounds == 4  # of 2.5 s each
    assert outcome.code == 2
    cpu = [each for each in outcome.judgements if each.name.startswith(PREFIX)]
    following = [recorded.rounds[(gate.first + k) % 200].values["clock"] for k in range(4)]
    [clock] = [each for each in cpu if each.name == PREFIX + "clock"]
    seen = [each for v in following for each in (v.seconds, v.seconds * v.ratio)]
    assert min(seen) <= min(clock.base, clock.head) <= max(clock.base, clock.head) <= max(seen)


def test_seeds_that_do_not_suffice_leave_them_out(tmp_path: Path) -> None:
    found = replayed(synthetic(tmp_path / "r.jsonl", seeds=ENOUGH - 1), gates=2)
    assert {row.kind for row in found.power} == {"paired"}


def test_a_recording_shorter_than_a_gate_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = synthetic(tmp_path / "r.jsonl", rounds=most_rounds(POLICY) - 1)
    assert run("--from", str(file), "--output", str(tmp_path)) == 2
    assert f"a gate takes up to {most_rounds(POLICY)}" in capsys.readouterr().err


def run(*arguments: str) -> int:
    return main(["gate", "--calibrate", *arguments])


def test_the_command_files_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = synthetic(tmp_path / "r.jsonl")
    assert run("--from", str(file), "--gates", "3", "--output", str(tmp_path)) == 0
    assert "| whole | 0 % (0 % to 70.8 %) |" in capsys.readouterr().out
    assert json.loads((tmp_path / "calibration.json").read_text())["gates"] == 3
    assert (tmp_path / "calibration.md").read_text().startswith("Commit cccccccccccc (Recorded)")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--gates", "0"), "--gates takes 1 to"),
        (("--minutes", "-1"), "--minutes takes 0 to"),
        (("--only", "nothing"), "no function matches"),
        (("nowhere",), "git knows no commit"),
    ],
)
def test_bad_usage_is_three(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--output", str(tmp_path)) == 3
    assert words in capsys.readouterr().err


def test_real_rounds_are_kept_when_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SEEDS", 2)
    monkeypatch.setattr(seeds, "PLAYS", plays := seeds.PLAYS[:2])
    file = tmp_path / "recording.jsonl"

    def interrupt(told: str) -> None:
        if told == "2 rounds":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recording.record(file, subject.core_dir(), COMMIT, {}, ["clock"], 300.0, interrupt)
    found = recording.read(file)
    assert [sorted(each.values) for each in found.rounds] == [["clock"]] * 2
    assert all(0 < each.values["clock"].seconds < 1 for each in found.rounds)
    assert all(0.2 < each.values["clock"].ratio < 5 for each in found.rounds)
    names = sorted(name for each in plays for name in each.metrics)
    assert sorted(found.seeds[0]) == sorted(found.seeds[1]) == names
    assert found.rounds[1].at_s > found.rounds[0].at_s + found.rounds[0].start_s - 0.1


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    file = synthetic(tmp_path / "r.jsonl", rounds=3)
    file.write_text(file.read_text()[:-20], encoding="utf-8")
    assert len(recording.read(file).rounds) == 2


@pytest.mark.parametrize("text", ["", "{}\n", "no JSON\n", '{"format": 2}\n'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(recording.RecordingError, match="other"):
        recording.read(file)


def test_nothing_to_time_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "SEEDS", 0)
    (tmp_path / "p2pcore").mkdir()
    (tmp_path / "p2pcore" / "__init__.py").write_text("raise ImportError('broken on purpose')")
    with pytest.raises(recording.RecordingError, match="broken on purpose"):
        recording.record(tmp_path / "r", str(tmp_path), COMMIT, {}, ["clock"], 60.0, lambda _: None)
