"""What scenarios of all kinds draw: moments, spans, and a process that stops.

Rule: one draw of chance is one call of the stream, in an order that stays.
"""

from collections.abc import Iterator
from typing import Any

from p2pcore.sim.streams import Stream

__all__ = ["Table", "end_s", "parts", "span", "stop", "times"]

Table = dict[str, Any]


def times(rng: Stream, values: Table, gap_s: float) -> list[float]:
    """Moments of the workload, at least about so far apart."""
    moments, at_s = [], rng.uniform(2, 8)
    while at_s < values["over_s"]:
        moments.append(round(at_s, 3))
        at_s += rng.uniform(gap_s, 2 * gap_s)
    return moments


def span(rng: Stream, low_s: float, high_s: float) -> float:
    return round(rng.uniform(low_s, high_s), 3)


def stop(rng: Stream, at_s: float, for_s: float) -> Table:
    power, disk = rng.random() < 0.3, rng.random() < 0.5
    return {
        "fault": "crash", "at_s": at_s, "for_s": for_s, "count": 1, "power": power, "disk": disk,
    }  # fmt: skip


def parts(fault: Table) -> Iterator[Table]:
    """A fault, and what it lets happen."""
    yield fault
    if "then" in fault:
        yield from parts(fault["then"])


def end_s(fault: Table) -> float:
    """When it is over at the latest, and what it lets happen as well."""
    return sum(float(part.get("at_s", 0) + part.get("for_s", 0)) for part in parts(fault))
