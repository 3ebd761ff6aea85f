"""The file that a gate's measurements of one commit are kept in, and its reading.

JSON of this form, of which two, base and head, make a gate:

    {"format": 1, "commit": "<40 digits>", "subject": "…", "about": {"python": "3.11.7", …},
     "metrics": {"cpu.encode_store": {"kind": "paired", "unit": "seconds",
                                      "stages": [[[1.1e-6, 1.2e-6], …], …]}, …}}

A metric has *stages*: the first measurement, and what was measured again because of it, in fresh
processes or with fresh seeds. A stage has *rounds*; those of base and head with the same place were
measured together (at the same time, under the same seed): `apart` says whether two files are of one
gate. A round is a number, or the list of its
blocks, which took turns with the other side's. A metric without stages says why: {"skipped": "…"}
where the commit lacks the thing, with "unreached": true beside it where it may have it in another
place than the ruler looks, {"failed": "…"} where measuring went wrong; so does a whole commit, with
"failed" beside "metrics". Lower is better, always.

Rule: reads and writes files, and judges nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import TypeAlias, TypeVar

from perflab.forms import content, shown

__all__ = [
    "FORMAT",
    "SLOW_OPERATIONS",
    "Blocks",
    "Kind",
    "Measured",
    "MeasuredError",
    "Metric",
    "apart",
    "load",
    "parse",
]

FORMAT = 1
SAME_GATE = ("machine", "cores", "python", "packages", "coin")
"""What both files of a gate say alike of themselves (in `about`)."""

SLOW_OPERATIONS = "slow operations"
"""The unit of paired figures whose rounds are counts, of which most are 0: how many operations of
a block were slow, by a limit that both sides' blocks share."""
Blocks: TypeAlias = tuple[float, ...]
T = TypeVar("T")
WORDS: Mapping[type, str] = {dict: "a table", list: "a list", str: "a text"}


class MeasuredError(ValueError):
    """A file of measurements cannot be read; the message says which and why."""


class Kind(StrEnum):
    """How a metric is judged; docs/measuring.md has the table."""

    EXACT = "exact"
    SEEDED = "seeded"
    PAIRED = "paired"
    OBSERVED = "observed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One figure of one commit, or why there is none."""

    kind: Kind
    unit: str
    stages: tuple[tuple[Blocks, ...], ...] = ()
    """The blocks of each round, by stage; of most metrics there is one."""
    skipped: str = ""
    unreached: bool = False
    """Skipped because the part is not where the ruler looks for it: the commit may have it."""
    failed: str = ""

    @property
    def problem(self) -> str:
        """Why there is no value, or no valid one; "" if there is."""
        if self.skipped or self.failed:
            return self.skipped or self.failed
        values = [value for stage in self.stages for blocks in stage for value in blocks]
        if not values:
            return "no value"
        bad = [value for value in values if not math.isfinite(value) or value < 0]
        return f"{bad[0]} among its values" if bad else ""

    def rounds(self) -> list[float]:
        """The middle block of each round of the last stage; there has to be one."""
        return [median(blocks) for blocks in self.stages[-1]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was measured of one commit."""

    commit: str
    subject: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    """Machine, versions, when: by name."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    same_core: bool = False
    """Nothing was measured, for the other commit has the same core."""
    own_figures: frozenset[str] | None = None
    """What the commit's own ruler measures, where another one measured; None if that is not known,
    or it was its own."""
    notices: tuple[str, ...] = ()
    """What whoever reads the verdict has to know first: who measured, and what the change does to
    the ruler and the policy."""
    problems: tuple[str, ...] = ()
    """What keeps the whole from being a pass."""
    failed: str = ""
    """Why nothing could be measured: the commit does not build, say."""


def apart(base: Measured, head: Measured) -> str:
    """How two files tell that they are not of one gate; "" if they may be.

    Rounds of different gates are no pairs: what the ratio of two of them tells is the machine's
    spells, another Python or other packages.
    """
    found = []
    for what in SAME_GATE:
        one, other = (side.about.get(what, "") for side in (base, head))
        if one != other:
            found.append(f"{what} {_only(one, other)} and {_only(other, one)}")
    return "; ".join(found)


def _only(one: str, other: str) -> str:
    """What of a list the other one lacks; a single word is a list of one."""
    others = other.split(", ")
    return ", ".join(each for each in one.split(", ") if each and each not in others) or "none"


def load(path: Path) -> Measured:
    """Read one file. Raises MeasuredError."""
    try:
        found = json.loads(content(path, MeasuredError))
    except (OSError, ValueError, RecursionError) as error:
        raise MeasuredError(f"{path} is no file of measurements: {error}") from error
    try:
        return parse(found)
    except MeasuredError as error:
        raise MeasuredError(f"{path}: {error}") from error


def parse(found: object) -> Measured:
    """The measurements in what was read from JSON. Raises MeasuredError."""
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise MeasuredError(f"not a file of measurements in format {FORMAT}")
    own = found.get("own_figures")
    about = _of(dict, found.get("about", {}), "about")
    metrics = _of(dict, found.get("metrics"), "metrics")
    return Measured(
        commit=_of(str, found.get("commit"), "commit"),
        subject=_of(str, found.get("subject", ""), "subject"),
        about={str(name): str(value) for name, value in about.items()},
        metrics={name: _metric(name, entry) for name, entry in metrics.items()},
        same_core=found.get("same_core") is True,
        own_figures=None if own is None else frozenset(map(str, _listed(own, "own_figures"))),
        notices=tuple(map(str, _listed(found.get("notices", []), "notices"))),
        problems=tuple(map(str, _listed(found.get("problems", []), "problems"))),
        failed=_of(str, found.get("failed", ""), "failed"),
    )


def _metric(name: str, entry: object) -> Metric:
    has = _of(dict, entry, name)
    kind = has.get("kind")
    if kind not in list(Kind):
        raise MeasuredError(f"{name}.kind is one of {', '.join(Kind)}, not {shown(kind)}")
    stages = _listed(has.get("stages", []), f"{name}.stages")
    return Metric(
        kind=Kind(kind),
        unit=_of(str, has.get("unit"), f"{name}.unit"),
        stages=tuple(
            tuple(_blocks(name, each) for each in _listed(stage, f"a stage of {name}"))
            for stage in stages
        ),
        skipped=_of(str, has.get("skipped", ""), f"{name}.skipped"),
        unreached=has.get("unreached") is True,
        failed=_of(str, has.get("failed", ""), f"{name}.failed"),
    )


def _blocks(name: str, each: object) -> Blocks:
    listed = each if isinstance(each, list | tuple) else [each]
    if not listed:
        raise MeasuredError(f"{name}: a round without blocks")
    return tuple(_number(name, value) for value in listed)


def _number(name: str, value: object) -> float:
    if value is None:  # how strict writers of JSON spell NaN
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MeasuredError(f"{name}: a block is a number, not {shown(value)}")
    try:
        return float(value)
    except OverflowError as error:
        raise MeasuredError(
            f"{name}: a block is a number of 64 bits, not {shown(value)}"
        ) from error


def _listed(value: object, place: str) -> Sequence[object]:
    return value if isinstance(value, tuple) else _of(list, value, place)


def _of(kind: type[T], value: object, place: str) -> T:
    if not isinstance(value, kind):
        raise MeasuredError(f"{place} is {WORDS[kind]}, not {shown(value)}")
    return value
