"""What a metric of a process is called and how its values are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Column", "Kind"]


Kind = Literal["gauge", "counter"]


@dataclass(frozen=True)
class Column:
    """One metric of a process. A counter's values add up since the process began."""

    name: str
    unit: str
    kind: Kind

    def __post_init__(self) -> None:
        if not self.name or not self.unit or self.kind not in get_args(Kind):
            raise ValueError(
                f"a metric needs a name, a unit and a kind (gauge or counter), not {self}"
            )
