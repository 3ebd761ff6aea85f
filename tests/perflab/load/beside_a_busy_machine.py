"""Runs of `load`, one after the other, quiet or beside busy loops; what each said of itself.

    python -m tests.perflab.load.beside_a_busy_machine --runs 10           # as the machine is
    python -m tests.perflab.load.beside_a_busy_machine --runs 10 --busy    # two loops a core

Ends with 0 if all runs said what they had to: "generator-bound" and nothing of the network beside
the loops, nothing at all without.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common.processors import look
from perflab.load.figures import figures, judged
from perflab.load.record import read_load
from perflab.readiness.single_run_report import build_run

ROOT = Path(__file__).parents[3]
LOOP = "import os\nwhile os.getppid() == {}: pass"
SECONDS = 6


@contextmanager
def busy_loops(many: int) -> Iterator[None]:
    """So many processes that want a core each, while this one lives."""
    command = [sys.executable, "-c", LOOP.format(os.getpid())]
    loops = [subprocess.Popen(command) for _ in range(many)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def one(out: Path, rate: int) -> tuple[bool, list[str]]:
    """Whether a run was generator-bound, and the causes that its report names; prints a line."""
    options = ["--pattern", "constant", "--rate", str(rate), "--seconds", str(SECONDS)]
    command = ["-m", "perflab", "load", "--plain", "--records", "200", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, *command, *options], cwd=ROOT, capture_output=True, timeout=300
    )
    record = read_load(out)
    assert record.result is not None
    found = figures(judged(record), record.errors, SECONDS)
    causes = [each.cause for each in build_run(out).advice]
    print(
        f"exit code {done.returncode}, bound: {record.result.generator_bound}, late: "
        f"{found.late / found.scheduled:.1%}, causes: {', '.join(causes) or 'none'}", flush=True,
    )  # fmt: skip
    assert done.returncode == (2 if record.result.generator_bound else 0)
    return record.result.generator_bound, causes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    print(f"before: {look()}")
    right = 0
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, busy_loops(2 * cores * options.busy):
        for number in range(options.runs):
            bound, causes = one(Path(folder) / str(number), options.rate)
            wanted = {"starved generator"} if options.busy else set()
            right += bound == options.busy and set(causes) == wanted
    print(f"{right} of {options.runs} as they have to be")
    return 0 if right == options.runs else 1


if __name__ == "__main__":
    sys.exit(main())
