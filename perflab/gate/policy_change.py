"""What a change does to the policy that judges it, and which of its accepted changes count.

A change is judged by the policy of its base. Of its own policy only the accepted changes that it
adds count, within bounds: a pattern that names what it is about, an end within three months. All
else that differs is told, and counts from the next change on.

Rule: compares two policies that were read; decides nothing about figures.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from perflab.gate.policy import Accepted, Policy, Special

__all__ = ["MOST_DAYS", "admitted", "differences", "refused"]

MOST_DAYS = 90
"""How far ahead an accepted change may end when the change itself accepts it."""
MOST_SHARE = 0.25  # of all figures, that one change may accept
LEAST_LETTERS = 3  # outside of wildcards, in some part of a pattern beside the family
WILD = re.compile(r"\[[^\]]*\]|[*?\[]")


def admitted(
    base: Policy, head: Policy, figures: Collection[str], today: datetime.date
) -> tuple[Policy, list[str], list[str]]:
    """The policy that a change is judged by, what it accepts, and what of that does not count.

    Args:
        figures: names of all that the gate can measure.
    """
    new = [line for line in head.accepted if line not in base.accepted]
    why = {line: refused(line, figures, today) for line in new}
    good = [line for line in new if not why[line]]
    matched = {name for line in good for name in figures if fnmatchcase(name, line.match)}
    if len(matched) > MOST_SHARE * len(figures):
        reason = f"together its lines match {len(matched)} of {len(figures)} benchmarks"
        why, good = {line: why[line] or reason for line in new}, []
    policy = replace(base, accepted=(*base.accepted, *good))
    bad = [f"{_line(line)}: does not count, for {why[line]}" for line in new if line not in good]
    return policy, [_line(line) for line in good], bad


def refused(line: Accepted, figures: Collection[str], today: datetime.date) -> str:
    """Why a change cannot accept this of itself; "" if it can."""
    if _catches_all(line.match):
        return (
            f"{line.match!r} does not say which benchmarks it is about; "
            "name them, such as 'counts.*.store.8'"
        )
    last = today + datetime.timedelta(days=MOST_DAYS)
    if line.until > last:
        return f"it ends on {line.until}, later than in {MOST_DAYS} days, {last}"
    matched = sum(fnmatchcase(name, line.match) for name in figures)
    if matched > MOST_SHARE * len(figures):
        return f"it matches {matched} of {len(figures)} benchmarks"
    return ""


def _catches_all(match: str) -> bool:
    """Whether a pattern leaves the family open, or names nothing within it."""
    family, *parts = match.split(".")
    if WILD.search(family):
        return True
    letters = max((len(re.findall(r"\w", WILD.sub(".", each))) for each in parts), default=0)
    return any(map(WILD.search, parts)) and letters < LEAST_LETTERS


def differences(base: Policy, head: Policy) -> list[str]:
    """Every number and line in which the head's policy is another, but for what it accepts anew."""
    return [*_numbers(base, head), *_limits(base, head), *_gone(base, head)]


def _numbers(base: Policy, head: Policy) -> Iterator[str]:
    for name in ("false_alarms", "looks", "screening", "undecided"):
        before, after = getattr(base, name), getattr(head, name)
        if before != after:
            yield f"[gate] {name}: {before:g}, with this change {after:g}"


def _limits(base: Policy, head: Policy) -> Iterator[str]:
    for kind, limits in base.kinds.items():
        for name in ("floor", "tolerance"):
            before, after = getattr(limits, name), getattr(head.kinds[kind], name)
            if before != after:
                yield f"[kind.{kind}] {name}: {before:g}, with this change {after:g}"
    if base.benchmarks != head.benchmarks:
        before, after = ("; ".join(map(_special, each.benchmarks)) for each in (base, head))
        yield f"[[benchmark]]: {before or 'none'}; with this change {after or 'none'}"


def _special(line: Special) -> str:
    named = (("floor", line.floor), ("tolerance", line.tolerance))
    told = (f"{name} {value:g}" for name, value in named if value is not None)
    return " ".join([line.match, *told])


def _gone(base: Policy, head: Policy) -> Iterator[str]:
    for line in base.accepted:
        if line not in head.accepted:
            yield f"[[accept]] {_line(line)}: gone with this change"


def _line(line: Accepted) -> str:
    return f"{line.match} up to {line.up_to:g} times until {line.until}: {line.reason}"
