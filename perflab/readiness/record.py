"""What a readiness run leaves behind: the format of its directory, and the reader.

manifest.json     what was asked, written before anything is measured (`ReadinessManifest`)
outcomes.jsonl    how each step ended, one line when it has (`StageOutcome`)
STEP/             the directory of each step: its own record, and output.txt with what it printed
report.*          the report, made from all of these and made again by `python -m perflab report`

Runs are filed as RUNS/MACHINE/COMMIT-TIME, beside asv's results. A run that was killed lacks the
outcomes of the steps that did not end; the reader takes that, and a torn last line, and nothing
else that is not as described.

Rule: reads and names files; `command.py` and its stages write them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from perflab.forms import check_form, converted, decoded, document

__all__ = [
    "CHAOS",
    "FORMAT",
    "MANIFEST",
    "OUTCOMES",
    "VERSION",
    "ChaosOutcome",
    "Durability",
    "MachineRecord",
    "MeasuredFigure",
    "ReadinessManifest",
    "ReadinessRecordError",
    "RunFigures",
    "RunRecord",
    "RunStage",
    "StageOutcome",
    "read_chaos",
    "read_figures",
    "read_record",
    "step_file",
]

FORMAT = "p2pcore-readiness"
VERSION = 1  # raised when a reader of the old form would misread the new one
MANIFEST, OUTCOMES = "manifest.json", "outcomes.jsonl"
CHAOS = "outcome.json"  # of a chaos run

Durability = Literal["memory", "buffered", "synced"]
"""The weakest first."""
StepKind = Literal["saturation", "soak", "load", "chaos"]
FILES: dict[StepKind, str] = {
    "saturation": "run.json",
    "soak": "monitor.jsonl",
    "load": "record",
    "chaos": "record",
}


class ReadinessRecordError(ValueError):
    """A directory that is no readiness run's, or a damaged one; names file and fault."""


@dataclass(frozen=True, kw_only=True)
class MachineRecord:
    """Where it was measured; `cores` is what the run could use."""

    name: str
    system: str
    processor: str
    cores: int


@dataclass(frozen=True, kw_only=True)
class RunStage:
    """One thing that a run measures."""

    name: str
    kind: StepKind
    title: str
    about: str
    """The question, in a sentence."""
    tags: list[str]
    """The scopes of targets that ask it."""
    metrics: list[str]
    """What it is to measure (`thresholds.METRICS`)."""
    command: list[str]
    """What is started, without the interpreter; DIR stands for the directory of the step."""
    limit_s: float
    """It is ended when it takes longer."""
    durability: Durability = "memory"
    """Of the nodes that it measures: when a replica says that it has stored something."""


@dataclass(frozen=True, kw_only=True)
class StageOutcome:
    """How a step ended."""

    step: str
    seconds: float
    exit_code: int | None
    """None: it was ended from outside."""
    message: str
    """The last lines that it printed, if it did not end well."""


@dataclass(frozen=True, kw_only=True)
class ReadinessManifest:
    """What was asked."""

    format: str
    version: int
    began: str
    """UTC, ISO 8601."""
    command: str
    commit: str
    """Of the checkout that was measured; "" outside version control."""
    subject: str
    """That commit's subject line."""
    uncommitted: list[str]
    """Files that differed from it."""
    versions: dict[str, str]
    machine: MachineRecord
    load_average: list[float]
    """Of the machine when the run began: over 1, 5 and 15 minutes; empty where nobody can tell."""
    seed: int
    quick: bool
    steps: list[RunStage]
    crowd: str = ""
    """Who else kept the machine busy just before the run began, if somebody did."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run, as far as its directory tells."""

    directory: Path
    manifest: ReadinessManifest
    outcomes: dict[str, StageOutcome] = field(default_factory=dict)

    @property
    def elapsed_s(self) -> float:
        return math.fsum(each.seconds for each in self.outcomes.values())


@dataclass(frozen=True, kw_only=True)
class MeasuredFigure:
    """One measurement of the suite's own form (`common.records.Measurement`)."""

    name: str
    subject: str
    kind: str
    layout: str
    nodes: int
    processes: int
    unit: str
    values: list[float]
    parameters: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.values or not all(map(math.isfinite, self.values)):
            raise ValueError(f"{self.name!r} holds {self.values[:3]}, which are no figures")


@dataclass(frozen=True, kw_only=True)
class RunFigures:
    """A file of the suite's own form (`common.records.Run`)."""

    machine: MachineRecord
    commit: str
    versions: dict[str, str]
    began: str
    measurements: list[MeasuredFigure]
    format: int

    def __post_init__(self) -> None:
        if self.format != 1:
            raise ValueError(f"format {self.format}; only 1 is understood here")
        if not self.measurements:
            raise ValueError("it holds no measurement")


@dataclass(frozen=True, kw_only=True)
class ChaosOutcome:
    """What a chaos run came to, as far as reports need it (`chaos.trial.ScenarioOutcome`)."""

    scenario: str
    seed: int
    kept: bool
    figures: dict[str, float]
    counts: dict[str, dict[str, int]]
    events: list[tuple[float, str]]
    """Seconds from the beginning, and what happened."""
    breaches: list[str]
    missed: list[str] = field(default_factory=list)
    """Goals of the scenario, beside the promise."""
    command: str = ""
    uncommitted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("operations_failed", "writes_acknowledged"):
            if "operations" in self.figures and name not in self.figures:
                raise ValueError(f"figures has no {name!r}")


def step_file(kind: StepKind) -> str:
    """The name of the file or folder, in the step's directory, that holds its record."""
    return FILES[kind]


def read_record(directory: Path) -> RunRecord:
    """Read a run's directory; RecordError or OSError if that cannot be done."""
    manifest = document(directory / MANIFEST, ReadinessManifest, ReadinessRecordError)
    check_form(manifest, (FORMAT, VERSION), MANIFEST, ReadinessRecordError)
    path = directory / OUTCOMES
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # the last one is torn
    outcomes = [
        converted(
            decoded(line, object, OUTCOMES, ReadinessRecordError),
            StageOutcome,
            OUTCOMES,
            ReadinessRecordError,
        )
        for line in lines
    ]
    known = {step.name for step in manifest.steps}
    for outcome in outcomes:
        if outcome.step not in known:
            raise ReadinessRecordError(f"{OUTCOMES}: {outcome.step!r} is no step of this run")
    return RunRecord(
        directory=directory, manifest=manifest, outcomes={each.step: each for each in outcomes}
    )


def read_figures(path: Path) -> RunFigures:
    """Read a file of measurements; RecordError says which field is wrong."""
    return document(path, RunFigures, ReadinessRecordError)


def read_chaos(directory: Path) -> ChaosOutcome:
    """Read what a chaos run came to; errors as of `read_figures`."""
    return document(directory / CHAOS, ChaosOutcome, ReadinessRecordError)
