"""All mutants of a seed, or a part of them: a line for each, however often it is interrupted.

Theory of operation. A directory holds what is asked (`plan.json`), base's core as it was then, the
maps of who reaches what, and a line per mutant (`results.jsonl`), written as each ends. The same
command goes on where it stopped. Mutants come in an order drawn from the seed, so that however many
there was time for, they are a random sample.

Rule: order, files and time; drawing is `draw.py`'s, and trying `trial.py`'s.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random

import psutil

from perflab.forms import cut_torn_line, document
from perflab.gate.policy import load_policy
from perflab.gate.reach import reach_of
from perflab.gate.run import METRICS
from perflab.mutate.causes import MutantCauses
from perflab.mutate.cover import CORE_TESTS, EDGE_TESTS, CoverMap, cover_of
from perflab.mutate.draw import Mutant, MutantDraws, MutantKind, core_files
from perflab.mutate.figures import FigureJudge
from perflab.mutate.record import (
    PLAN,
    RESULTS,
    Guard,
    MutantResult,
    MutationPlan,
    MutationRecordError,
)
from perflab.mutate.reviewed import filed
from perflab.mutate.trial import EDGES, MutantTrial, TrialError
from perflab.results.checkout import Commit

__all__ = ["MutationRun", "chosen", "digest_of"]

BEAT_S = 1.0
PROGRESS = 10  # mutants between lines of it
ENOUGH = "enough causes are known"


@dataclass(frozen=True, kw_only=True)
class MutationRun:
    """One directory, and what is still to be done in it."""

    root: Path
    directory: Path
    plan: MutationPlan
    say: Callable[[str], object]
    _filing: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=count)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set once processes of trials are ended early: what these say then is not filed."""

    def go(
        self, mutants: Sequence[Mutant], jobs: int, budget_s: float, *, again: bool = False,
        causes: MutantCauses | None = None,
    ) -> list[MutantResult]:  # fmt: skip
        """Try those that were not tried before; all results that there are then. `again`: also
        those that nobody noticed, with the tests as they are now. `causes`: ask what is behind the
        figures that saw a slowdown; once these are enough, nothing more is begun.

        Raises:
            MutationRecordError: the directory holds another run.
            CoverError: the tests do not run.
            CheckoutError: git cannot commit what is asked about.
        """
        self._open()
        known = {each.key: each for each in self._filed() if each.guarded or not again}
        left = [each for each in mutants if each.key not in known]
        if len(left) < len(mutants):
            self.say(f"{len(mutants) - len(left):,} of {len(mutants):,} were tried before")
        if causes is not None:
            causes.open(mutants)
            seen = {key for key, each in known.items() if each.guard == Guard.FIGURE}
            left = [each for each in mutants if each.key in seen and causes.lacks(each)] + left
        if left and causes is not None and causes.enough:
            self.say(f"{ENOUGH}; {len(left):,} are left")
        elif left:
            if again:
                for file in self.directory.glob("tests-of-*.json"):
                    file.unlink()
            one = partial(self._tried_and_asked, self.trial(left), known, causes)
            self._try_all(one, left, jobs, time.monotonic() + budget_s, causes)
        keys = {each.key for each in mutants}
        return [each for each in self._filed() if each.key in keys]

    def _filed(self) -> list[MutantResult]:
        return filed(self.directory / RESULTS)

    def _open(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        place = self.directory / PLAN
        if place.exists():
            there = document(place, MutationPlan, MutationRecordError)
            for name in ("core", "seed", "format"):
                ours, theirs = getattr(self.plan, name), getattr(there, name)
                if ours != theirs:
                    raise MutationRecordError(
                        f"{self.directory} holds a run with {name} {theirs}, not {ours}"
                    )
        elif any(self.directory.iterdir()):
            raise MutationRecordError(f"{self.directory} is not empty and holds no run")
        else:
            place.write_text(json.dumps(asdict(self.plan), indent=1) + "\n", encoding="utf-8")
        base = self.directory / "base"
        if not base.is_dir():
            making = self.directory / "making"
            shutil.rmtree(making, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(self.root / "p2pcore", making / "p2pcore", ignore=ignored)
            making.rename(base)
            compileall.compile_dir(base, quiet=2)  # once, and not for each mutant

    def trial(self, left: Sequence[Mutant]) -> MutantTrial:
        """Who reaches what, as far as these mutants need to know it."""
        base = self.directory / "base"
        slow = [each for each in left if each.kind is MutantKind.SLOWDOWN]
        if slow:
            self.say("asking which figures reach which function (a minute or two, once)")
        commit = Commit(self.plan.core[:40], "the core that is mutated")
        reach = reach_of(self.root, commit, str(base), METRICS if slow else ())
        judge = FigureJudge(str(base), reach, load_policy(), lambda: not self.stopped.is_set())
        if slow:
            hot = sum(judge.reached(each.function) > 0 for each in slow)
            self.say(f"{hot:,} of {len(slow):,} slowdowns are of functions that a figure executes")
        weak = [each for each in left if each.kind is MutantKind.WEAKENING]
        rooms = dict(CORE_TESTS) if weak else {}
        if any(each.file.startswith(EDGES) for each in weak):
            rooms |= EDGE_TESTS
        cover = CoverMap(core=self.plan.core)
        for name, tests in rooms.items():
            file = self.directory / f"tests-of-{name}.json"
            if not file.is_file():
                self.say(f"asking which tests of {name} execute which line (once, some minutes)")
            cover.tests += cover_of(self.root, base, self.plan.core, file, tests).tests
        return MutantTrial(root=self.root, base=base, figures=judge, cover=cover)

    def _try_all(
        self, one: Callable[[Mutant], MutantResult], left: Sequence[Mutant], jobs: int,
        end_s: float, causes: MutantCauses | None,
    ) -> None:  # fmt: skip
        progress = _Progress(len(left), self.say)
        waiting = list(reversed(left))
        running: dict[Future[MutantResult], str] = {}
        cut_torn_line(self.directory / RESULTS)
        with ThreadPoolExecutor(jobs) as pool:
            try:
                while waiting or running:
                    enough = causes is not None and causes.enough
                    late = time.monotonic() >= end_s
                    while waiting and len(running) < jobs and not (enough or late):
                        mutant = waiting.pop()
                        running[pool.submit(one, mutant)] = mutant.name
                    if not running:
                        over = ENOUGH if enough else "the budget is over"
                        self.say(f"{over}; {len(waiting):,} are left")
                        return
                    for future in wait(running, BEAT_S, FIRST_COMPLETED).done:
                        progress.ended(running.pop(future), future)
            except BaseException:
                self.stopped.set()  # what is said of a mutant whose process is ended is not so
                _end_children()
                raise

    def _tried_and_asked(
        self, trial: MutantTrial, known: Mapping[tuple[str, str, str], MutantResult],
        causes: MutantCauses | None, mutant: Mutant,
    ) -> MutantResult:  # fmt: skip
        result = known.get(mutant.key) or self.tried(trial, mutant)
        if causes is not None and result.guard == Guard.FIGURE:
            causes.ask(mutant, result.by)
        return result

    def tried(self, trial: MutantTrial, mutant: Mutant) -> MutantResult:
        """What came of one, filed."""
        begun_s = time.monotonic()
        # Of its own: what a stage has counted of a directory is remembered.
        place = self.directory / f"mutant-{next(self._numbers)}"
        result = trial.of(mutant, place)
        result = replace(result, seconds=round(time.monotonic() - begun_s, 1))
        line = json.dumps(asdict(result), ensure_ascii=False) + "\n"
        with self._filing:
            if not self.stopped.is_set():
                with (self.directory / RESULTS).open("a", encoding="utf-8") as file:
                    file.write(line)
        return result


class _Progress:
    """A line for each mutant that nobody noticed, and now and then how far it is."""

    def __init__(self, many: int, say: Callable[[str], object]) -> None:
        self._many, self._say = many, say
        self._begun_s, self._done = time.monotonic(), 0

    def ended(self, name: str, future: Future[MutantResult]) -> None:
        """One more; raises what is no TrialError."""
        self._done += 1
        try:
            result = future.result()
        except TrialError as error:
            self._say(f"NOT TRIED {name}: {error}")
        else:
            if not result.guarded:
                self._say(f"{result.guard}: {name} line {result.line}: {result.said}")
        if self._done % PROGRESS == 0:
            each_s = (time.monotonic() - self._begun_s) / self._done
            left_min = (self._many - self._done) * each_s / 60
            self._say(f"{self._done:,} of {self._many:,} tried, {each_s:.1f} s each, "
                      f"{left_min:.0f} minutes left")  # fmt: skip


def chosen(root: Path, kinds: str, seed: int, only: str, sample: int | None) -> list[Mutant]:
    """The mutants of functions of the core in a checkout whose `FILE:SYMBOL` matches a pattern, in
    an order that the seed draws; of them, so many. Of `drawn` kinds, each function has one."""
    functions = [
        (file, symbol, node)
        for file in core_files(root)
        for symbol, node in file.functions()
        if fnmatchcase(f"{file.file}:{symbol}", only)
    ]
    Random(f"{seed}/order").shuffle(functions)
    draws: dict[str, MutantDraws] = {}
    found: list[Mutant] = []
    for file, symbol, node in functions:
        of_file = draws.setdefault(file.file, MutantDraws(file))
        order = list(MutantKind) if kinds in ("drawn", "both") else [MutantKind(kinds)]
        Random(f"{seed}/{file.file}/{symbol}").shuffle(order)
        own = (of_file.of(symbol, node, kind, seed) for kind in order)
        found += islice(filter(None, own), 1 if kinds == "drawn" else None)
        if sample is not None and len(found) >= sample:
            return found[:sample]
    return found


def digest_of(root: Path) -> str:
    """SHA-256 of the core's sources."""
    digest = hashlib.sha256()
    for path in sorted((root / "p2pcore").rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _end_children() -> None:
    """Processes that trials have started, and theirs: without them the trials end at once."""
    for member in psutil.Process().children(recursive=True):
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
