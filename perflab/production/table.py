"""The core's table of metrics, as far as rules and panels need it.

Rule: reads names; every one comes from the core's own table, by the one door.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from benchmarks.common import subject

__all__ = [
    "BUILD",
    "DELEGATED",
    "DURATIONS",
    "OPERATIONS",
    "UNDER_REPLICATED",
    "MetricFamily",
    "bounds_s",
    "excused",
    "failed",
    "families",
    "family",
]

OPERATIONS = "p2pcore_operations_total"
DURATIONS = "p2pcore_operation_duration_seconds"
BUILD = "p2pcore_build_info"
UNDER_REPLICATED = "p2pcore_under_replicated_records"
DELEGATED = ("put", "get")
"""What nodes do for clients, which count the same operation as their own: both would be twice."""


class MetricFamily(Protocol):
    """One metric with all its series, as the core's table has it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def needs_disk(self) -> bool: ...


def families() -> tuple[MetricFamily, ...]:
    """All metrics. Raises NotImplementedError for a core without any."""
    found: tuple[MetricFamily, ...] = subject.part("metrics.table", "FAMILIES")
    return found


def family(name: str) -> MetricFamily:
    """One of them; NotImplementedError if the core has it no more."""
    found = next((each for each in families() if each.name == name), None)
    if found is None:
        raise NotImplementedError(f"this commit's p2pcore has no metric {name}")
    return found


def bounds_s() -> tuple[float, ...]:
    """The upper ends of the buckets."""
    found: tuple[float, ...] = subject.part("metrics.table", "BOUNDS_S")
    return found


def failed() -> tuple[str, ...]:
    """The results that count against an objective."""
    found: tuple[str, ...] = subject.part("metrics.table", "FAILED")
    return found


def excused() -> tuple[str, ...]:
    """The results that count for nothing."""
    found: tuple[str, ...] = subject.part("metrics.table", "EXCUSED")
    return found
