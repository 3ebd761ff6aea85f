"""Which files each commit of a branch changed: what a change of a figure can come from.

Commits are those of the branch itself, as in `commits`: a merge changed what it brought in.

Rule: asks git, decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from perflab.results.git import CheckoutError, run_git

__all__ = ["read_touched"]

HEAD = b"\x01"  # of a commit's line, which no path begins with


def read_touched(repository: Path, first: str, last: str) -> Mapping[str, list[str]]:
    """By commit after `first` up to `last`: the files that it changed.

    Empty where git cannot tell: a shallow or partial clone lacks what it would have to compare.
    """
    try:
        told = run_git(
            repository,
            "log",
            "--first-parent",
            "--diff-merges=first-parent",
            "--no-renames",
            "--name-only",
            "-z",
            "--format=%x01%H",
            f"{first}..{last}",
        )
    except CheckoutError:
        return {}
    found: dict[str, list[str]] = {}
    files: list[str] = []
    for part in told.split(b"\0"):
        name = part.lstrip(b"\n")
        if name.startswith(HEAD):
            files = found.setdefault(name[1:].decode(), [])
        elif name:
            files.append(name.decode("utf-8", "replace"))
    return found
