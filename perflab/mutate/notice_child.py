"""A process in which tests, or the simulator's checkers, meet one mutant.

Rule: started by `trial.py`; its last line says what noticed.
"""

from __future__ import annotations

import json
import resource
from typing import Any

import pytest

from benchmarks.common import subject

__all__ = ["run_child"]

MOST_BYTES = 4 << 30  # a mutant may go on collecting for ever


class _First:
    """A plugin: the first test that fails, or module that cannot be loaded."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.name = self.name or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.name = self.name or f"{report.nodeid} (loading it)"


def run_child(arguments: list[str]) -> None:
    """Takes a list in JSON: its seconds of processor time, "tests" or "seeds", and their names or
    numbers; the last line that it prints says by whom the mutant was noticed. The kernel ends it
    once it has used so much processor time."""
    cpu_s, what, *asked = json.loads(arguments[0])
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    noticed = _tests(asked) if what == "tests" else _seeds(asked)
    print("\n" + json.dumps({"noticed": noticed}), flush=True)


def _tests(names: list[str]) -> str:
    first = _First()
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:cov"]
    code = pytest.main([*options, *names], plugins=[first])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not first.name:
        raise SystemExit(f"pytest ended with {code}")
    return first.name


def _seeds(seeds: list[int]) -> str:
    name_for = subject.part("sim.explore.scenarios", "name_for")
    draw, play = (
        subject.part("sim.explore.scenarios", "draw"),
        subject.part("sim.explore.play", "play"),
    )
    for seed in seeds:
        outcome = play(draw(name_for(seed), seed))
        if not outcome.ok:
            return f"checker {outcome.broken} in {outcome.scenario.name}, seed {seed}"
    return ""
