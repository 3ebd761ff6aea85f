"""A sweep: seeds in, a line for each out, however often it is interrupted.

Theory of operation. A directory holds what is asked (`manifest.json`) and a line for each seed
that was played (`results.jsonl`), written as tasks end. Whoever asks the same again goes on where
it stopped: what is there is left out, and a torn last line is cut off. Answers follow from their
seeds, so a task may be played twice, by a worker that died and by another; its lines are filed
once. The code is part of the question: a directory goes on only with the package that began it.

Rule: seeds and files; what a seed is, `kinds.py` knows, and where it is played, `perflab/cluster`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from perflab.cluster.scheduler import Scheduler, TaskError
from perflab.forms import converted, cut_torn_line, document, lines
from perflab.sweep.record import MANIFEST, RESULTS, SweepFileError, SweepPlan, SweepResult

__all__ = ["run_sweep"]

PROGRESS_S = 10.0


def run_sweep(
    plan: SweepPlan,
    directory: Path,
    scheduler: Scheduler,
    at_once: int,
    say: Callable[[str], object],
) -> SweepResult:
    """Play what is not there yet, on a scheduler that was entered. What ends it early leaves what
    there is; SweepFileError for a directory of another sweep."""
    result = SweepResult(plan=plan)
    path = _opened(plan, directory, result)
    before = len(result.played)
    if before:
        say(f"{before:,} of {plan.seeds:,} seeds were played before")
    chunks = list(_chunks(plan, result.played, at_once))
    orders = [
        [json.dumps({"kind": plan.kind, "settings": plan.settings, "seeds": seeds})]
        for seeds in chunks
    ]
    begun_s = told_s = time.monotonic()
    with path.open("ab", buffering=0) as file:
        for number, found in scheduler.tasks("perflab.sweep.task", orders):
            if isinstance(found, TaskError):
                result.failed[chunks[number][0]] = str(found)
                say(f"NOT PLAYED, from seed {chunks[number][0]} on: {found}")
                continue
            known = set(result.broken)
            file.write(result.take(found.encode()))
            for seed in sorted(result.broken.keys() - known):
                say(f"BROKEN seed {seed}: {result.broken[seed]}")
            now_s = time.monotonic()
            if now_s - told_s > PROGRESS_S:
                told_s = now_s
                say(_progress(result, before, now_s - begun_s))
    return result


def _progress(result: SweepResult, before: int, seconds: float) -> str:
    done = len(result.played)
    per_s = (done - before) / seconds
    left = f"{result.left / per_s / 60:.0f} minutes left" if per_s else "nothing yet"
    return f"{done:,} of {result.plan.seeds:,} seeds, {len(result.broken)} broken, " + (
        f"{per_s:.2f}/s, {left}"
    )


def _chunks(plan: SweepPlan, played: set[int], at_once: int) -> Iterator[list[int]]:
    left = [n for n in range(plan.first, plan.first + plan.seeds) if n not in played]
    for place in range(0, len(left), at_once):
        yield left[place : place + at_once]


def _opened(plan: SweepPlan, directory: Path, result: SweepResult) -> Path:
    """The file of results, ready to be appended to, with what is there counted."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest, path = directory / MANIFEST, directory / RESULTS
    if manifest.exists():
        there = document(manifest, SweepPlan, SweepFileError)
        for name in ("kind", "settings", "package"):
            ours, theirs = getattr(plan, name), getattr(there, name)
            if ours != theirs:
                raise SweepFileError(f"{directory} holds a sweep with {name} {theirs}, not {ours}")
    elif any(directory.iterdir()):
        raise SweepFileError(f"{directory} is not empty and holds no sweep")
    table = converted(asdict(plan), dict[str, Any], MANIFEST, SweepFileError)
    unfinished = directory / (MANIFEST + ".part")
    unfinished.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(manifest)
    if path.exists():
        for line in lines(path):
            result.take(line)
        cut_torn_line(path)
    return path
