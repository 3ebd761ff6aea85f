"""How likely each commit is the culprit before anything is measured, by what its diff touches.

A commit's weight is the share of the figure's work that is done in functions which its hunks change
or whose names they use (`perflab/gate/reach.py`), and a little where something else of the core
runs otherwise: work that the trace does not show. One of which nothing runs (words, comments,
tests) has next to none; it is not 0, for pins and data files are no code.

Rule: asks git and reads source; measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from perflab.gate.cause.hunks import ChangedHunk, hunks_of, referring
from perflab.gate.reach import touching
from perflab.results.checkout import Commit, commit_of
from perflab.results.git import CheckoutError, parts_of

__all__ = ["weights"]

RUNS = 0.02
"""Something of the core runs otherwise, and nothing that the figure is known to reach."""
PINNED = 0.01
"""Other packages, or other files of the core than code."""
WORDS = 0.0001
PINS = ("pyproject.toml", "asv.conf.json")


def weights(
    root: Path, commits: Sequence[Commit], shares: Mapping[str, float] | None
) -> list[float]:
    """Of each commit; `shares` is of the figure's work by function, None where it is not known:
    then whatever runs is as likely."""
    return [_weight(root, each, shares) for each in commits]


@cache  # whoever searches several steps asks of each commit several times
def _running(root: Path, commit: Commit) -> tuple[Commit, list[ChangedHunk]]:
    parent = commit_of(root, f"{commit.hash}^")
    return parent, [each for each in hunks_of(root, parent, commit) if each.runs]


def _weight(root: Path, commit: Commit, shares: Mapping[str, float] | None) -> float:
    try:
        parent, hunks = _running(root, commit)
        if not hunks:
            return _without_code(root, parent, commit)
    except CheckoutError:  # the first of all, or git cannot tell: nothing is ruled out
        return 1.0
    if shares is None:
        return 1.0
    touched = touching(hunks, lambda names, function: referring(root, commit, names, function))
    return RUNS + sum(share for function, share in shares.items() if touched(function))


def _without_code(root: Path, parent: Commit, commit: Commit) -> float:
    asked = ("diff", "-z", "--name-only", parent.hash, commit.hash, "--", "p2pcore", *PINS)
    files = parts_of(root, *asked)
    return PINNED if any(each in PINS or not each.endswith(".py") for each in files) else WORDS
