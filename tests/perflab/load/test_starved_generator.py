"""A generator that is really kept from the processor says so, and diagnoses nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.common.entry import SUITE_PARENT
from benchmarks.common.processors import SCHEDSTAT, look, warning
from perflab.load.record import read_load
from perflab.readiness.single_run_report import build_run

LOOP = """
import os, time
end = time.monotonic() + 120
while os.getppid() == {} and time.monotonic() < end:
    pass
"""

pytestmark = pytest.mark.skipif(
    not SCHEDSTAT.exists() or not hasattr(os, "sched_setaffinity"), reason="Linux tells it alone"
)


@pytest.fixture
def busy_core() -> Iterator[int]:
    """One core on which two loops of ours run and never end by themselves."""
    core = max(os.sched_getaffinity(0))
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", LOOP.format(os.getpid())],
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        for _ in range(2)
    ]
    yield core
    for each in loops:
        each.kill()
        each.wait()


@pytest.mark.slow
def test_a_starved_generator_is_bound_and_says_nothing_of_the_network(
    tmp_path: Path, busy_core: int
) -> None:
    def behind_the_loops() -> None:
        os.sched_setaffinity(0, {busy_core})
        os.nice(5)

    out = tmp_path / "run"
    options = ["--pattern", "constant", "--rate", "100", "--seconds", "4", "--nodes", "3"]
    done = subprocess.run(
        [sys.executable, "-m", "perflab", "load", "--plain", "--out", str(out), *options,
         "--records", "50", "--trace-every", "1"],
        cwd=SUITE_PARENT, preexec_fn=behind_the_loops, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert "GENERATOR-BOUND" in done.stdout
    assert "kept from the processor" in done.stdout
    assert "followed" not in done.stdout  # the critical path
    result = read_load(out).result
    assert result is not None
    assert result.generator_bound
    assert not read_load(out).usable
    report = build_run(out)
    assert report.state == "unmeasured"
    assert report.steps[0].critical_path is None
    assert [each.cause for each in report.advice] == ["starved generator"]


def test_who_keeps_the_machine_busy_is_named(busy_core: int) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {busy_core})
    try:
        found = look(0.5)
    finally:
        os.sched_setaffinity(0, before)
    assert found.cores == 1
    assert found.too_busy
    assert found.processes
    assert str(found.processes[0][1]) in warning(found)
    assert "pid" in warning(found)
    assert "too busy to measure" in warning(found)
