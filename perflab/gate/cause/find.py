"""Find what is behind the red figures of a gate: both sides do it again under a trace.

Rule: order of work and time; the parts are `questions.py`, `trees.py`, `hunks.py` and `rank.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from perflab.gate.builds import build
from perflab.gate.cause.form import Cause, TracedQuestion
from perflab.gate.cause.hunks import function_at, hunks_of, referring
from perflab.gate.cause.questions import choice
from perflab.gate.cause.rank import Rise, ranked, rise_between, risen_functions
from perflab.gate.cause.trees import take_trees, totals
from perflab.gate.judge import GateOutcome
from perflab.gate.record import Kind
from perflab.results.checkout import Commit
from perflab.results.git import CheckoutError

__all__ = ["LATEST_S", "cause_of", "explained", "red_figures"]

LATEST_S = 15.0
"""No trace is begun later than this; one takes a few seconds."""


def red_figures(outcome: GateOutcome) -> list[str]:
    """Regressions that nobody has accepted: exact ones first, and the reddest of each kind."""
    order = sorted(outcome.regressions, key=lambda each: (each.kind is not Kind.EXACT, -each.ratio))
    return list(dict.fromkeys(each.name for each in order))


def explained(root: Path, commits: tuple[Commit, Commit], outcome: GateOutcome) -> GateOutcome:
    """A verdict with what is behind its regressions; it stands, whatever happens here."""
    figures = red_figures(outcome)
    if not figures:
        return outcome
    try:
        cores = [str(build(root, each, root / ".asv" / "gate" / "builds")) for each in commits]
        cause = cause_of(root, commits, cores, figures)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
        cause = Cause(traced=(), hunks=(), others=0, seconds=0.0, problem=problem)
    return replace(outcome, cause=cause)


def cause_of(
    root: Path, commits: tuple[Commit, Commit], cores: Sequence[str], figures: Sequence[str]
) -> Cause:
    """What is behind these figures, the reddest first, of two commits that are installed there."""
    begin_s = time.monotonic()
    questions = choice(figures)
    late_s = begin_s + LATEST_S
    found = take_trees(questions, cores, lambda: time.monotonic() < late_s)
    try:
        hunks, failed = hunks_of(root, *commits), ""
    except CheckoutError as error:
        hunks, failed = [], str(error)
    traced: list[TracedQuestion] = []
    rises: list[Rise] = []
    for question, stands_for in questions.items():
        rise, problem = _rise(root, commits, found[question])
        if rise is not None:
            rises.append(rise)
        functions = risen_functions(rise, hunks) if rise is not None else ()
        if functions or problem or stands_for:
            traced.append(
                TracedQuestion(
                    said=str(question), figures=tuple(stands_for), functions=functions,
                    problem=problem,
                )
            )  # fmt: skip
    blamed, others = ranked(hunks, rises, partial(referring, root, commits[1]))
    return Cause(
        traced=tuple(traced),
        hunks=tuple(blamed),
        others=others,
        seconds=round(time.monotonic() - begin_s, 1),
        problem=failed,
    )


def _rise(
    root: Path, commits: tuple[Commit, Commit], sides: Sequence[object]
) -> tuple[Rise | None, str]:
    for side, each in zip(("base", "head"), sides, strict=True):
        if isinstance(each, Exception):
            return None, f"{side} was not traced: {each}"
    before, after = map(totals, sides)  # type: ignore[arg-type]
    return rise_between(before, after, partial(function_at, root, commits)), ""
