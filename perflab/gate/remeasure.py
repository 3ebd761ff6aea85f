"""Measure the two sides of a suspect step again.

Where the gate measures the same thing, by the gate; else by asv itself: rounds in which both
commits are installed and measured by one `asv run`, in an order that a coin decides, with results
of their own, so that the published ones stay as they are. Judged by the gate in either case. The
history chose the suspect, so its values count as a first stage, which alone can't make a
regression.

Rule: measures; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Protocol

from perflab.gate import command as gate
from perflab.gate.judge import Judgement, judge
from perflab.gate.policy import Policy
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder
from perflab.results.asv_config import alone, configuration, prefer_this_python
from perflab.results.asv_process import run_asv
from perflab.results.asv_results import stored
from perflab.results.checkout import Commit
from perflab.stats.bounds import rounds_needed

__all__ = ["Suspect", "asv_round", "gate_metric", "measure_again"]

AGAIN_CONFIG = ".asv-again.conf.json"
"""Lives beside the real one while asv runs: asv works in the folder of its configuration."""
WHEELS = 16  # that asv keeps, so that a commit is built once for a search
MORE_ROUNDS = 2  # than the bounds need: one or two may be disturbed

COUNTED = r"counts\.(?:Messages|Bytes|Calls|Allocations)"
PATTERNS = {
    r"hotpath\.\w+\.track_seconds\('(\w+)'\)": "cpu.{}",
    COUNTED + r"\.track_(\w+)\('(\w+)', (\d+)\)": "counts.{}.{}.{}",
    r"counts\.Membership\w+\.track_(\w+)\('(\w+)', (\d+)\)": "events.{}.{}.{}",
}


class Suspect(Protocol):
    """What has to be known of a suspect step."""

    @property
    def machine(self) -> str: ...

    @property
    def series(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def ratio(self) -> float:
        """New over old."""

    @property
    def higher_is_better(self) -> bool: ...


def gate_metric(series: str) -> str | None:
    """The gate's name of what a series shows; None if the gate does not measure it."""
    for pattern, form in PATTERNS.items():
        match = re.fullmatch(pattern, series)
        if match and form.format(*match.groups()) in gate.METRICS:
            return form.format(*match.groups())
    return None


def measure_again(
    root: Path,
    suspect: Suspect,
    commits: tuple[Commit, Commit],
    policy: Policy,
    budget_s: float,
    write: Callable[[str], None],
) -> tuple[str, Judgement | None]:
    """What measured it, and the verdict; None if neither side gave a value.

    Raises MeasureError if another run is measuring in this checkout.
    """
    metric = gate_metric(suspect.series)
    if metric is not None:
        outcome = gate.compare(root, commits, metric, policy, budget_s)
        return metric, next(iter(outcome.judgements), None)
    sheets = base, head = Recorder(commits[0]), Recorder(commits[1])
    base.add(suspect.series, Kind.PAIRED, suspect.unit, 1.0)
    head.add(suspect.series, Kind.PAIRED, suspect.unit, suspect.ratio)
    needed = rounds_needed(policy.false_alarms / 2 / policy.looks) + MORE_ROUNDS
    coin, begin_s = Random(SystemRandom().getrandbits(32)), time.monotonic()
    prefer_this_python()
    with alone(root):
        for number in range(needed):
            if time.monotonic() - begin_s > budget_s:
                break
            write(f"== round {number + 1} of {needed}: asv measures {suspect.series}")
            turned = {suspect.series: suspect.higher_is_better}
            values = asv_round(root, suspect.machine, turned, coin.sample(commits, 2))[
                suspect.series
            ]
            for sheet, commit in zip(sheets, commits, strict=True):
                value = values.get(commit.hash)
                if value is None:
                    sheet.lacks(suspect.series, Kind.PAIRED, suspect.unit, "failed", "no value")
                else:
                    sheet.add(suspect.series, Kind.PAIRED, suspect.unit, value, 1)
            if len(values) < len(commits):
                break  # it will not work the next time either
    outcome = judge(base.measured(), head.measured(), policy, datetime.date.today())
    return "asv", next(iter(outcome.judgements), None)


def asv_round(
    root: Path, machine: str, series: Mapping[str, bool], commits: Sequence[Commit]
) -> dict[str, dict[str, float]]:
    """One value of each series for each of the commits that gives one, measured in their order by
    one run of asv, lower being better. `series`: whether higher is better there, by its name.

    Whoever calls it is `alone`.
    """
    place = root / ".asv" / "again"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    config = root / AGAIN_CONFIG
    content = {**configuration(root), "build_cache_size": WHEELS}
    hashes = place / "commits.txt"
    hashes.write_text("".join(commit.hash + "\n" for commit in commits), encoding="utf-8")
    results = place / "results"
    config.write_text(json.dumps({**content, "results_dir": str(results)}), encoding="utf-8")
    command = ["run", "--config", str(config), "--machine", machine]
    wanted = "|".join(f"^{re.escape(name)}$" for name in series)
    command += ["--bench", wanted, f"HASHFILE:{hashes}"]
    try:
        run_asv(root, command, _Silent())
        files = [stored(path) for path in results.glob(f"{machine}/*-*.json")]
    finally:
        config.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
    found: dict[str, dict[str, float]] = {name: {} for name in series}
    for file in files:
        for benchmark, record in file.records.items():
            choices = itertools.product(*record.params)
            for value, choice in zip(record.values, choices, strict=False):
                said = f"{benchmark}({', '.join(choice)})" if choice else benchmark
                if said in series and value is not None and value > 0:
                    found[said][file.commit] = 1 / value if series[said] else value
    return found


class _Silent:
    """asv's own words say nothing about one benchmark."""

    def line(self, text: str) -> None:
        pass

    def silence(self, doing: str) -> None:
        pass
