"""What asv does with a benchmark type of ours: held here, for asv does not document it."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import asv_runner.benchmarks
import pytest
from asv._stats import mann_whitney_u
from asv_runner.benchmarks.track import TrackBenchmark

from benchmarks.common.asv_type import ROUNDS, register
from benchmarks.common.entry import SUITE_PARENT
from tests.perflab.results.test_checkout import git

SUITE = """
import os
import pathlib


class Rounds:
    rounds = 3
    unit = "processes"

    def track_process(self):
        return os.getpid()

    def track_samples(self):
        return {"samples": [1.0, 2.0], "number": 1}

    def track_number(self):
        place = pathlib.Path(__file__).with_name("numbers")
        left = place.read_text().split()
        place.write_text(" ".join(left[1:]))
        return {"samples": [float(left[0])], "number": int(left[0])}


class Once:
    unit = "processes"

    def track_samples(self):
        return {"samples": [1.0, 2.0], "number": 1}

    def track_process(self):
        return os.getpid()
"""
CONFIG = {
    "version": 1,
    "project": "p",
    "repo": ".",
    "branches": ["main"],
    "benchmark_dir": "suite",
    "environment_type": "virtualenv",
}
REGISTER = f"""
import sys

sys.path.append({SUITE_PARENT!r})
if "asv_runner.benchmarks" in sys.modules:
    from benchmarks.common.asv_type import register

    assert register() == ""
"""


def run_asv(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "asv", *arguments],
        cwd=folder,
        env={**os.environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_asv_runs_the_rounds_and_takes_a_value_of_each_process(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "__init__.py").write_text(REGISTER)
    (tmp_path / "suite" / "some.py").write_text(SUITE)
    (tmp_path / "suite" / "numbers").write_text("1100 1900 1300")
    (tmp_path / "asv.conf.json").write_text(json.dumps(CONFIG))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "One")
    run_asv(tmp_path, "machine", "--yes", "--machine", "here")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    told = run_asv(
        tmp_path, "run", "--python=same", "--set-commit-hash", head, "--machine", "here",
        "--record-samples", "--show-stderr",
    )  # fmt: skip
    [file] = (tmp_path / "results" / "here").glob(f"{head[:8]}-*.json")
    stored = json.loads(file.read_text())
    columns = stored["result_columns"]
    found = {
        name: dict(zip(columns, values, strict=False)) for name, values in stored["results"].items()
    }
    processes = found["some.Rounds.track_process"]["samples"][0]
    assert len(set(processes)) == 3  # of one process each
    assert found["some.Rounds.track_process"]["result"] == [sorted(processes)[1]]
    assert found["some.Rounds.track_samples"]["result"] is None
    assert "it returns one number, not a dict" in told
    # A sample of a process may come with its number, of which the largest is kept.
    assert found["some.Rounds.track_number"]["samples"] == [[1100.0, 1900.0, 1300.0]]
    assert found["some.Rounds.track_number"]["result"] == [1300.0]
    assert found["some.Rounds.track_number"]["stats_number"] == [1900]
    # Without rounds all is as it was.
    assert found["some.Once.track_samples"]["samples"] == [[1.0, 2.0]]
    assert found["some.Once.track_process"]["result"][0] > 1


def test_asv_can_tell_so_many_rounds_apart() -> None:
    """As many fewer, and it could not: asv's threshold is 0.002."""

    def p_of_most_different(rounds: int) -> float:
        values = [float(number) for number in range(2 * rounds)]
        found: float = mann_whitney_u(values[:rounds], values[rounds:])[1]
        return found

    assert p_of_most_different(ROUNDS) < 0.002 < p_of_most_different(6)
    assert p_of_most_different(6) == pytest.approx(2 / math.comb(12, 6))


def test_the_suites_are_of_our_type() -> None:
    """In a process of its own: asv_runner is there before the suites are, as with asv."""
    script = (
        "import json\n"
        "from asv_runner.discovery import disc_benchmarks\n"
        f"found = disc_benchmarks({str(Path(SUITE_PARENT) / 'benchmarks')!r})\n"
        "print(json.dumps([[type(each).__name__, each.rounds, each.setup_cache_key]"
        " for each in found if each.type == 'track']))"
    )
    environment = {**os.environ, "PYTHONPATH": SUITE_PARENT}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True
    )
    tracks = json.loads(done.stdout)
    assert {name for name, _, _ in tracks} == {"RoundsBenchmark"}
    assert {rounds for _, rounds, _ in tracks} == {1, ROUNDS}
    # asv runs the preparation of a class once for all rounds: they would repeat its values.
    assert not [key for _, rounds, key in tracks if rounds > 1 and key]


def test_it_is_registered_once() -> None:
    register()
    register()
    names = [each.__name__ for each in asv_runner.benchmarks.benchmark_types]
    assert names.count("RoundsBenchmark") == 1


@pytest.mark.parametrize("other", [[], (TrackBenchmark,)])
def test_another_asv_runner_is_told_and_no_error(
    other: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asv_runner.benchmarks, "benchmark_types", other)
    assert "no list of types" in register()
    assert "no rounds for asv, one value from one process instead" in capsys.readouterr().err


def test_no_track_benchmark_is_told_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("asv_runner.benchmarks.track.TrackBenchmark")
    assert "asv_runner has changed" in register()
