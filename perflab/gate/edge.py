"""What the edge on sockets does, counted exactly over wires in memory, on both event loops.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

from benchmarks.common.counting.edge_lab import EDGE_COUNTS, EDGE_OPERATIONS, EdgeLab
from benchmarks.common.counting.wire_loop import LOOPS
from perflab.gate.counts import Sheets, note, side_by_side
from perflab.gate.record import Kind

__all__ = ["EDGE_METRICS", "KEPT_METRICS", "take_edge"]

EDGE_METRICS = tuple(
    f"counts.{what}.edge_{operation}.{loop}"
    for what in EDGE_COUNTS
    for operation in EDGE_OPERATIONS
    for loop in LOOPS
)
KEPT_METRICS = tuple(f"memory.edge_clients.{loop}" for loop in LOOPS)


def take_edge(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """What operations and connections cost at the edge, and what clients that have come and gone
    leave behind: exact."""
    jobs = [
        ((side, loop), partial(_counted, core, loop))
        for loop in LOOPS
        for side, core in enumerate(cores)
    ]
    for (side, loop), result in side_by_side(jobs, time_left).items():
        for name in (*EDGE_METRICS, *KEPT_METRICS):
            family, what, _ = name.split(".", 2)
            if name.endswith(f".{loop}"):
                unit = "bytes" if family == "memory" else what
                note(sheets[side], name, Kind.EXACT, unit, result)


@cache  # exact figures need not be counted twice: whoever tries many heads has one base
def _counted(core: str, loop: str) -> dict[str, float]:
    with EdgeLab(loop, core) as lab:
        counts, kept = lab.count(), lab.kept()
    found = {
        f"counts.{what}.edge_{operation}.{loop}": value
        for operation, each in counts.items()
        for what, value in each.items()
    }
    return found if kept is None else found | {f"memory.edge_clients.{loop}": kept}
