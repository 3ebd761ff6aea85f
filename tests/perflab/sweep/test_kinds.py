"""What comes of one seed."""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.simulated.detection import detection
from benchmarks.common.simulated.overload import until_as_usual
from perflab.sweep.kinds import KINDS
from tests.perflab.gate.test_calibrate import synthetic


def test_a_simulated_network_keeps_its_promises() -> None:
    found = KINDS["sim"].play(3, {"scenario": None})
    assert found == KINDS["sim"].play(3, {"scenario": None})
    assert found.broken == ""
    assert found.figures["writes acknowledged"] > 0


def test_who_is_given_up_too_soon_is_a_false_removal(monkeypatch: pytest.MonkeyPatch) -> None:
    play, settings = KINDS["removals"].play, {"nodes": 16, "minutes": 1}
    found = play(7, settings)
    assert (found.broken, found.figures["false removals"]) == ("", 0)
    assert found.figures["node-hours"] == pytest.approx(16 / 60)

    def hasty(*args: Any, **options: Any) -> dict[str, float]:
        return detection(*args, give_up_after_s=1.0, **options)

    monkeypatch.setattr("perflab.sweep.kinds.detection", hasty)
    hurried = play(7, settings)
    assert hurried.broken == f"{hurried.figures['false removals']:.0f} false removals"


def test_a_failure_that_stays_when_what_began_it_is_over_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play = KINDS["triggers"].play
    found = play(4, {})
    assert found.broken == ""
    assert found.figures["restarts"] == found.figures["restarts: as before within 0.5 s"] == 1

    def without_control(seed: int, trigger: str) -> dict[str, float]:
        return until_as_usual(seed, trigger, "off")

    monkeypatch.setattr("benchmarks.common.simulated.overload.PATIENCE_S", 2.0)
    monkeypatch.setattr("perflab.sweep.kinds.PATIENCE_S", 2.0)
    monkeypatch.setattr("perflab.sweep.kinds.until_as_usual", without_control)
    assert play(4, {}).broken == "restarts: not as before after 2 s"


def test_gates_are_replayed_and_told_as_shares(tmp_path: Path) -> None:
    kind = KINDS["gate"]
    recording = str(synthetic(tmp_path / "r.jsonl"))
    settings = {"recording": recording, "gates": 1, "rounds_s": 600.0}
    sums = Counter(kind.play(1, settings).figures)
    sums.update(kind.play(2, settings).figures)
    assert sums["gates"] == sums["paired, 25% slower: found"] == 2
    assert "false alarms: 0 % (0 % to 84.2 %) of 2 gates" in kind.told(sums)


def test_chaos_is_asked_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = KINDS["chaos"]
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int)
    kind.add_arguments(parser)
    options = parser.parse_args(["--seeds", "20", "churn", "--minutes", "0.5"])
    settings = {name: getattr(options, name) for name in kind.settings}
    kind.check(settings)
    asked = []

    def broken(options: argparse.Namespace) -> int:
        asked.append((options.scenario, options.minutes, options.seed))
        print("BROKEN: a key")
        return 1

    monkeypatch.setattr("perflab.sweep.kinds.chaos.main", broken)
    assert "BROKEN: a key" in kind.play(7, settings).broken
    assert asked == [("churn", 0.5, 7)]
    with pytest.raises(SystemExit):
        kind.check({"words": ["nonsense"]})
    assert "nonsense" in capsys.readouterr().err


def test_a_recording_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("{}")
    with pytest.raises(ValueError, match=r"r\.jsonl"):
        KINDS["gate"].check({"recording": str(tmp_path / "r.jsonl"), "gates": 1, "rounds_s": 1.0})
