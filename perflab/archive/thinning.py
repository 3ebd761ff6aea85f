"""Which measured commits a long history can do without.

All of the last days stay, and every tag, and of each machine and environment the first and the
last. Of older commits one in so many stays: the branch is cut into stretches of that length,
counted from its root, and of each stretch the first commit measured stays. The root does not move,
so that thinning again, tomorrow or elsewhere, keeps the same ones.

Rule: decides; reads and deletes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from perflab.archive.archive import Key
from perflab.archive.form import ArchivedCommit

__all__ = ["superfluous"]

DAY_MS = 24 * 3600 * 1000


def superfluous(
    entries: Iterable[ArchivedCommit],
    branch: Sequence[str],
    tagged: Collection[str],
    *,
    now_ms: int,
    days: float,
    one_in: int,
) -> set[Key]:
    """The keys of entries that may go.

    `branch` has the commits of the published branch, oldest first; what lies elsewhere stays, for
    nothing says between which commits it stands.
    """
    places = {commit: place for place, commit in enumerate(branch)}
    since_ms = now_ms - days * DAY_MS
    gone = set()
    series = defaultdict(list)
    for entry in entries:
        if entry.commit_hash in places:
            series[entry.machine, entry.env_name].append(entry)
    for found in series.values():
        found.sort(key=lambda each: places[each.commit_hash])
        stretches = set()
        for entry in found:
            stretch = places[entry.commit_hash] // one_in
            first_of_it = stretch not in stretches
            stretches.add(stretch)
            recent = entry.date >= since_ms
            if not (first_of_it or recent or entry is found[-1] or entry.commit_hash in tagged):
                gone.add(entry.key)
    return gone
