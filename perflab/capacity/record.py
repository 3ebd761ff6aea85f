"""What `capacity` leaves behind, line by line, so that the same call goes on.

Rule: a form and its file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from perflab.forms import decoded, lines

__all__ = ["CapacityFileError", "CapacityPoint", "CapacityQuestion", "append", "opened"]


class CapacityFileError(ValueError):
    """A capacity that cannot be told; one line."""


@dataclass(frozen=True, kw_only=True)
class CapacityQuestion:
    """Of what the points are: they go on with the same only."""

    commit: str
    package: str
    p99_ms: float
    success: float
    operations: int
    message_us: float
    """Of a node's processor, to read or to send a message, as it was measured."""
    message_low_us: float
    message_high_us: float
    source: str
    """Where that is from."""


@dataclass(frozen=True, kw_only=True)
class CapacityPoint:
    """The highest rate of one network."""

    nodes: int
    seed: int
    load: float
    """As a part of what the nodes can serve."""
    rate: float
    """Operations per second."""


def opened(file: Path, head: CapacityQuestion) -> list[CapacityPoint]:
    """The points that are there of this very question; a new file if there is none.

    Raises CapacityFileError: it is of another question; OSError.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(head)) + "\n", encoding="utf-8")
        return []
    found = list(lines(file))
    there = decoded(found[0] if found else b"", CapacityQuestion, file.name, CapacityFileError)
    if there != head:
        raise CapacityFileError(f"{file} is of another question or code; take another --out")
    whole = sum(map(len, found))
    with file.open("r+b") as torn:
        torn.truncate(whole)
    return [
        decoded(each, CapacityPoint, f"{file.name}, line {number}", CapacityFileError)
        for number, each in enumerate(found[1:], 2)
    ]


def append(file: Path, point: CapacityPoint) -> None:
    """One more."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(point)) + "\n")
