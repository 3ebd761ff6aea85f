"""Mutants that change nothing anybody could notice: a list that people keep, with a reason each.

Rule: reads `reviewed.toml`; says of no mutant by itself that it is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from perflab.forms import converted, decoded, lines, toml_table
from perflab.mutate.record import MutantResult, MutationRecordError

__all__ = ["Reviewed", "filed"]

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


def filed(path: Path) -> list[MutantResult]:
    """The results in a file, the last of each mutant, with what was reviewed since; none if there
    is no file."""
    if not path.exists():
        return []
    reviewed = Reviewed.load()
    found = [decoded(each, MutantResult, path.name, MutationRecordError) for each in lines(path)]
    last = {each.key: each for each in found}
    return [replace(each, reason=reviewed.reason(each)) for each in last.values()]
