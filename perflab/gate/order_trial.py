"""`gate --calibrate --order`: how soon would the first verdict have come, over the history?

For each of the last commits that touch the core: which exact figures reach what it changed, by
HEAD's reach, and what they usually take. And for each seeded defect: is a figure that must find it
among those that come first? Nothing is measured but HEAD's reach: it is a computation from that and
from the usual seconds of the stages.

Rule: computes and prints; the order itself is `perflab/gate/reach.py`'s.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from perflab.gate.builds import build
from perflab.gate.clock import USUAL_S
from perflab.gate.end_to_end import clone_of, commit_edit
from perflab.gate.reach import Reach, Stages, first_figures, reach_of
from perflab.gate.seeded_defects import DEFECTS
from perflab.results.checkout import Commit, commit_of
from perflab.results.git import CheckoutError, parts_of

__all__ = ["main"]

COMMITS = 60
MINUTE_S = 60.0


def main(root: Path, stages: Stages) -> int:
    """Print both tables; 0, or 1 if a seeded defect would not have been found first."""
    head = commit_of(root, "HEAD")
    core = str(build(root, head, root / ".asv" / "gate" / "builds"))
    figures = [name for names in stages.values() for name in names]
    reach = reach_of(root, head, core, figures)
    _history(root, head, reach, stages)
    return _defects(root, head, reach, stages)


def _history(root: Path, head: Commit, reach: Reach, stages: Stages) -> None:
    asked = ("--no-merges", "--format=%H", head.hash, "--", "p2pcore")
    rows = []
    for hash in parts_of(root, "log", "-z", f"-{COMMITS}", *asked):
        try:
            commits = commit_of(root, f"{hash}^"), commit_of(root, hash)
        except CheckoutError:  # the first of all has none before it
            continue
        files = parts_of(root, "diff", "-z", "--name-only", commits[0].hash, hash, "--", "p2pcore")
        first = first_figures(root, commits, reach, stages, lambda _: True)
        rows.append((USUAL_S["build"] + first.seconds, len(files)))
        print(
            f"{rows[-1][0]:5.0f} s  {first.reached:4} figures  {len(files):3} files  {commits[1]}"
        )
    for said, some in (("all", rows), ("of one file", [row for row in rows if row[1] == 1])):
        soon = sum(seconds <= MINUTE_S for seconds, _ in some)
        share = f"{soon / len(some):.0%}" if some else "none"
        words = f"{soon} of {len(some)} ({share})"
        print(f"{said}: all that is reached within {MINUTE_S:g} s, for {words}")


def _defects(root: Path, head: Commit, reach: Reach, stages: Stages) -> int:
    lost = 0
    with tempfile.TemporaryDirectory(prefix="gate-order-") as scratch:
        clone = clone_of(root, Path(scratch))
        for edit in DEFECTS:
            commits = head, commit_edit(clone, head, edit)
            first = first_figures(clone, commits, reach, stages, lambda _: True)
            found = [name for name in edit.must if name in first.names]
            exact = [name for name in edit.must if not name.startswith("simulated.")]
            lost += bool(exact) and not found
            print(f"{len(found)} of {len(edit.must)} that must show it come first: {edit.name}")
    return 1 if lost else 0
