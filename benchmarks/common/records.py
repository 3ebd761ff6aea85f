"""What a measurement leaves behind: typed records, as JSON files, and exact percentiles.

A figure without its circumstances is worth nothing a week later, so a `Run` carries the machine,
the commit and the versions, and each `Measurement` in it says of which kind it is, in which layout,
over how many nodes, processes and cores. Whatever is read back is checked field by field: a judge
must fail on a file it does not understand, not pass over it.

Rule: reads and writes files, measures nothing.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

__all__ = [
    "FORMAT",
    "KINDS",
    "Kind",
    "LatencySummary",
    "Layout",
    "LoopKind",
    "MachineInfo",
    "Measurement",
    "RecordError",
    "Run",
    "filed",
    "nearest_rank",
    "now_utc",
    "summarize",
    "this_machine",
    "write_run",
]

FORMAT = 1  # raised when a reader of the old form would misread the new one

Kind = Literal["exact", "seeded", "paired", "observed"]
LoopKind = Literal["asyncio", "uvloop"]
Layout = Literal["A", "B", "C", "S"]
KINDS: tuple[Kind, ...] = ("exact", "seeded", "paired", "observed")
# Swarm in one process and client in another; a process per node; all in one process; simulated.
LAYOUTS: tuple[Layout, ...] = ("A", "B", "C", "S")


class RecordError(ValueError):
    """A record that cannot be true or a file that is not one; the message says where and why."""


@dataclass(frozen=True, kw_only=True)
class MachineInfo:
    """Where it was measured. `name` is the host's own; `cores` is what this process may use."""

    name: str
    system: str
    processor: str
    cores: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One thing measured, once or repeatedly.

    `name` says what ("store"), `subject` of whom ("p2pcore", "ceiling"), `parameters` under which
    settings; `values` are in `unit` ("s", "1/s", "B", …), one per repetition, in their order.
    """

    name: str
    subject: str
    kind: Kind
    layout: Layout
    nodes: int
    processes: int
    unit: str
    values: list[float]
    parameters: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        place = f"measurement {self.name!r} of {self.subject!r}"
        if not self.name or not self.subject or not self.unit:
            raise RecordError(f"{place} needs a name, a subject and a unit ({self.unit!r})")
        if self.kind not in KINDS:
            raise RecordError(f"{place} is of kind {self.kind!r}; kinds are {', '.join(KINDS)}")
        if self.layout not in LAYOUTS:
            raise RecordError(f"{place} has layout {self.layout!r}; there are A, B, C and S")
        if self.nodes < 1 or self.processes < 1:
            raise RecordError(f"{place} has {self.nodes} nodes in {self.processes} processes")
        if not self.values:
            raise RecordError(f"{place} has no values; what was not measured is not recorded")
        bad = [value for value in self.values if not math.isfinite(value)]
        if bad:
            raise RecordError(f"{place} holds {bad[0]}, which is no figure")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything one command measured.

    `commit` is that of the code measured, or "" outside version control; `versions` names the
    packages, the interpreter and the event loop; `began` is UTC in ISO 8601.
    """

    machine: MachineInfo
    commit: str
    versions: dict[str, str]
    began: str
    measurements: list[Measurement]
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise RecordError(f"this is format {self.format}; only {FORMAT} is understood here")
        try:
            moment = datetime.fromisoformat(self.began)
        except ValueError as error:
            raise RecordError(f"began is {self.began!r}, which is no ISO 8601 time") from error
        if moment.tzinfo is None:
            raise RecordError(f"began is {self.began!r}, without its time zone")


@dataclass(frozen=True, kw_only=True)
class LatencySummary:
    """Exact percentiles of a set of latencies, in seconds."""

    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    p999_s: float
    max_s: float


def nearest_rank(ordered: Sequence[float], per_mille: int) -> float:
    """The smallest value that at least `per_mille` thousandths of the sorted values do not exceed.

    Nearest rank never invents a value between two measured ones, and takes whole thousandths
    because 99.9 / 100 * 1000 is more than 999 in floats.
    """
    if not 0 < per_mille <= 1000:
        raise ValueError(f"a percentile lies in 1 … 1000 thousandths, not at {per_mille}")
    if not ordered:
        raise ValueError("no values have no percentile")
    return ordered[-(-len(ordered) * per_mille // 1000) - 1]


def summarize(latencies_s: Iterable[float]) -> LatencySummary:
    """P50, P95, P99, P99.9 and the maximum of all latencies, none left out."""
    ordered = sorted(latencies_s)
    p50, p95, p99, p999 = (nearest_rank(ordered, rank) for rank in (500, 950, 990, 999))
    return LatencySummary(
        count=len(ordered), p50_s=p50, p95_s=p95, p99_s=p99, p999_s=p999, max_s=ordered[-1]
    )


def this_machine() -> MachineInfo:
    return MachineInfo(
        name=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else _all_cores(),
    )


def filed(root: Path, kind: str, commit: str, name: str) -> Path:
    """Where a run of now is filed, beside asv's results: KIND/MACHINE/COMMIT-NAME-TIME."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    said = "-".join(part for part in (commit[:8], name, moment) if part)
    return root / ".asv" / kind / (this_machine().name or "machine") / said


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_run(run: Run, path: Path) -> None:
    """Write a run as JSON; the file is there whole or not at all."""
    import json

    text = json.dumps(asdict(run), indent=1, allow_nan=False) + "\n"
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _all_cores() -> int:
    return os.cpu_count() or 1


def _processor() -> str:
    """The processor's trade name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
