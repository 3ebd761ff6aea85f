"""Rounds of one commit beside itself, and what it does under many seeds, to replay gates from.

A file of JSON objects, one a line: the first says what was measured and where; then come seeds
(`{"seed": 3, "values": {"events.messages.join.8": 64.0, …}}`) and rounds (`{"at_s": 7.5, "start_s":
1.1, "each_s": 0.07, "base": {"clock": [1.1e-7, …], …}, "head": {…}}`: blocks by function). Lines
are written as they come. A last line that was cut short is left out.

Rule: measures as the gate does, with the gate's own code; judges nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import IO, Any, Literal

from perflab.gate.counts import side_by_side
from perflab.gate.paired_rounds import PREFIX, PairedRounds
from perflab.gate.record import Kind
from perflab.gate.recorder import Recorder
from perflab.gate.seeds import play_seed
from perflab.results.checkout import Commit

__all__ = ["SEEDS", "GateRecording", "RecordedValues", "RecordingError", "Round", "read", "record"]

FORMAT = 2
SEEDS = 320  # a gate takes up to 132 for each side
SHARE_OF_SEEDS = 0.25  # of the time, at most: rounds are what there can't be enough of
AT_A_TIME = 2


class RecordingError(Exception):
    """A recording cannot be made, or read; the message says why."""


@dataclass(frozen=True, slots=True)
class RecordedValues:
    """What one function took in one round."""

    seconds: float
    """Base's middle block, per operation."""
    ratio: float
    """Head over base: the middle ratio of blocks that were neighbours."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of all functions."""

    at_s: float
    """When it began, since the recording did."""
    start_s: float
    """What its processes took to start and to end."""
    each_s: float
    """What a function took, on average."""
    values: Mapping[str, RecordedValues]


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRecording:
    """What was recorded of one commit."""

    commit: Commit
    about: Mapping[str, str]
    rounds: Sequence[Round]
    seeds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    """What was found, by seed and benchmark."""

    @property
    def minutes(self) -> float:
        """From the first round's beginning to the last one's end."""
        first, last = self.rounds[0], self.rounds[-1]
        end_s = last.at_s + last.start_s + last.each_s * len(last.values)
        return (end_s - first.at_s) / 60


class _Ear(Recorder):
    """A side's sheet that keeps what it was told last."""

    def __init__(self, commit: Commit) -> None:
        super().__init__(commit)
        self.blocks: dict[str, list[float]] = {}
        self.told_s: list[float] = []
        self.reason = "no function was asked for"

    def add(
        self, name: str, kind: Kind, unit: str, value: float | Sequence[float], stage: int = 0
    ) -> None:
        if not isinstance(value, int | float):
            self.blocks[name.removeprefix(PREFIX)] = list(value)
            self.told_s.append(time.monotonic())

    def lacks(
        self,
        name: str,
        kind: Kind,
        unit: str,
        why: Literal["skipped", "failed"],
        reason: str,
        *,
        unreached: bool = False,
    ) -> None:
        self.reason = reason


def record(
    file: Path,
    core: str,
    commit: Commit,
    about: Mapping[str, str],
    names: Sequence[str],
    budget_s: float,
    progress: Callable[[str], None],
) -> None:
    """Write a recording: seeds in a part of the time, rounds of these functions in the rest.

    Raises:
        RecordingError: nothing can be timed.
    """
    begin_s = time.monotonic()
    with file.open("w", encoding="utf-8") as tape:
        header = {"format": FORMAT, "commit": commit.hash, "subject": commit.subject}
        _write(tape, header | {"about": dict(about)})
        _record_seeds(tape, core, lambda: time.monotonic() - begin_s < SHARE_OF_SEEDS * budget_s)
        ears = _Ear(commit), _Ear(commit)
        rounds = PairedRounds(ears, (core, core), Random())
        count = 0
        while True:
            at_s = time.monotonic()
            if at_s - begin_s >= budget_s:
                return
            for ear in ears:
                ear.blocks, ear.told_s = {}, []
            rounds.measure(names, 0)
            if not ears[1].blocks:
                raise RecordingError(f"nothing can be timed: {ears[0].reason}; {ears[1].reason}")
            _write_round(tape, at_s - begin_s, time.monotonic() - at_s, ears)
            count += 1
            progress(f"{count} rounds")


def _record_seeds(tape: IO[str], core: str, time_left: Callable[[], bool]) -> None:
    for first in range(0, SEEDS, AT_A_TIME):
        seeds = range(first, first + AT_A_TIME)
        found = side_by_side([(seed, partial(play_seed, core, seed)) for seed in seeds], time_left)
        for seed, values in found.items():
            if isinstance(values, TimeoutError):
                return
            if isinstance(values, Exception):
                raise RecordingError(f"seed {seed}: {values}") from values
            _write(tape, {"seed": seed, "values": values})


def _write_round(tape: IO[str], at_s: float, took_s: float, ears: tuple[_Ear, _Ear]) -> None:
    base, head = ears
    told_s = head.told_s
    each_s = (told_s[-1] - told_s[0]) / max(len(told_s) - 1, 1)
    line = {
        "at_s": round(at_s, 3),
        "start_s": round(took_s - each_s * len(told_s), 4),
        "each_s": round(each_s, 5),
        "base": base.blocks,
        "head": head.blocks,
    }
    _write(tape, line)


def _write(tape: IO[str], line: Mapping[str, Any]) -> None:
    tape.write(json.dumps(line) + "\n")
    tape.flush()


def read(file: Path) -> GateRecording:
    """A recording's file. Raises RecordingError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        header, *entries = [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise RecordingError(f"{file} is no recording: {error}") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise RecordingError(f"{file} is no recording in format {FORMAT}")
    try:
        rounds = [_round(entry) for entry in entries if "base" in entry]
        seeds = {int(entry["seed"]): entry["values"] for entry in entries if "seed" in entry}
        recording = GateRecording(
            commit=Commit(header["commit"], header["subject"]),
            about=header["about"],
            rounds=rounds,
            seeds=seeds,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(f"{file}: not as it must be: {error!r}") from error
    if not rounds:
        raise RecordingError(f"{file} holds no round")
    return recording


def _round(entry: dict[str, Any]) -> Round:
    base, head = entry["base"], entry["head"]
    values = {
        name: RecordedValues(
            median(base[name]),
            median(new / old for old, new in zip(base[name], head[name], strict=True)),
        )
        for name in base
        if name in head
    }
    return Round(entry["at_s"], entry["start_s"], entry["each_s"], values)
