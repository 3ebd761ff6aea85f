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
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

__all__ = [
    "FORMAT",
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

Blocks: TypeAlias = tuple[float, ...]


class MeasuredError(Exception):
    """A file of measurements cannot be read; the message says which and why."""


class Kind(StrEnum):
    """How a metric is judged; docs/benchmarking.md has the table."""

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
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeasuredError(f"{path} is no file of measurements: {error}") from error
    try:
        return parse(content)
    except MeasuredError as error:
        raise MeasuredError(f"{path}: {error}") from error


def parse(content: object) -> Measured:
    """The measurements in what was read from JSON. Raises MeasuredError."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise MeasuredError(f"not a file of measurements in format {FORMAT}")
    own = content.get("own_figures")
    try:
        return Measured(
            commit=str(content["commit"]),
            subject=str(content.get("subject", "")),
            about={str(name): str(value) for name, value in content.get("about", {}).items()},
            metrics={name: _metric(entry) for name, entry in content["metrics"].items()},
            same_core=content.get("same_core") is True,
            own_figures=frozenset(map(str, own)) if isinstance(own, list) else None,
            notices=tuple(map(str, content.get("notices", ()))),
            problems=tuple(map(str, content.get("problems", ()))),
            failed=str(content.get("failed", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MeasuredError(f"not as it must be: {type(error).__name__}: {error}") from error


def _metric(entry: dict[str, Any]) -> Metric:
    return Metric(
        kind=Kind(entry["kind"]),
        unit=str(entry["unit"]),
        stages=tuple(tuple(_blocks(each) for each in stage) for stage in entry.get("stages", ())),
        skipped=str(entry.get("skipped", "")),
        unreached=entry.get("unreached") is True,
        failed=str(entry.get("failed", "")),
    )


def _blocks(each: Any) -> Blocks:
    listed = each if isinstance(each, list) else [each]
    # null is how strict writers of JSON spell NaN.
    blocks = tuple(math.nan if value is None else float(value) for value in listed)
    if not blocks:
        raise ValueError("a round without blocks")
    return blocks
