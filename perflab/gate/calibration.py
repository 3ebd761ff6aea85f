"""How often the gate is wrong: false alarms, and how much of what is slower it finds.

Theory of operation. Each replayed gate either shows something or does not, so a rate is a share of
gates, with its interval of 95 % (`perflab/stats/rates.py`). It holds for gates on that recording;
how much another hour would differ, the rates in the parts of the recording hint at.

Rule: counts in, words out; it replays and measures nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perflab.stats.rates import CONFIDENCE, Rate, percent

__all__ = ["Calibration", "Noise", "Power", "as_json", "as_markdown", "as_promised"]

VERSION = 1  # of the JSON


@dataclass(frozen=True, kw_only=True, slots=True)
class Power:
    """Gates in which one benchmark of a kind was made slower."""

    kind: str
    slowdown: float
    """0.05 is 5 % more."""
    found: Rate
    """Regression was said of that benchmark."""
    undecided: Rate
    """It was not, and the gate did not pass either: exit code 2."""
    blamed_others: Rate
    """Regression was said of another one of the kind."""
    by_benchmark: Mapping[str, Rate]
    """`found` of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """What the recording was like: of base's blocks beside head's, per round and function."""

    middle: float
    """Half of the ratios lie closer to one than this; 0.01 is 1 %."""
    ninth: float
    """Nine of ten do."""
    spell: float
    """The ninth of ten rounds took so much longer than the least one; the median function's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """All that a replay found."""

    commit: str
    subject: str
    about: Mapping[str, str]
    minutes: float
    rounds: int
    seeds: int
    apart: float
    """How many gates would have fitted into the recording without sharing a round."""
    gates: int
    budget: str
    promised: float
    """The policy's share of whole gates that may be false alarms."""
    alarms: Mapping[str, Rate]
    """On unchanged speed, by kind; "whole" is of whole gates."""
    undecided: Mapping[str, Rate]
    """On unchanged speed, by kind: something could be slower than the tolerance; "whole" is exit
    code 2."""
    parts: Sequence[Rate]
    """False alarms of whole gates that began in each part of the recording."""
    power: Sequence[Power]
    noise: Noise
    replay_s: float


def as_promised(found: Calibration) -> bool:
    """Whether the false alarms are as few as the policy says, as far as can be told."""
    return found.alarms["whole"].low <= found.promised


def as_json(found: Calibration) -> str:
    """For programs; each rate with its interval."""
    content = {"version": VERSION, "confidence": CONFIDENCE} | _plain(found)
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _plain(thing: Any) -> Any:
    if isinstance(thing, Rate):
        return asdict(thing) | {"low": round(thing.low, 6), "high": round(thing.high, 6)}
    if isinstance(thing, Mapping):
        return {str(name): _plain(each) for name, each in thing.items()}
    if isinstance(thing, Calibration | Power | Noise):
        return {name: _plain(getattr(thing, name)) for name in thing.__slots__}
    if isinstance(thing, Sequence) and not isinstance(thing, str):
        return [_plain(each) for each in thing]
    return round(thing, 6) if isinstance(thing, float) else thing


def as_markdown(found: Calibration) -> str:
    """For people: what was recorded, false alarms, power."""
    about = ", ".join(f"{name} {value}" for name, value in found.about.items())
    lines = [
        f"Commit {found.commit[:12]} ({found.subject}) beside itself: {found.minutes:.1f} minutes, "
        f"{found.rounds} rounds, {found.seeds} seeds. {about}.",
        "",
        f"{found.gates:,} gates per row (budget {found.budget}), replayed in "
        f"{found.replay_s:.0f} s. Without sharing a round, {found.apart:.1f} gates fit into the "
        "recording. In brackets: 95 %, Clopper and Pearson, of gates on this recording.",
        "",
        f"Noise: base's and head's blocks of a round differ by less than "
        f"{percent(found.noise.middle)} in half of all cases, by less than "
        f"{percent(found.noise.ninth)} in nine of ten; a function's ninth of ten rounds took "
        f"{percent(found.noise.spell)} longer than its least.",
        "",
        "| speed unchanged | false alarms | undecided |",
        "| --- | --- | --- |",
        *(f"| {kind} | {rate} | {found.undecided[kind]} |" for kind, rate in found.alarms.items()),
        "",
        f"Promised: {percent(found.promised)} of whole gates at most. In the parts of the "
        f"recording: {', '.join(percent(part.share) for part in found.parts)}.",
        "",
        "| kind | one benchmark slower by | found | undecided | another one blamed |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row.kind} | {percent(row.slowdown)} | {row.found} | {row.undecided} "
            f"| {row.blamed_others} |"
            for row in found.power
        ),
    ]
    return "\n".join([*lines, "", *_hardest(found)])


def _hardest(found: Calibration) -> list[str]:
    """Of the slowdown that the goals name, the benchmarks that were missed most."""
    rows = [row for row in found.power if math.isclose(row.slowdown, 0.05)]
    lines = []
    for row in rows:
        worst = sorted(row.by_benchmark.items(), key=lambda item: item[1].share)[:5]
        named = ", ".join(f"`{name}` {percent(rate.share)}" for name, rate in worst)
        lines.append(f"Found least often at 5 %, {row.kind}: {named}.  ")
    return lines
