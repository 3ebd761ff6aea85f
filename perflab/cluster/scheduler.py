"""Where shares of a measurement run: seats, a process of ours each, on this machine or on others.

Rule: says what a scheduler is; `local.py` is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Scheduler", "SchedulerError", "Seat"]


class SchedulerError(RuntimeError):
    """A scheduler that is not there, not fit, or was asked for wrongly; one line."""


class Seat(Protocol):
    """Where one process may run; `station.Station` says what its calls do.

    Each raises SchedulerError if the seat cannot be reached, which takes it seconds to find out.
    """

    @property
    def name(self) -> str: ...

    @property
    def here(self) -> bool:
        """Whether it is on this machine, by the same scheduler: its processes can be watched."""

    def about(self) -> dict[str, str]: ...

    def clock_ns(self) -> int:
        """Its performance counter."""

    def start(self, module: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        """Start a module's `run_child` there; the id of the process."""

    def look(self, lines: int, sizes: dict[str, int]) -> dict[str, Any]: ...

    def tell(self, line: bytes) -> None: ...

    def digests(self) -> dict[str, str]: ...

    def end(self) -> None: ...

    def let_go(self) -> None: ...

    def trouble(self) -> str:
        """What the scheduler says of it, if that is nothing good; else ""."""


class Scheduler(AbstractContextManager["Scheduler"], Protocol):
    """Seats, from entering to leaving; entering raises SchedulerError."""

    name: str

    @property
    def seats(self) -> list[Seat]: ...
