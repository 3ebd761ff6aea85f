"""Causes that are really there in a load run, and what the report says: each its own diagnosis.

The others: a slow replica and a lossy link in test_advice.py, on runs that were filed there, a leak
in test_soak.py.
"""

from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.load.record import read_load
from perflab.processes.fleet import Fleet
from tests.benchmarks import busy_child
from tests.perflab.recorded import diagnoses


def run(out: Path, *options: str) -> Path:
    code = main(["load", "--plain", "--out", str(out), "--pattern", "constant", *options])
    assert code == (0 if read_load(out).usable else 2)
    return out


@pytest.mark.slow
def test_a_node_without_processor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = Path(__file__).parents[2] / "benchmarks"
    monkeypatch.setenv("PYTHONPATH", str(helpers))
    monkeypatch.syspath_prepend(helpers)
    monkeypatch.setattr(Fleet, "child_module", "busy_child")
    options = ["--rate", "100", "--seconds", "2", "--nodes", "3", "--records", "100"]
    for attempt in range(3):
        monkeypatch.setenv(busy_child.NOTE, str(tmp_path / f"note {attempt}"))
        out = run(tmp_path / f"load {attempt}", *options)
        if read_load(out).usable:  # the generator may be late on a machine that others use
            found = diagnoses(tmp_path, "sustained", out)
            assert list(found) == ["CPU-bound node"]
            assert len(found["CPU-bound node"]) == 1  # of three
            return
    pytest.skip("no processor time is left here for a generator of 100 operations per second")


def test_a_generator_that_cannot_keep_up(tmp_path: Path) -> None:
    # 30,000 operations, for which there is a microsecond each.
    options = ["--target", "null", "--rate", "1000000", "--seconds", "0.03"]
    found = diagnoses(tmp_path, "sustained", run(tmp_path / "load", *options))
    assert list(found) == ["overrun generator"]
