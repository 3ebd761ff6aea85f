"""The runner files what its steps did, ends those that do not end, and says so in its exit code."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perflab import __main__ as command_line
from perflab.readiness import command as readiness
from perflab.readiness.baseline import read_report
from perflab.readiness.record import Durability, RunStage, read_record
from perflab.readiness.stages import DIR, steps
from perflab.readiness.targets import read_targets
from perflab.stats.thresholds import METRICS

ROOT = Path(__file__).parents[3]


def step(name: str, code: str, limit_s: float = 60.0) -> RunStage:
    """A step that runs some Python instead of a command of the suite."""
    return RunStage(
        name=name,
        kind="saturation",
        title=name,
        about="?",
        tags=["saturation"],
        metrics=["requests"],
        command=["-c", code, f"{DIR}/run.json"],
        limit_s=limit_s,
    )


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *planned: RunStage, more: str = "") -> int:
    monkeypatch.setattr(readiness, "steps", lambda **_: list(planned))
    targets = out.with_suffix(".toml")
    targets.write_text("version = 1\n[thresholds]\nrequests = 'rate > 1'\n" + more)
    return command_line.main(["readiness", "--targets", str(targets), "--out", str(out)])


def test_a_durability_that_is_none_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = tmp_path / "mine.toml"
    targets.write_text("version = 1\ndurability = 'paper'\n[thresholds]\nlost = 'count == 0'\n")
    assert command_line.main(["readiness", "--targets", str(targets)]) == 2
    told = capsys.readouterr().err
    assert told == (
        "error: mine.toml: durability is one of memory, buffered, synced, not 'paper'\n"
    )


@pytest.mark.parametrize("quick", [True, False])
def test_the_plan_asks_for_what_the_targets_ask(quick: bool) -> None:
    planned = steps(quick=quick, seed=7)
    assert len({each.name for each in planned}) == len(planned)
    assert all(set(each.metrics) <= METRICS.keys() for each in planned)
    for target in read_targets():
        asked = [
            each for each in planned if target.scope in each.tags and target.metric in each.metrics
        ]
        assert asked, target.name
    for each in planned:
        assert sum(DIR in part for part in each.command) == 1
        if each.kind in ("load", "chaos"):
            assert each.command[each.command.index("--seed") + 1] == "7"


@pytest.mark.parametrize("durability", ["memory", "buffered", "synced"])
def test_every_step_measures_the_durability_that_is_asked(durability: Durability) -> None:
    for quick in (True, False):
        planned = steps(quick=quick, seed=1, durability=durability)
        assert {each.durability for each in planned} == {durability}
        for each in planned:
            assert each.command[each.command.index("--durability") + 1] == durability
        assert ("blackout" in {each.name for each in planned}) == (durability != "memory")


def test_commands_of_the_plan_are_understood() -> None:
    planned = [*steps(quick=True, seed=1), *steps(quick=False, seed=1)]
    ours = [each.command[2:] for each in planned if each.command[1] == "perflab"]
    assert {words[0] for words in ours} >= {"load", "chaos"}
    for words in ours:
        command_line._parser().parse_args(words)


def test_a_step_that_fails_is_told_and_the_next_one_is_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = step("broken", "print('out of luck'); raise SystemExit(2)")
    assert run(monkeypatch, tmp_path / "run", broken, step("next", "pass")) == 2
    outcomes = read_record(tmp_path / "run").outcomes
    assert outcomes["broken"].exit_code == 2
    assert outcomes["broken"].message == "out of luck"
    assert outcomes["next"].exit_code == 0
    found = read_report(tmp_path / "run")
    assert found.verdict == "unmeasured"
    assert "out of luck" in found.targets[0].reason
    assert "cannot be read" in found.targets[0].reason  # the next one left no record
    assert "COULD NOT BE MEASURED" in capsys.readouterr().out


def test_a_step_that_does_not_end_is_ended_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(readiness, "GRACE_S", 0.5)
    code = (
        "import os, pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path(sys.argv[1]).with_name('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(600)\n"
    )
    assert run(monkeypatch, tmp_path / "run", step("endless", code, limit_s=3.0)) == 2
    outcome = read_record(tmp_path / "run").outcomes["endless"]
    assert outcome.exit_code is None
    for pid in (tmp_path / "run" / "endless" / "pids").read_text().split():
        assert gone(int(pid))


def gone(pid: int) -> bool:
    """Whether a process has ended; an orphan may wait for its new parent to be taken note of."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("latencey = 'p(95) < 2'", "did you mean 'latency'"),
        (
            "[[target]]\nname='x'\nmetric='lost'\nthreshold='count == 0'\nscope='fault'",
            "unknown scope",
        ),
    ],
)
def test_a_typo_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: str,
    says: str,
) -> None:
    assert run(monkeypatch, tmp_path / "run", step("it", "pass"), more=more) == 2
    told = capsys.readouterr()
    assert re.fullmatch(rf"error: .*{says}.*\n", told.err)
    assert not (tmp_path / "run").exists()


def test_a_directory_that_is_there_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    assert run(monkeypatch, tmp_path / "run", step("it", "pass")) == 2
    assert "is there already" in capsys.readouterr().err


def test_an_unknown_set_or_baseline_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["readiness", "--hold", "goal"]) == 2
    assert "there are the sets production, goals" in capsys.readouterr().err
    assert command_line.main(["readiness", "--baseline", "no such"]) == 2
    assert "no baseline is called 'no such'" in capsys.readouterr().err
    assert command_line.main(["report", str(tmp_path)]) == 2
    assert command_line.main(["trends", "--machine", "no such machine"]) == 2


@pytest.mark.slow
def test_a_run_that_is_interrupted_has_a_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "perflab", "readiness", "--quick", "--out", str(out)]
    with (tmp_path / "said").open("wb") as said:
        child = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 60
            while not (out / "saturation" / "output.txt").exists():
                assert time.monotonic() < deadline
                assert child.poll() is None
                time.sleep(0.1)
            os.kill(child.pid, signal.SIGINT)
            assert child.wait(60) == 130
        finally:
            child.kill()
    found = read_report(out)
    assert found.verdict == "unmeasured"
    assert "the run ended before" in found.targets[0].reason


@pytest.mark.slow
def test_saturation_is_measured_and_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (whole, *_) = steps(quick=True, seed=1)
    command = [*whole.command[: whole.command.index("--repeats")], "--repeats", "1"]
    few = RunStage(**(vars(whole) | {"command": command}))
    assert run(monkeypatch, tmp_path / "run", few) == 0
    found = read_report(tmp_path / "run")
    assert found.verdict == "met"
    assert found.targets[0].value is not None
    assert len(found.capacity) == 2
