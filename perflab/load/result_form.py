"""How a load run ended, and where its processes ran: forms of two files of its directory.

Rule: forms; decides nothing, reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["End", "FaultResult", "MissingShare", "Result", "Share"]

End = Literal["complete", "incomplete", "interrupted", "broken"]
"""Incomplete: a share of the load is missing, and the rest went on to its end."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A process of the clients that a scheduler had run somewhere."""

    process: int
    """Its number in the names of its files."""
    seat: str
    """What the scheduler calls the place."""
    machine: str
    clock_ns: int
    """What its performance counter was ahead of ours."""
    clock_within_ns: int
    """The true offset differs by no more."""
    clock_measured_ns: int
    """As it was measured; `clock_ns` is 0 where both clocks are known to be one."""
    clock_drift_ns: int | None = None
    """How much more it was at the end; None: not asked again."""
    first_lag_ns: int | None = None
    """From due to begun, of its first operation; None: it had none."""


@dataclass(frozen=True, kw_only=True)
class MissingShare:
    """A share that was lost, and what of the plan was lost with it."""

    process: int
    seat: str
    machine: str
    from_s: float
    """Of the schedule: after the last that is known of it."""
    to_s: float
    operations: int
    """Of its part of the plan that are in no file."""
    reason: str

    def __str__(self) -> str:
        return (
            f"share {self.process} ({self.seat} on {self.machine}) is missing from "
            f"{self.from_s:.1f} to {self.to_s:.1f} s, {self.operations:,} operations of the plan: "
            f"{self.reason}"
        )


@dataclass(frozen=True, kw_only=True)
class FaultResult:
    """What a fault did, in seconds from its beginning; None is what did not happen."""

    fault: int
    kind: str
    at_s: float
    healed_s: float | None
    seen_by_nodes_s: float | None
    """Until the nodes that could had noticed, by their own account."""
    seen_by_clients_s: float | None
    """Until operations were due that fared worse than before."""
    recovered_s: float | None
    """Until the clients were served as before; `perflab/load/recovery.py` says what that is."""
    recovered_after_heal_s: float | None
    """The same, counted and looked for from the heal on; None without a heal."""
    operations_lost: int
    """Operations due since the fault, until it had recovered, that did not succeed."""
    recovered: bool
    """Whether, after the heal or without one, clients were served as before, and soon enough."""
    reason: str
    """What "as before" was, and what was seen, in words."""
    judged: bool = True
    """False: too little was due before or after it to tell; `recovered` is False then, too."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended, and what it says of itself."""

    end: End
    message: str
    elapsed_s: float
    generator_bound: bool
    """The generator was the bottleneck: no verdict may use the figures."""
    generator_reasons: list[str]
    faults: list[FaultResult] = field(default_factory=list)
    records_acknowledged: int | None = None
    """Records with an acknowledged write that were read again at the end; None: not looked for."""
    records_lost: int | None = None
    missing: list[MissingShare] = field(default_factory=list)
    """What a run under a scheduler lost, though it may have been interrupted, too."""

    @property
    def not_recovered(self) -> list[FaultResult]:
        """The faults after which service was seen not to come back."""
        return [each for each in self.faults if each.judged and not each.recovered]
