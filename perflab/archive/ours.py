"""Which measurements are this repository's: those of commits that it knows.

Names, machines and clocks of another project say nothing: any of them may be as ours or newer. So
what is of unknown commits is set apart before anything is compared, and a list of benchmarks
belongs to those whose results name its benchmarks.

Rule: decides; which commits are known is asked of git by the rig.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from perflab.archive.archive import Archive
from perflab.archive.form import ArchivedCommit

__all__ = ["Apart", "commits_in", "ours"]


@dataclass(frozen=True, kw_only=True)
class Apart:
    """What is none of ours."""

    commits: frozenset[str] = frozenset()
    results: int = 0
    """Entries: a commit on one machine in one environment."""
    reports: int = 0
    """Things filed beside the results."""
    suite: bool = False
    """Whether the list of benchmarks is another project's."""

    def __bool__(self) -> bool:
        return bool(self.results or self.reports or self.suite)

    def __str__(self) -> str:
        told = f"{self.results} results of {len(self.commits)} commits"
        told += f", {self.reports} reports" if self.reports else ""
        told += " and their list of benchmarks" if self.suite else ""
        return (
            f"{told}, which this repository does not know: another project's, or of a branch that "
            "git has not fetched"
        )


def commits_in(kept: Archive) -> set[str]:
    """Every commit that a result or a report names."""
    named = {item.head.commit for item in kept.reports.values()}
    read = {entry.commit_hash for entry in kept.entries.values()}
    return (read | named | {*kept.unread.values()}) - {""}


def ours(kept: Archive, known: Collection[str]) -> tuple[Archive, Apart]:
    """What is of known commits, and what was set apart."""
    entries = {key: each for key, each in kept.entries.items() if each.commit_hash in known}
    strange = [each for each in kept.entries.values() if each.commit_hash not in known]
    unread = [each for each in kept.unread.values() if each and each not in known]
    foreign = bool(strange or unread) and not entries
    own = Archive(entries=entries, suite=kept.suite, left_alone=kept.left_alone)
    own.unread = {
        problem: each
        for problem, each in kept.unread.items()
        if (each in known if each else not foreign)
    }
    own.reports = {
        place: item
        for place, item in kept.reports.items()
        if (item.head.commit in known if item.head.commit else not foreign)
    }
    apart = Apart(
        commits=frozenset({*(each.commit_hash for each in strange), *unread}),
        results=len(strange) + len(unread),
        reports=len(kept.reports) - len(own.reports),
        suite=(foreign and bool(kept.suite or "" in kept.unread.values()))
        or (kept.suite is not None and not _belongs(kept.suite.benchmarks, own, strange)),
    )
    if apart.suite:
        own.suite = None
    elif kept.suite and strange:  # whose clocks count for nothing
        own.suite = replace(kept.suite, measured_ms=own.measured_ms)
    return own, apart


def _belongs(benchmarks: Collection[str], own: Archive, strange: Iterable[ArchivedCommit]) -> bool:
    """Whether our results name as much of a list of benchmarks as theirs do."""
    theirs = {name for entry in strange for name in entry.results} & set(benchmarks)
    mine = {name for entry in own.entries.values() for name in entry.results} & set(benchmarks)
    if not own.entries and not theirs:
        return True  # nothing was measured yet, or nothing that says whose it is
    return bool(mine) and len(mine) >= len(theirs)
