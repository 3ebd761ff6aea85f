"""What can be asked, what cannot, and what is left in the end."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from perflab.__main__ import main
from perflab.canary.command import CODES, INTERRUPTED
from perflab.canary.record import read_canary, read_pairs

SHORT = ["--seconds", "1.2", "--warm-up-s", "0.2", "--rate", "500", "--slot-s", "0.05"]
SHORT += ["--records", "60", "--nodes", "1", "--plain"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["canary"], "--baseline and --candidate are both needed"),
        (["canary", "--baseline", "HEAD"], "both needed"),
        (["canary", "--baseline", "HEAD", "--candidate", "127.0.0.1:1"], "both are commits or"),
        (["canary", "--baseline", "no-such", "--candidate", "HEAD"], "no commit 'no-such'"),
        (["canary", "--baseline", "a:1", "--candidate", "b:1"], "need --network-key-file"),
        (
            ["canary", "--baseline", "a:1", "--candidate", "b:1", "--baseline-pid", "1"],
            "of both networks are named, or of neither",
        ),
        (["canary", "--baseline", "HEAD", "--candidate", "HEAD", "--rate", "1"], "rate is 10 to"),
        (["canary", "--baseline", "HEAD", "--candidate", "HEAD", "--baseline-pid", "1"], "running"),
        (["canary", "--calibrate", "--runs", "0"], "--runs is 1 to 10000, not 0"),
        (["ab", "no_such"], "no setting is called 'no_such'; there are"),
        (["ab", "hedge_budget"], "hedge_budget is 0.05 by default and needs a value"),
        (["ab", "hedge_budget=much"], "hedge_budget is a number, not 'much'"),
        (["ab", "pool_size=1.5"], "pool_size is a whole number, not '1.5'"),
        (["ab", "avoid_outliers=perhaps"], "avoid_outliers is True or False, not 'perhaps'"),
        (["ab", "avoid_outliers=true"], "True by default: nothing to compare"),
        (["ab", "replication_factor=1"], "no setting is called"),
        (["ab", "overload_control", "--nodes", "17"], "--nodes is 1 to 16, not 17"),
    ],
)
def test_what_cannot_be_asked_is_2_and_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said


def test_networks_and_processes_that_are_not_there_are_told_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "network.key"
    key.write_text("00" * 32)
    sides = ["--baseline", "127.0.0.1:1", "--candidate", "127.0.0.1:2"]
    assert main(["canary", *sides, "--network-key-file", str(key)]) == 2
    assert "127.0.0.1:1 cannot be reached" in capsys.readouterr().err


def test_a_directory_that_is_there_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ab", "overload_control", "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_setting_is_compared_and_filed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run"
    code = main(["ab", "overload_control", "--out", str(place), *SHORT])
    result = read_canary(place)
    assert code == CODES[result.ruling.verdict]
    assert result.question.startswith("candidate overload_control=False beside baseline")
    assert (result.baseline, result.candidate) == (
        "overload_control=True",
        "overload_control=False",
    )
    assert result.ruling.decided_by != "records"
    pairs = list(read_pairs(place))
    assert len(pairs) == result.ruling.pairs
    assert result.operations == 25 * len(pairs)
    assert result.settings["feature"] == "overload_control=False"
    assert (place / "report.html").read_text().startswith("<!doctype html>")
    assert (place / "report.md").read_text() in capsys.readouterr().out


@pytest.mark.slow
def test_two_commits_are_built_served_and_compared(tmp_path: Path) -> None:
    place = tmp_path / "run"
    sides = ["--baseline", "HEAD", "--candidate", "HEAD"]
    code = main(["canary", *sides, "--out", str(place), *SHORT])
    result = read_canary(place)
    assert code == CODES[result.ruling.verdict]
    assert result.ruling.decided_by not in ("records", "gone")
    assert {each.name for each in result.figures} >= {"cpu", "client-cpu"}


def test_ctrl_c_files_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "run"
    stopped: list[Any] = []

    def stop_after_two(self: Any, pair: Any, judge: Any) -> None:
        stopped.append(pair)
        if len(stopped) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("perflab.canary.view.CanaryLines.pair", stop_after_two)
    assert main(["ab", "hedge_budget=0", "--out", str(place), *SHORT[2:]]) == INTERRUPTED
    result = read_canary(place)
    assert result.interrupted
    assert (result.ruling.verdict, result.ruling.pairs) == ("hold", 2)
    assert result.ruling.why.startswith("interrupted")
