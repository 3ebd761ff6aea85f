"""A process that runs tests under coverage and writes down what each of them executes.

Rule: started by `cover.py`; writes one file.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

from benchmarks.common import subject
from perflab.mutate.draw import OUTSIDE

__all__ = ["run_child"]


class _Contexts:
    """A plugin: each test is a context of its own."""

    def __init__(self, cover: coverage.Coverage) -> None:
        self._cover = cover
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._cover.switch_context(item.nodeid)
        begun_s = time.process_time()  # not by the clock on the wall: the machine may be busy
        result = yield
        self.seconds[item.nodeid] = time.process_time() - begun_s
        self._cover.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not report.passed:
            self.failed.add(report.nodeid)


def run_child(arguments: list[str]) -> None:
    """The order is a JSON list: the file to write, and pytest's arguments."""
    file, *asked = json.loads(arguments[0])
    package = Path(subject.core_dir(), "p2pcore")
    omitted = [f"{package}/{each}/*" for each in OUTSIDE]
    cover = coverage.Coverage(
        data_file=None, config_file=False, source=[str(package)], omit=omitted
    )
    contexts = _Contexts(cover)
    cover.start()
    options = ["-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:cov"]
    code = pytest.main([*options, *asked], plugins=[contexts])
    cover.stop()
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"pytest ended with {code}")
    lines: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    data = cover.get_data()
    for measured in data.measured_files():
        name = Path(measured).relative_to(package).as_posix()
        for line, tests in data.contexts_by_lineno(measured).items():
            for test in tests:
                lines[test][name].append(line)
    passed = [
        {"name": name, "seconds": round(contexts.seconds[name], 4), "lines": found}
        for name, found in sorted(lines.items())
        if name and name not in contexts.failed
    ]
    Path(file).write_text(json.dumps({"core": "", "tests": passed}), encoding="utf-8")
