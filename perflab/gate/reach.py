"""Which figures reach what a change touches: they are measured first.

Theory of operation. The base does every question of the gate once under a trace, in one process per
lab; what share of the work of each question is done in each function is kept in a file per base
commit. A change touches functions, and names that functions use. A figure's *reach* is the share of
its work that is done in those. Exact figures that are reached come first, as many as fit into
FIRST_S: whole stages that are cheap, then instructions, those with the largest reach before others.
All others come after them, so nothing is left out, and no figure is judged differently.

Rule: an order of names; measures and judges nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from perflab.gate.cause.hunks import ChangedHunk, hunks_of, referring
from perflab.gate.cause.questions import Question, QuestionKind, beside, question_of
from perflab.gate.cause.trees import Traced, take_edge_trees, take_micro_trees, take_trees, totals
from perflab.gate.clock import USUAL_S
from perflab.results.checkout import Commit

__all__ = [
    "FIRST_S",
    "SLOW",
    "FirstFigures",
    "Reach",
    "first_figures",
    "reach_of",
    "seconds_of",
    "shares_of",
    "touching",
    "traced_for",
]

FIRST_S = 55.0
"""Usual seconds of what comes first: with the builds, a minute."""
VERSION = 2  # of the file
EXACT = ("counts.", "memory.", "disk.", "instructions.")
CHEAP = ("operations", "edge", "memory", "disk")
SLOW = ("populations", "lives")  # to prepare: they are in no reach
Reach = Mapping[Question, Mapping[str, float]]
Stages = Mapping[str, Sequence[str]]
"""The figures that are measured together, by the stage's name in `clock.py`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstFigures:
    """What comes first."""

    names: frozenset[str]
    reached: int
    """Exact figures that reach what changed, in all."""
    seconds: float
    """That all of them usually take."""


def reach_of(root: Path, base: Commit, core: str, figures: Sequence[str]) -> Reach:
    """By question, the share of its work that is done in each function of base's p2pcore; from a
    file, if this base was asked before."""
    questions = sorted({each for name in figures if (each := traced_for(name)) is not None})
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = root / ".asv" / "gate" / "reach" / f"{base.hash}-{python}.json"
    known = _read(place)
    if not set(questions) <= known.keys():
        known = {**known, **_taken([each for each in questions if each not in known], core)}
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_suffix(f".{os.getpid()}")
        listed = [[each.kind, each.what, each.where, shares] for each, shares in known.items()]
        new.write_text(json.dumps({"version": VERSION, "reach": listed}), encoding="utf-8")
        os.replace(new, place)
    return known


def _read(place: Path) -> dict[Question, dict[str, float]]:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        if found["version"] != VERSION:
            return {}
        return {
            Question(QuestionKind(kind), what, where): shares
            for kind, what, where, shares in found["reach"]
        }
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is of another form
        return {}


def traced_for(figure: str) -> Question | None:
    """The question under a trace that stands for a figure: swarms of 8 for those of 32."""
    question = question_of(figure)
    if question is None or question.kind is QuestionKind.IMPORT:
        return None  # every file is in the reach of an import
    question = beside(question)[-1]
    if question.kind is QuestionKind.OPERATION:
        return Question(question.kind, question.what, "8")
    return question


def shares_of(reach: Reach, figure: str) -> Mapping[str, float] | None:
    """The share of a figure's work by function; None where no trace stands for it."""
    question = traced_for(figure)
    return None if question is None else reach.get(question)


def _taken(questions: Sequence[Question], core: str) -> dict[Question, dict[str, float]]:
    found: dict[Question, Traced] = {}
    micros = [each for each in questions if each.kind is QuestionKind.MICRO]
    if micros:
        found |= take_micro_trees(micros, core)
    for loop in sorted({each.where for each in questions if each.kind is QuestionKind.EDGE}):
        for what, traced in take_edge_trees(loop, core).items():
            found[Question(QuestionKind.EDGE, what, loop)] = traced
    others = [each for each in questions if each.kind is QuestionKind.OPERATION]
    for question, [traced] in take_trees(others, [core], lambda: True).items():
        if not isinstance(traced, Exception):
            found[question] = traced
    return {each: _shares(found[each]) if each in found else {} for each in questions}


def _shares(traced: Traced) -> dict[str, float]:
    steps = totals(traced).steps
    whole = sum(steps.values()) or 1.0
    return {name: each / whole for name, each in steps.items() if name.startswith("p2pcore/")}


def first_figures(
    root: Path, commits: tuple[Commit, Commit], reach: Reach, stages: Stages,
    wanted: Callable[[str], bool],
) -> FirstFigures:  # fmt: skip
    """Those of the wanted figures that come first.

    Raises:
        CheckoutError: git cannot tell what changed.
    """
    hunks = [each for each in hunks_of(root, *commits) if each.runs]
    touched = touching(hunks, lambda names, function: referring(root, commits[0], names, function))
    weights: dict[str, float] = {}
    known: dict[Question, float] = {}
    names = (name for stage, names in stages.items() if stage not in SLOW for name in names)
    for name in filter(wanted, names):
        question = traced_for(name) if name.startswith(EXACT) else None
        if question is None or question not in reach:
            continue
        if question not in known:
            shares = reach[question]
            known[question] = sum(share for each, share in shares.items() if touched(each))
        if known[question]:
            weights[name] = known[question]
    return _fitting(weights, stages)


def touching(
    hunks: Sequence[ChangedHunk], uses: Callable[[set[str], str], set[str]]
) -> Callable[[str], bool]:
    """Whether hunks change a function, or a name that it uses, as `referring` tells."""
    functions = set().union(*(each.functions for each in hunks))
    names = set().union(*(each.names for each in hunks))
    known: dict[str, bool] = {}

    def touched(function: str) -> bool:
        if function not in known:
            known[function] = function in functions or bool(uses(names, function))
        return known[function]

    return touched


def _fitting(weights: Mapping[str, float], stages: Stages) -> FirstFigures:
    """Cheap stages whole, then instructions by their reach, while there is time."""
    stage_of = {name: stage for stage, names in stages.items() for name in names}
    chosen: set[str] = set()
    order = sorted(weights, key=lambda name: (stage_of[name] not in CHEAP, -weights[name], name))
    for name in order:
        if seconds_of([*chosen, name], stages) <= FIRST_S:
            chosen.add(name)
    return FirstFigures(
        names=frozenset(chosen),
        reached=len(weights),
        seconds=round(seconds_of(weights, stages), 1),
    )


def seconds_of(figures: Iterable[str], stages: Stages) -> float:
    """What exact figures usually take (`USUAL_S`), when each stage does those of them alone."""
    wanted = set(figures)
    parts = {stage: len(wanted.intersection(names)) / len(names) for stage, names in stages.items()}
    return sum(
        USUAL_S[stage] * (1.0 if stage in CHEAP else part) for stage, part in parts.items() if part
    )
