"""What the other commands filed beside asv's results: the last gate.

Rule: reads what was decided; a file that cannot be read is told about and costs nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Checks", "Gate", "read_checks"]

VERSION = 1  # of the gate's verdict.json


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The last gate."""

    verdict: str
    exit_code: int
    base: str
    head: str
    subject: str
    """Of head."""
    when: str
    """ "2026-11-23 17:00Z"."""


@dataclass(kw_only=True)
class Checks:
    """All of them; None where there is none."""

    gate: Gate | None = None
    problems: list[str] = field(default_factory=list)


def read_checks(folder: Path) -> Checks:
    """`folder` is that of asv's results' neighbours: .asv."""
    found = Checks()
    gates = sorted((folder / "gate" / "runs").glob("*/verdict.json"))
    if gates:
        try:
            found.gate = _gate(gates[-1])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            found.problems.append(f"gate {gates[-1].parent.name}: {type(error).__name__}: {error}")
    return found


def _gate(path: Path) -> Gate:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']}; only {VERSION} is understood here")
    moment = path.parent.name.partition("-")[0]  # 20261123T170000Z
    return Gate(
        verdict=str(content["verdict"]),
        exit_code=int(content["exit_code"]),
        base=str(content["base"]["commit"]),
        head=str(content["head"]["commit"]),
        subject=str(content["head"]["subject"]),
        when=f"{moment[:4]}-{moment[4:6]}-{moment[6:8]} {moment[9:11]}:{moment[11:13]}Z",
    )
