"""Which commit made a step of the history: what a search has found and measured so far.

One file, beside the known alarms: `python -m perflab bisect --steps` writes it as it goes, alerts,
explanations and the site read it.

Rule: the form of the file, and finding a step's entry in it; searches nothing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

__all__ = [
    "CULPRITS",
    "CulpritAnswer",
    "CulpritsError",
    "StepCulprit",
    "culprit_of",
    "read_culprits",
    "write_culprits",
]

CULPRITS = "culprits.json"
VERSION = 1


class CulpritsError(Exception):
    """The file cannot be read; the message says which and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CulpritAnswer:
    """What measuring one commit beside the last good one has given."""

    commit: str
    ratios: tuple[float, ...] = ()
    """Its figure over that of the last good commit, above 1 if worse; one of an exact figure."""
    problem: str = ""
    """Why there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCulprit:
    """The search for the commit behind one step of one series."""

    machine: str
    environment: str
    series: str
    good: str
    """The newest commit that is known to be before the step."""
    last: str
    """It is one of those after that, up to this one."""
    commits: int
    """How many that are."""
    commit: str = ""
    """The likeliest; "" if it is none of them, or nothing is known yet."""
    subject: str = ""
    probability: float = 0.0
    """Of that one, or of none of them."""
    builds: int = 0
    """Commits that were measured, with the last good one."""
    certain: bool = False
    """The search has ended; else it goes on with what it has."""
    measured_by: str = ""
    """A figure of the gate, or asv."""
    answers: tuple[CulpritAnswer, ...] = ()

    def answer(self, commit: str) -> CulpritAnswer:
        """What is known of a commit so far."""
        found = (each for each in self.answers if each.commit == commit)
        return next(found, CulpritAnswer(commit=commit))

    def with_answer(self, answer: CulpritAnswer) -> StepCulprit:
        """With what was measured once more of a commit."""
        known = self.answer(answer.commit)
        both = replace(answer, ratios=(*known.ratios, *answer.ratios))
        others = [each for each in self.answers if each.commit != answer.commit]
        return replace(self, answers=(*others, both))


@dataclass(frozen=True, slots=True)
class _Place:
    machine: str
    environment: str
    series: str


def culprit_of(
    culprits: Iterable[StepCulprit], machine: str, environment: str, series: str,
    after: str, until: str, places: Mapping[str, int],
) -> StepCulprit | None:  # fmt: skip
    """What was found of the step between two commits (not the first of them) of a series; the
    newest, if there are several. `places`: of commits in the history, the oldest having 0."""
    if after not in places or until not in places:
        return None
    asked = _Place(machine, environment, series)
    for each in reversed(list(culprits)):
        same = _Place(each.machine, each.environment, each.series) == asked
        known = each.good in places and each.last in places
        if same and known and places[each.good] < places[until] <= places[each.last]:
            return each
    return None


def read_culprits(path: Path) -> list[StepCulprit]:
    """All of a file; none without one. Raises CulpritsError."""
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        return [_culprit(entry) for entry in content["culprits"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CulpritsError(
            f"{path} is not what a search has written ({type(error).__name__}: {error}); remove "
            "it, and every step is searched anew"
        ) from error


def _culprit(entry: dict[str, Any]) -> StepCulprit:
    answers = tuple(
        CulpritAnswer(
            commit=str(each["commit"]),
            ratios=tuple(math.inf if one is None else float(one) for one in each["ratios"]),
            problem=str(each["problem"]),
        )
        for each in entry["answers"]
    )
    return StepCulprit(**{**entry, "answers": answers})


def write_culprits(path: Path, culprits: Sequence[StepCulprit]) -> None:
    """The file, whole at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [asdict(each) for each in culprits]
    for entry in entries:
        for answer in entry["answers"]:  # JSON has no infinity: a figure that was 0
            answer["ratios"] = [each if math.isfinite(each) else None for each in answer["ratios"]]
    content = {"version": VERSION, "culprits": entries}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(new, path)
