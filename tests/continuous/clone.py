"""asv itself on a clone of HEAD with one more commit, and a neighbour on the machine."""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.ruler.pairs import PER_MILLE
from perflab.results.asv_results import finite, stored
from perflab.results.git import line_of, run_git
from tests.continuous.defects import Defect

__all__ = ["MACHINE", "Clone", "Run", "TrialError", "changed", "clone", "neighbour"]

MACHINE = "trial"
SPELL_S = (1.0, 60.0)
CHANGED = re.compile(r"^\|\s*([+\-!])\s*\|(.*)\|\s*([\d.]+|n/a)\s*\|\s*(\S.*?)\s*\|$")
VERDICT = re.compile(r"NOT SIGNIFICANTLY CHANGED|PERFORMANCE (IN|DE)CREASED")
NEIGHBOUR = f"""
import os, random, sys, time
rng, table = random.Random(int(sys.argv[1])), {{}}
while os.getppid() == int(sys.argv[2]):
    until = time.monotonic() + rng.uniform{SPELL_S}
    while time.monotonic() < until and os.getppid() == int(sys.argv[2]):
        for number in range(20_000):
            table[number * 7919 % 50_000] = (number, until)
    until = time.monotonic() + rng.uniform{SPELL_S}
    while time.monotonic() < until and os.getppid() == int(sys.argv[2]):
        time.sleep(0.5)
"""


class TrialError(RuntimeError):
    """asv could not measure; the message is the last of what it said."""


def changed(said: str) -> dict[str, float]:
    """What asv calls changed, with head over base; infinite for what newly fails."""
    lines = map(CHANGED.match, said.splitlines())
    return {line[4]: math.inf if line[3] == "n/a" else float(line[3]) for line in lines if line}


@dataclass(frozen=True)
class Run:
    """One `asv continuous`: what it called changed, and every figure of both commits."""

    code: int
    changed: dict[str, float]
    base: dict[str, float]
    head: dict[str, float]
    seconds: float


@dataclass
class Clone:
    """HEAD, with one more commit."""

    root: Path
    home: Path
    runs: list[Run] = field(default_factory=list)

    def asv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(self.home)}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def continuous(self, bench: Sequence[str]) -> Run:
        """Base and head, in asv's own way."""
        begin_s = time.monotonic()
        chosen = [word for each in bench for word in ("--bench", each)]
        done = self.asv(
            "continuous", "HEAD~1", "HEAD", "--show-stderr", "--machine", MACHINE, *chosen
        )
        said = done.stdout + done.stderr
        if done.returncode not in (0, 1) or not VERDICT.search(said):
            raise TrialError(said[-5000:])
        base, head = (self.figures(commit) for commit in ("HEAD~1", "HEAD"))
        seconds = round(time.monotonic() - begin_s, 1)
        return Run(done.returncode, changed(said), base, head, seconds)

    def run(self, bench: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
        """The figures of HEAD: at reference speed, and as the clock says."""
        chosen = [word for each in bench for word in ("--bench", each)]
        done = self.asv("run", "HEAD^!", "--show-stderr", "--machine", MACHINE, *chosen)
        if done.returncode:
            raise TrialError((done.stdout + done.stderr)[-5000:])
        return self.figures("HEAD"), self.figures("HEAD", raw=True)

    def figures(self, commit: str, *, raw: bool = False) -> dict[str, float]:
        """What asv stored of times beside a ruler; `raw`, what they took on this machine."""
        digits = line_of(self.root, "rev-parse", commit)[:8]
        [path] = (self.root / ".asv" / "results" / MACHINE).glob(f"{digits}-*.json")
        found = {}
        for name, record in stored(path).records.items():
            cases = itertools.product(*record.params)
            for case, value, slow in itertools.zip_longest(cases, record.values, record.numbers):
                seconds = finite(value)
                if seconds is not None and seconds == seconds and ", ruler" in record.version:
                    called = f"{name}({', '.join(case)})" if case else name
                    found[called] = seconds * slow / PER_MILLE if raw else seconds
        return found


@contextmanager
def clone(defect: Defect | None) -> Iterator[Clone]:
    """HEAD with an environment to come, and a commit on top: a defect, or words alone."""
    here = Path(__file__).resolve().parent.parent.parent
    with tempfile.TemporaryDirectory(prefix="continuous-") as scratch:
        root, home = Path(scratch, "clone"), Path(scratch, "home")
        home.mkdir()
        run_git(here, "clone", "--quiet", "--shared", str(here), str(root))
        run_git(root, "checkout", "--quiet", "-B", "main")
        edited = root / (defect.module if defect else "CHANGELOG.md")
        with edited.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{defect.code}" if defect else "\nNothing.\n")
        author = ("-c", "user.name=trial", "-c", "user.email=trial@localhost")
        run_git(root, *author, "commit", "--quiet", "--all", "--no-verify", "--message", "Trial")
        found = Clone(root, home)
        found.asv("machine", "--yes", "--machine", MACHINE)
        yield found


@contextmanager
def neighbour(seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that takes a core in spells."""
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(seed), str(os.getpid())])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
