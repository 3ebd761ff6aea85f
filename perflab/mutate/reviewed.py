"""Mutants that change nothing anybody could notice: a list that people keep, with a reason each.

Rule: reads `reviewed.toml`; says of no mutant by itself that it is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perflab.forms import converted, toml_table
from perflab.mutate.record import MutantResult, MutationRecordError

__all__ = ["Reviewed"]

PLACE = Path(__file__).with_name("reviewed.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewedMutant:
    """One of them, with why it is none."""

    function: str
    """`FILE:SYMBOL`."""
    said: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reviewed:
    """The list."""

    equivalent: tuple[ReviewedMutant, ...] = ()

    @classmethod
    def load(cls, path: Path = PLACE) -> Reviewed:
        """The list in a file. Raises MutationRecordError."""
        table = toml_table(path, MutationRecordError)
        return converted(table, cls, path.name, MutationRecordError)

    def reason(self, result: MutantResult) -> str:
        """Why this one is no mutant; "" if it is one."""
        function = f"{result.file}:{result.symbol}"
        for each in self.equivalent:
            if (each.function, each.said) == (function, result.said):
                return each.reason
        return ""
