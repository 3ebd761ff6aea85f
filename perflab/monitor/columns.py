"""The form of a metric's column in a monitor's record.

The same three fields as `benchmarks/common/columns.py`, which a measuring process declares: that
tree knows nothing of this one, and who reads a record shall need nothing of that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["MetricColumn"]

KINDS = ("gauge", "counter")


@dataclass(frozen=True)
class MetricColumn:
    """One metric of a process. A counter's values add up since the process began."""

    name: str
    unit: str
    kind: Literal["gauge", "counter"]

    def __post_init__(self) -> None:
        if not self.name or not self.unit or self.kind not in KINDS:
            raise ValueError(
                f"a metric needs a name, a unit and a kind (gauge or counter), not {self}"
            )
