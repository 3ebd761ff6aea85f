"""What `scaling` leaves behind: a file of lines, which a later call goes on with.

The first line says of which commit the figures are (`ScalingHead`); then there is a line for each
network that was measured or simulated (`ScalingRow`), written when it was over. A torn last line,
of a run that was killed, is left out.

Rule: reads and appends to one file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from perflab.forms import check_form, converted, decoded

__all__ = ["ScalingError", "ScalingHead", "ScalingRow", "append_scaling", "read_scaling"]

FORMAT, VERSION = "p2pcore-scaling", 1


class ScalingError(ValueError):
    """A record that is not as it must be, or too little of it; the message says which."""


@dataclass(frozen=True, kw_only=True)
class ScalingHead:
    """Of what the figures are."""

    format: str = FORMAT
    version: int = VERSION
    commit: str
    """All 40 digits, and a + if files of the code differ from it; "": it is not git's."""
    began: str
    """When, in UTC."""
    limits: dict[str, float]
    """Defaults of the core that a growing network comes up against, by name."""


@dataclass(frozen=True, kw_only=True)
class ScalingRow:
    """One network."""

    play: str
    """What was done with it: `sockets`, or a scenario of the simulated lab."""
    nodes: int
    seed: int
    figures: dict[str, float]


def read_scaling(file: Path) -> tuple[ScalingHead, list[ScalingRow]]:
    """The head and the rows. Raises ScalingError, OSError."""
    lines = file.read_bytes().split(b"\n")[:-1]  # what is torn has no end
    if not lines:
        raise ScalingError(f"{file.name}: there is nothing in it")
    places = [f"{file.name}, line {number}" for number in range(1, len(lines) + 1)]
    found = [
        decoded(each, object, at, ScalingError) for each, at in zip(lines, places, strict=True)
    ]
    head = converted(found[0], ScalingHead, places[0], ScalingError)
    check_form(head, (FORMAT, VERSION), file.name, ScalingError)
    rows = [
        converted(each, ScalingRow, at, ScalingError)
        for each, at in zip(found[1:], places[1:], strict=True)
    ]
    return head, rows


def append_scaling(file: Path, line: ScalingHead | ScalingRow) -> None:
    """Write it at the end; a torn line that is there goes first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = file.read_bytes() if file.exists() else b""
    if not kept.endswith(b"\n"):
        file.write_bytes(kept[: kept.rfind(b"\n") + 1])
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(asdict(line)) + "\n")
