"""What a load run needs to know besides its target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.records import LoopKind
from perflab.load.scenario import LoadScenario
from perflab.results.checkout import Source

__all__ = ["LoadPlan"]


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """What a run needs to know besides its target. The directory must be there and be empty."""

    scenario: LoadScenario
    directory: Path
    loop: LoopKind
    command: str
    source: Source = field(default_factory=Source)
    interval_s: float = 1.0
