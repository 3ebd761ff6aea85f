"""Where shares of a measurement run: seats, a process of ours each, on this machine or on others.

Rule: says what a scheduler is; `local.py` and `on_dask.py` are two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = [
    "RETRIES",
    "Scheduler",
    "SchedulerError",
    "Seat",
    "TaskError",
    "Tls",
]

RETRIES = 2


class SchedulerError(RuntimeError):
    """A scheduler that is not there, not fit, or was asked for wrongly; one line."""


class TaskError(RuntimeError):
    """A task that failed wherever it was tried."""


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

    def look(self, lines: int, sizes: dict[str, int], tell: bytes = b"") -> dict[str, Any]: ...

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

    def tasks(
        self, module: str, orders: Iterable[list[str]]
    ) -> Iterator[tuple[int, str | TaskError]]:
        """What `run_child` of a module prints for each of these arguments, with its number, as they
        end. A task whose process or worker dies is tried again, `RETRIES` times, wherever there is
        room. Those that are under way when the caller stops asking are given up."""


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files (PEM) with which this side of a connection to `tls://` proves itself."""

    ca: Path
    cert: Path
    key: Path

    def __post_init__(self) -> None:
        for path in (self.ca, self.cert, self.key):
            if not path.is_file():
                raise SchedulerError(f"{path}: no such file; TLS needs three")
