"""What a change does to what judges it, and who measures it because of that.

The base's ruler measures and the base's policy judges: where this checkout's gate is another one,
the base's is run instead, with the same arguments. A change that alters the ruler is measured by
both. Where the base has no ruler that can be run (it is older, or broken), this checkout's
measures, and that is said first.

Rule: compares rulers and reads policies; measuring is the command's, the verdict is the judge's.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perflab.gate.policy import Policy, PolicyError, load_policy
from perflab.gate.policy_change import admitted, differences
from perflab.gate.rulers import FORM, HERE, Ruler, RulerError, differing, ruler_at, ruler_of
from perflab.results.checkout import Commit

__all__ = ["Plan", "other_judge", "plan"]

NAMED = 8  # of many files or benchmarks


@dataclass(kw_only=True)
class Plan:
    """Who measures, by what it is judged, and what to say of it."""

    policy: Policy
    figures: frozenset[str]
    """What can be asked for: of base's ruler, of the head's and of the one here."""
    own_figures: frozenset[str] | None = None
    """What base's own ruler measures, where the one here is another."""
    second: Ruler | None = None
    """The head's ruler, which measures too."""
    notices: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def other_judge(root: Path, base: Commit) -> Ruler | None:
    """The base's ruler, where it has to measure and judge and is not the one here."""
    try:
        theirs = ruler_of(root, base)
    except RulerError:
        return None  # `plan` says so
    if theirs is None or theirs.form != FORM:
        return None
    here = ruler_at(HERE)
    return None if here is None or not differing(here, theirs) else theirs


def plan(
    root: Path, commits: tuple[Commit, Commit], here: Policy | None, figures: Sequence[str]
) -> Plan:
    """What this checkout's gate has to do about a change.

    Args:
        here: the policy that was asked for; None if it shall be the base's.
        figures: that the ruler here measures.

    Raises:
        PolicyError: the base's policy cannot be read.
    """
    found = Plan(policy=here or load_policy(), figures=frozenset(figures))
    sides = zip(("base", "head"), commits, strict=True)
    base, head = (_ruler(root, side, commit, found) for side, commit in sides)
    _who_measures(base, found)
    if here is not None:
        found.notices.append("judged by the policy that was asked for, not by the base's")
    elif base is not None:
        found.policy = load_policy(base.policy)
        _compare_policies(head, found)
    if base is not None:
        _compare_rulers(base, head, found)
    return found


def _ruler(root: Path, side: str, commit: Commit, found: Plan) -> Ruler | None:
    try:
        ruler = ruler_of(root, commit)
    except RulerError as error:
        found.problems.append(f"the ruler of {side} {commit} cannot be run: {error}")
        return None
    if ruler is not None:
        found.figures |= ruler.figures
    return ruler


def _who_measures(base: Ruler | None, found: Plan) -> None:
    here = ruler_at(HERE)
    if base is None:
        found.notices.append("measured by the ruler of this checkout: base has none that runs")
        return
    if here is None or not differing(here, base):
        return
    found.own_figures = base.figures
    reason = "as was asked" if base.form == FORM else "the base's is too old to be run from here"
    found.notices.append(f"measured by the ruler of this checkout, not by the base's: {reason}")


def _compare_policies(head: Ruler | None, found: Plan) -> None:
    """Only what the change accepts, within bounds, counts of its policy; the rest is told."""
    if head is None:
        return
    try:
        theirs = load_policy(head.policy)
    except PolicyError as error:
        found.problems.append(f"the policy of head: {error}")
        return
    changed = differences(found.policy, theirs)
    today = datetime.date.today()
    found.policy, good, bad = admitted(found.policy, theirs, found.figures, today)
    found.notices[:0] = [f"accepted by this change itself: {line}" for line in good]
    found.notices += [f"policy of the base, that counts: {line}" for line in changed]
    found.problems += [f"accepted by this change itself: {line}" for line in bad]


def _compare_rulers(base: Ruler, head: Ruler | None, found: Plan) -> None:
    """What the head's ruler no longer has is never a pass; where it is another, it measures too."""
    if head is None:
        if not found.problems:
            found.problems.append("head has no gate, and base has one")
        return
    gone, new = base.figures - head.figures, head.figures - base.figures
    if gone:
        found.problems.append(f"the head's ruler no longer has {_named(sorted(gone))}")
    if new:
        found.notices.append(f"new in the head's ruler: {_named(sorted(new))}")
    files = differing(base, head)
    if not files:
        return
    found.notices.append(f"this change alters the ruler: {_named(files)}")
    if base.form == FORM == head.form:
        found.second = head
    elif base.form == FORM:
        found.problems.append("the head's ruler is too old to be run from here")


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
