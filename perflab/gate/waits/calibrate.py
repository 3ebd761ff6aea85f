"""`gate --calibrate --sockets`: how often are waits at sockets called slower that are not, and how
much of what is slower is found? On lives that were recorded.

Theory of operation. **Recorded** are lives of one commit beside itself, with every latency.
**Replayed** are whole stages by the stage's own code. One begins at a random life and takes those
that follow, so spells and drift stay as they were; a coin says anew, for each life, which side is
called base. What is made slower, is so in head's latencies, before anything is counted:

- *all*: each operation takes so many percent longer, so P50, P99 and P99.9 do.
- *tail*: the slowest of head's twentieth operations take longer by so many percent; P50 stays.
- *rare*: one operation of so many, drawn by chance, takes so many milliseconds more.
- *node*: one of eight nodes answers later: an eighth of the operations take a millisecond more.

Not as in a real gate: what is added takes no processor from other operations.

Rule: makes up nothing but coins and what is slower; figures and verdicts are the gate's own code.
"""

from __future__ import annotations

import datetime
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from perflab.gate.judge import judge
from perflab.gate.policy import Policy
from perflab.gate.record import Blocks, Kind, Measured, Metric
from perflab.gate.recording import RecordingError
from perflab.gate.waits.figures import WAIT_METRICS, Values, calm, figures_of
from perflab.gate.waits.life import BlockPair, WaitBlock, live
from perflab.gate.waits.take import LIFE_S, WAITS_S, decide_waits, seconds_of, unit_of
from perflab.results.checkout import Commit
from perflab.stats.rates import Rate, percent

__all__ = [
    "FEWEST_LIVES",
    "RECORDING",
    "SLOWER",
    "ReplayedRow",
    "WaitReplay",
    "WaitsRecorded",
    "read_lives",
    "record_lives",
    "replayed",
    "table",
]

FORMAT = 1
RECORDING = "lives.jsonl"
FEWEST_LIVES = 10  # two gates' worth
NO_DATE = datetime.date.min
Latencies = list[int]
Slower = Callable[[Latencies, Random], Latencies]


def _all(by: float, latencies: Latencies, _: Random) -> Latencies:
    return [round(us * (1 + by)) for us in latencies]


def _tail(by: float, latencies: Latencies, _: Random) -> Latencies:
    limit = sorted(latencies)[-max(1, len(latencies) // 20)] if latencies else 0
    return [round(us * (1 + by)) if us >= limit else us for us in latencies]


def _rare(one_of: int, more_us: int, latencies: Latencies, rng: Random) -> Latencies:
    return [us + more_us * (rng.random() * one_of < 1) for us in latencies]


SLOWER: Mapping[str, Slower] = {
    "nothing": lambda latencies, _: latencies,
    "all: +5 %": partial(_all, 0.05),
    "all: +10 %": partial(_all, 0.10),
    "all: +20 %": partial(_all, 0.20),
    "tail: +20 %": partial(_tail, 0.20),
    "tail: +50 %": partial(_tail, 0.50),
    "rare: 5 ms for one of 200": partial(_rare, 200, 5_000),
    "rare: 50 ms for one of 500": partial(_rare, 500, 50_000),
    "node: 1 ms for one of 8": partial(_rare, 8, 1_000),
}
"""What is done to head's latencies of a life."""


def record_lives(
    file: Path,
    core: str,
    commit: Commit,
    about: Mapping[str, str],
    seconds: float,
    progress: Callable[[str], None],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Write lives of a commit beside itself as they come. Raises WaitError."""
    begin_s, coin, count = now(), Random(), 0
    with file.open("w", encoding="utf-8") as tape:
        header = {"format": FORMAT, "commit": commit.hash, "subject": commit.subject}
        _write(tape, header | {"about": dict(about)})
        while now() - begin_s < seconds:
            at_s = round(now() - begin_s, 1)
            pairs = live((core, core), coin, LIFE_S)
            took_s = round(now() - begin_s - at_s, 1)
            _write(
                tape, {"at_s": at_s, "took_s": took_s, "pairs": [asdict(each) for each in pairs]}
            )
            count += 1
            progress(f"{count} lives")


def _write(tape: Any, line: Mapping[str, Any]) -> None:
    tape.write(json.dumps(line, separators=(",", ":")) + "\n")
    tape.flush()


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitsRecorded:
    """Lives of one commit beside itself."""

    commit: Commit
    about: Mapping[str, str]
    lives: Sequence[Sequence[BlockPair]]
    seconds: Sequence[float]
    """That each life took, with its start and end."""


def read_lives(file: Path) -> WaitsRecorded:
    """What `record_lives` has written. Raises RecordingError."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        header, *entries = [json.loads(line) for line in lines if line.endswith("\n")]
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']}, not {FORMAT}")
        commit, about = Commit(header["commit"], header["subject"]), header["about"]
        lives = [[_pair(each) for each in entry["pairs"]] for entry in entries]
        seconds = [float(entry["took_s"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{file} is no recording of lives: {error!r}") from error
    if len(lives) < FEWEST_LIVES:
        raise RecordingError(f"{file} has {len(lives)} lives; {FEWEST_LIVES} are needed")
    return WaitsRecorded(commit=commit, about=about, lives=lives, seconds=seconds)


def _pair(entry: Mapping[str, Any]) -> BlockPair:
    base, head = (WaitBlock(**{name: tuple(us) for name, us in entry[side].items()})
                  for side in ("base", "head"))  # fmt: skip
    return BlockPair(base, head, entry["taken"])


class _Sheet:
    """What the verdict sees of base or of head."""

    def __init__(self) -> None:
        self.stages: dict[str, list[list[Blocks]]] = {}

    def measured(self) -> Measured:
        metrics = {
            name: Metric(kind=Kind.PAIRED, unit=unit_of(name), stages=tuple(map(tuple, stages)))
            for name, stages in self.stages.items()
        }
        return Measured(commit="", metrics=metrics)


class WaitTrials:
    """The figures of recorded lives; what is slower is so in head's latencies. Chance has drawn it
    once for each life and side of it, so that a thousand gates need no thousand draws."""

    def __init__(self, recorded: WaitsRecorded, slower: Slower, rng: Random) -> None:
        self.lives, self._took_s = recorded.lives, recorded.seconds
        self._slower, self._rng = slower, rng
        self._known: dict[tuple[int, bool, int], Mapping[str, Values]] = {}

    def took_s(self, number: int, stage: int) -> float:
        """What that life takes in this stage, from its start to its end."""
        return self._took_s[number] - (LIFE_S - seconds_of(stage))

    def figures(self, number: int, flipped: bool, stage: int) -> Mapping[str, Values]:
        """Of the beginning of that life that this stage has time for; `flipped`: base is head."""
        known = self._known.get((number, flipped, stage))
        if known is None:
            life = self.lives[number]
            life = life[: round(len(life) * seconds_of(stage) / LIFE_S)]
            if flipped:
                life = [BlockPair(each.head, each.base, each.taken) for each in life]
            known = figures_of(_slowed(calm(life), self._slower, self._rng))
            self._known[number, flipped, stage] = known
        return known


class ReplayedWaits:
    """One stage on a recording."""

    def __init__(self, trials: WaitTrials, policy: Policy, rng: Random) -> None:
        self._trials, self._policy, self._rng = trials, policy, rng
        self._sheets = _Sheet(), _Sheet()
        self._next = rng.randrange(len(trials.lives))
        self._spent_s = self._longest_s = 0.0
        self.used = 0
        """Lives so far."""

    def blamed(self) -> tuple[frozenset[str], frozenset[str]]:
        """The figures that are called slower, and those that could be."""
        decide_waits(self._sheets, WAIT_METRICS, self._policy, self._measure, self._more)
        base, head = (sheet.measured() for sheet in self._sheets)
        outcome = judge(base, head, self._policy, NO_DATE)
        red = frozenset(each.name for each in outcome.regressions)
        return red, frozenset(each.name for each in outcome.judgements if each.open) - red

    def _more(self) -> bool:
        return self._spent_s + self._longest_s <= WAITS_S

    def _measure(self, names: Sequence[str], stage: int) -> None:
        number = (self._next + self.used) % len(self._trials.lives)
        found = self._trials.figures(number, self._rng.random() < 0.5, stage)
        took_s = self._trials.took_s(number, stage)
        self._spent_s, self._longest_s = self._spent_s + took_s, max(self._longest_s, took_s)
        self.used += 1
        for name in names:
            for sheet, values in zip(self._sheets, zip(*found[name], strict=True), strict=True):
                stages = sheet.stages.setdefault(name, [])
                if len(stages) == stage:
                    stages.append([])
                stages[stage] += [(value,) for value in values]


def _slowed(life: Sequence[BlockPair], slower: Slower, rng: Random) -> list[BlockPair]:
    """With head's latencies changed: of the whole life together, for what is slow is so in it."""
    sizes = [(len(each.head.stores_us), len(each.head.retrieves_us)) for each in life]
    flat = [us for each in life for us in (*each.head.stores_us, *each.head.retrieves_us)]
    changed = iter(slower(flat, rng))
    return [
        replace(each, head=WaitBlock(_taken(changed, stores), _taken(changed, retrieves)))
        for each, (stores, retrieves) in zip(life, sizes, strict=True)
    ]


def _taken(values: Iterator[int], count: int) -> tuple[int, ...]:
    return tuple(next(values) for _ in range(count))


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayedRow:
    """Gates in which one thing of SLOWER was done to head."""

    slower: str
    red: Rate
    """Something was called slower."""
    undecided: Rate
    """Nothing was, and something could be."""
    lives: float
    """That a gate took; the median."""
    blamed: Mapping[str, int]
    """How often each figure was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitReplay:
    """What a replay found."""

    recorded: WaitsRecorded
    rows: Sequence[ReplayedRow]
    """The first one is of equal sides."""


def replayed(
    recorded: WaitsRecorded,
    policy: Policy,
    gates: int,
    rng: Random,
    progress: Callable[[str], None],
) -> WaitReplay:
    """A row for each of SLOWER."""
    rows = []
    for name, slower in SLOWER.items():
        progress(f"replaying {gates} gates: {name}")
        red = undecided = 0
        trials = WaitTrials(recorded, slower, rng)
        used, blamed = [], Counter[str]()
        for _ in range(gates):
            gate = ReplayedWaits(trials, replace(policy, accepted=()), rng)
            found, unclear = gate.blamed()
            red += bool(found)
            undecided += bool(unclear and not found)
            blamed.update(found)
            used.append(gate.used)
        rates = {"red": Rate(red, gates), "undecided": Rate(undecided, gates)}
        rows.append(ReplayedRow(slower=name, **rates, lives=median(used), blamed=blamed))
    return WaitReplay(recorded=recorded, rows=rows)


def table(found: WaitReplay) -> str:
    """Markdown: what was recorded, and a row for each of SLOWER."""
    recorded, lives = found.recorded, found.recorded.lives
    about = ", ".join(f"{name} {value}" for name, value in recorded.about.items())
    pairs = [pair for life in lives for pair in life]
    kept = sum(len(calm(life)) for life in lives)
    taken = sorted(pair.taken for pair in pairs)
    lines = [
        f"Commit {recorded.commit} beside itself: {len(lives)} lives of "
        f"{median(recorded.seconds):.0f} s, {len(pairs):,} pairs of blocks, {kept:,} of them kept. "
        f"Others had the processor for {percent(taken[len(taken) // 2])} of a block or more in "
        f"half of them, for {percent(taken[len(taken) * 9 // 10])} in a tenth. {about}.",
        "",
        f"{found.rows[0].red.of:,} gates per row. In brackets: 95 %, Clopper and Pearson.",
        "",
        "| slower in head | regression | undecided | lives | blamed |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in found.rows:
        named = ", ".join(f"`{each}` {count}" for each, count in sorted(row.blamed.items()))
        cells = (row.slower, row.red, row.undecided, f"{row.lives:g}", named)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
