"""The form of pages about what is filed beside asv's results: sentences, tables, charts.

A section without data says which command fills it, so that no page is empty.

Rule: a form; what stands in it is for each page's module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from perflab.report.form import Chart

__all__ = ["RoomPage", "RoomSection", "RoomTable"]


@dataclass(frozen=True, kw_only=True)
class RoomTable:
    """A table; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int = 0
    """How many of the last columns are numbers."""


@dataclass(frozen=True, kw_only=True)
class RoomSection:
    """A heading and what stands below it."""

    title: str
    about: str = ""
    lines: Sequence[str] = ()
    table: RoomTable | None = None
    charts: Sequence[Chart] = ()
    command: str = ""
    """What fills it."""
    fills: str = ""
    """What that command does, in words."""
    folded: bool = False
    """A long table, which is opened by whoever wants it."""

    @property
    def empty(self) -> bool:
        return not (self.lines or self.charts or (self.table and self.table.rows))


@dataclass(frozen=True, kw_only=True)
class RoomPage:
    """A page."""

    title: str
    sections: Sequence[RoomSection]
    about: str = ""
    problems: Sequence[str] = field(default_factory=list)
