"""What searches have found, in words.

Rule: words for what was found; decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from perflab.culprit.search import percent
from perflab.gate.report import escaped
from perflab.results.culprits import StepCulprit

__all__ = ["as_markdown", "as_table", "said"]


def said(each: StepCulprit) -> str:
    """Which commit it is, as far as is known."""
    if not each.commit:
        what = f"none of {each.commits} commits"
    else:
        what = f"{each.commit[:8]} {each.subject}"
    sure = percent(each.probability)
    open_yet = "" if each.certain else ", not certain yet"
    return f"{what} ({sure}{open_yet}; {each.builds} builds for {each.commits} commits)"


def as_table(culprits: Sequence[StepCulprit]) -> str:
    """For a terminal."""
    certain = sum(each.certain for each in culprits)
    lines = [f"culprits: {certain} of {len(culprits)} steps have their commit"]
    return "\n".join([*lines, *(f"  {each.series}: {said(each)}" for each in culprits)])


def as_markdown(culprits: Sequence[StepCulprit]) -> str:
    """For a step's summary."""
    lines = ["### Which commit it was", "", "| benchmark | commit | |", "| --- | --- | --- |"]
    for each in culprits:
        subject = escaped(each.subject) if each.commit else f"none of {each.commits} commits"
        sure = f"{percent(each.probability)}{'' if each.certain else ', not certain yet'}"
        row = f"`{each.series}` | {each.commit[:8]} {subject} | {sure}, {each.builds} builds"
        lines.append(f"| {row} |")
    return "\n".join(lines) + "\n"
