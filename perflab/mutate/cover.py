"""Which tests execute which line of the core: one run of them all under coverage.

Rule: starts that run and reads what it wrote; who of them notices a change, `trial.py` finds out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from benchmarks.common import entry
from benchmarks.common.children import child_environment
from perflab.forms import document
from perflab.mutate.draw import Mutant

__all__ = [
    "CORE_TESTS",
    "EDGE_TESTS",
    "CoverError",
    "CoverMap",
    "CoveredTest",
    "cover_of",
    "executing",
]

CORE_TESTS: dict[str, tuple[str, ...]] = {
    "overlay": ("overlay",),
    "replication": ("replication",),
    "routing": ("routing",),
    "session": ("session",),
    "storage": ("storage",),
    "wire": ("wire",),
    "node": (
        "test_address.py", "test_config.py", "test_coordinating.py", "test_expelling.py",
        "test_ids.py", "test_node.py", "test_operations.py", "test_requests.py",
        "test_settle.py", "test_versions.py",
    ),
}  # fmt: skip
EDGE_TESTS: dict[str, tuple[str, ...]] = {name: (name,) for name in ("aio", "blocking", "metrics")}
"""Below tests/, of the core and of its edges, each run by itself; only mutants of the edges meet
the latter. Commands are tried in processes of their own, which see no mutant; those below tests/sim
try the simulator, which every weakening of the core meets by itself."""
LEFT_OUT = ("replication/test_promise.py", "aio/test_power_cut.py")
"""Minutes of random operations, which are much like the simulator's; and children that are killed,
which see no mutant."""
MOST_TESTS = 60
MOST_TESTS_S = 20.0
"""So many tests meet a mutant at most, which take so much processor time at most in the run under
coverage."""


class CoverError(ValueError):
    """The run under coverage failed, or its file is damaged; one line or more."""


@dataclass(frozen=True, slots=True)
class CoveredTest:
    """One test that passed."""

    name: str
    """As pytest names it, from the repository's root."""
    seconds: float
    """Of processor time, under coverage."""
    lines: dict[str, list[int]]
    """Of each file of the core that it executes."""


@dataclass(kw_only=True)
class CoverMap:
    """All of them."""

    core: str
    """The digest of the core that was run."""
    tests: list[CoveredTest] = field(default_factory=list)


def cover_of(root: Path, core: Path, digest: str, file: Path, rooms: Sequence[str]) -> CoverMap:
    """The map of this core and of tests in these rooms, from its file if it was made before.

    Raises:
        CoverError: the tests do not run, or not one passes.
    """
    if file.is_file():
        found = document(file, CoverMap, CoverError)
        if found.core == digest:
            return found
    tests = [f"tests/{each}" for each in rooms]
    left_out = [f"--ignore=tests/{each}" for each in LEFT_OUT]
    command = [sys.executable, "-s", "-P", entry.__file__, "perflab.mutate.cover_child", str(core)]
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, json.dumps([str(part), *left_out, *tests])], cwd=root, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env=child_environment() | {"COVERAGE_CORE": "ctrace", "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    if done.returncode or not part.is_file():
        raise CoverError(f"the run of tests under coverage ended with {done.returncode}:\n"
                         f"{done.stdout.strip()[-1500:]}")  # fmt: skip
    made = document(part, CoverMap, CoverError)
    made.core = digest
    part.write_text(json.dumps(asdict(made)), encoding="utf-8")
    part.replace(file)
    return made


def executing(cover: CoverMap, mutant: Mutant) -> list[CoveredTest]:
    """The tests that execute the changed line, those of its own module and room first, and then the
    quickest: as many as MOST_TESTS and MOST_TESTS_S allow. Where a line is none by itself, those
    that execute the function."""
    within = range(mutant.first, mutant.last + 1)
    at_line, at_function = [], []
    for test in cover.tests:
        lines = test.lines.get(mutant.file, ())
        if mutant.line in lines:
            at_line.append(test)
        elif any(line in within for line in lines):
            at_function.append(test)
    place = PurePosixPath(mutant.file)
    room, own = f"tests/{place.parent}/", f"/test_{place.stem}.py"

    def order(test: CoveredTest) -> tuple[bool, bool, float, str]:
        return own not in test.name, not test.name.startswith(room), test.seconds, test.name

    chosen: list[CoveredTest] = []
    left_s = MOST_TESTS_S
    for test in sorted(at_line or at_function, key=order):
        if len(chosen) < MOST_TESTS and (test.seconds <= left_s or not chosen):
            chosen.append(test)
            left_s -= test.seconds
    return chosen
