"""The report as data: what report.json holds, and all that the pages are made of.

The published schema (docs/readiness.schema.json) is made of these classes, and a test holds the
two together. `VERSION` is raised with any change that a reader of the old form would notice.

Rule: a form; decides nothing, reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "FORMAT",
    "READABLE",
    "RUN_FORMAT",
    "RUN_VERSION",
    "SCHEMA",
    "VERDICTS",
    "VERSION",
    "Advice",
    "CapacityReport",
    "Chart",
    "ChartMark",
    "Comparison",
    "CriticalPath",
    "Estimate",
    "Figure",
    "FigureChange",
    "Line",
    "PathStage",
    "Percentile",
    "ReadinessReport",
    "RunReport",
    "StageReport",
    "State",
    "TargetRow",
    "schema",
]

FORMAT = "p2pcore-readiness-report"
VERSION = 3
READABLE = (1, 2, 3)  # the first had no critical paths, the second said nothing of durability
RUN_FORMAT = "p2pcore-run-report"
RUN_VERSION = 2  # the first one named charts after due times, and knew no windows of production
SCHEMA = "readiness.schema.json"  # in docs/

State = Literal["met", "not met", "unmeasured"]
VERDICTS: dict[State, str] = {
    "met": "READY",
    "not met": "NOT READY",
    "unmeasured": "COULD NOT BE MEASURED",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that can be compared with that of another run."""

    value: float
    unit: str
    better: Literal["lower", "higher"]
    noise: float | None = None
    """Half the relative spread of the repeats (quartiles); null where there was one value."""


@dataclass(frozen=True, kw_only=True)
class Percentile:
    """A row of a latency spectrum."""

    rank: float
    """In percent."""
    ms: float | None
    """null: so many operations did not succeed that this one did not either."""
    beyond: int
    """How many values lie above the rank: with few, the figure is chance."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve of a chart."""

    label: str
    x: list[float]
    y: list[float | None]
    dashed: bool = False
    """Of bars: what is left, in grey."""


@dataclass(frozen=True, kw_only=True)
class ChartMark:
    """A time on a chart at which something was done; `end_s` is null for an instant."""

    begin_s: float
    end_s: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture, as numbers."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    marks: list[ChartMark] = field(default_factory=list)
    log_x: bool = False
    log_y: bool = False
    ranks: bool = False
    """x are percentiles, drawn so that each further nine takes the same room."""
    bars: list[str] = field(default_factory=list)
    """Names of stacked bars, where it is made of these: a line's y are its part of each."""


@dataclass(frozen=True, kw_only=True)
class PathStage:
    """A part of the way of an operation."""

    name: str
    about: str
    """From the end of the stage before it until when."""
    ms: list[float]
    """At each of the path's ranks; they add up to its `total_ms`."""


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """Where the time of operations goes, from the moment they were due to their ends."""

    followed: int
    """Operations that were to be followed."""
    whole: int
    """Those of them that succeeded and have all their times; the figures are theirs."""
    ranks: list[float]
    """Percentiles of their latency; fewer than 50 and 99 where there are too few operations."""
    operations: list[int]
    """How many, around each rank, the figures there are means of."""
    total_ms: list[float]
    stages: list[PathStage]
    waited_for: dict[str, float]
    """Of the time that the slowest tenth waited for their quorum, the shares of the nodes that were
    waited for longest, by address."""
    chart: Chart


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """What one step found."""

    name: str
    title: str
    about: str
    command: str
    seconds: float | None
    exit_code: int | None
    usable: bool
    problem: str
    """Why a verdict cannot rest on it; "" if it can."""
    circumstances: str
    facts: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    spectrum: list[Percentile] = field(default_factory=list)
    samples: int = 0
    """Operations in the spectrum, those that did not succeed included."""
    incomplete: str = ""
    """What of the load is missing, so that the spectrum is of a part of it; "" if nothing is."""
    events: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    critical_path: CriticalPath | None = None
    """null: no load, or too few operations were followed."""
    evidence: dict[str, float] = field(default_factory=dict)
    """What recommendations are drawn from, by name with the unit last."""


@dataclass(frozen=True, kw_only=True)
class TargetRow:
    """A row of the verdict table."""

    name: str
    set: str
    metric: str
    threshold: str
    unit: str
    scope: str
    state: Literal["met", "not met", "unmeasured"]
    value: float | None
    step: str
    reason: str
    circumstances: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its interval of 95 %."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CapacityReport:
    """The scalability law as it was fitted to one curve."""

    step: str
    what: str
    repeats: int
    rate_per_s: Estimate
    contention: Estimate
    coherency: Estimate
    levels: list[float]
    measured_per_s: list[float]
    residuals: list[float]
    fits: bool
    peak_n: float | None
    peak_per_s: Estimate | None
    peak_extrapolated: bool
    sentences: list[str]
    chart: Chart


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """One figure beside that of another run."""

    name: str
    unit: str
    before: float
    now: float
    ratio: float | None
    """Now over before; null if before is 0."""
    verdict: Literal["better", "worse", "within noise", "unknown"]
    """Unknown: no noise is known to hold the change against."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """This run beside another."""

    with_: str
    """"previous", or the name of a baseline."""
    run: str
    commit: str
    began: str
    caveats: list[str]
    changes: list[FigureChange]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One recommendation with what it follows from."""

    rule: str
    cause: str
    """What it diagnoses, in a word or two."""
    text: str
    evidence: list[str]


@dataclass(frozen=True, kw_only=True)
class ReadinessReport:
    """The whole report."""

    format: str
    version: int
    run: str
    """The name of the run's directory."""
    began: str
    elapsed_s: float
    command: str
    commit: str
    subject: str
    uncommitted: list[str]
    versions: dict[str, str]
    machine: dict[str, str | int | float | list[float]]
    seed: int
    quick: bool
    held: list[str]
    """The sets of targets that decide."""
    verdict: Literal["met", "not met", "unmeasured"]
    summary: list[str]
    targets: list[TargetRow]
    steps: list[StageReport]
    capacity: list[CapacityReport]
    comparisons: list[Comparison]
    advice: list[Advice]
    not_measured: list[str]
    durability: Literal["memory", "buffered", "synced"] = "memory"
    """What the nodes that were measured had done before they said that something was stored."""

    @property
    def unfinished(self) -> str:
        """ "after 1 of 10 steps" of a run that was interrupted; "" of a whole one."""
        ended = sum(step.seconds is not None for step in self.steps)
        return f"after {ended} of {len(self.steps)} steps" if ended < len(self.steps) else ""


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """The report of a load or chaos run that is no part of a readiness run, or of a window of
    production."""

    format: str
    version: int
    kind: Literal["load", "chaos", "field"]
    run: str
    """The name of the run's directory."""
    scenario: str
    began: str
    command: str
    """"" where the record does not tell."""
    commit: str
    uncommitted: list[str]
    versions: dict[str, str]
    machine: dict[str, Any]
    seed: int
    state: Literal["met", "not met", "unmeasured"]
    """Met: it ended by itself, and nothing that it looks for was found. Unmeasured: no verdict may
    rest on it."""
    said: str
    """The state in words."""
    steps: list[StageReport]
    """One: charts and figures have the same place as in a readiness run's report."""
    advice: list[Advice]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of report.json."""
    import msgspec

    (found,), parts = msgspec.json.schema_components(
        [ReadinessReport], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{FORMAT} version {VERSION}",
        **found,
        "$defs": parts,
    }
