"""`gate --calibrate --end-to-end`: whole gates on real commits whose effect is known.

Each edit of `seeded_defects.py` becomes a commit on top of HEAD, in a clone that is removed
afterwards, and the gate compares it with HEAD. Neutral edits meet the whole gate; no benchmark may
be called a regression. Defects meet the exact metrics, and what must show them, which must find and
blame them.

Rule: makes commits in its own clone only; measuring and judging is the gate's.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from perflab.gate.judge import GateOutcome, GateVerdict
from perflab.gate.seeded_defects import DEFECTS, NEUTRAL, Edit, EditError, apply, misplaced, missing
from perflab.results.checkout import Commit, commit_of
from perflab.results.git import run_git

__all__ = ["Tried", "clone_of", "commit_edit", "main", "table", "try_edits"]

EXACT = ("counts.", "memory.", "instructions.")
NAMED = 3  # of the benchmarks that were blamed, in the table


class Gate(Protocol):
    """Measures and judges the wanted benchmarks of two commits of a repository."""

    def __call__(
        self, root: Path, commits: tuple[Commit, Commit], wanted: Callable[[str], bool]
    ) -> GateOutcome: ...


@dataclass(frozen=True, slots=True)
class Tried:
    """One edit, and what the gate said."""

    name: str
    expected: str
    code: int
    blamed: dict[str, float]
    """Regressions with their ratios: those that there had to be, then the others."""
    missing: list[str]
    misplaced: list[str]
    problems: list[str]
    seconds: float

    @property
    def right(self) -> bool:
        """As it must be: found where it is, and nothing blamed that is not so."""
        return not self.missing and not self.misplaced and not self.problems


def main(root: Path, gate: Gate, place: Path | None) -> int:
    """Try every edit on HEAD and print the table; 0, 1 if one was judged wrongly, or 2."""
    try:
        tried = try_edits(root, gate, (*NEUTRAL, *DEFECTS))
    except EditError as error:
        print(f"gate: {error}", file=sys.stderr)
        return 2
    text = table(tried)
    print(text, flush=True)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        (place / "end-to-end.md").write_text(text + "\n", encoding="utf-8")
        content = json.dumps([asdict(each) for each in tried], indent=1)
        (place / "end-to-end.json").write_text(content + "\n", encoding="utf-8")
    if any(each.problems for each in tried):
        return 2
    return 0 if all(each.right for each in tried) else 1


def try_edits(root: Path, gate: Gate, edits: tuple[Edit, ...]) -> list[Tried]:
    """Gates of HEAD against each edit of it.

    Raises:
        EditError: HEAD lacks the lines that an edit replaces.
        CheckoutError: git cannot clone or commit.
    """
    base = commit_of(root, "HEAD")
    with tempfile.TemporaryDirectory(prefix="gate-edits-") as scratch:
        clone = clone_of(root, Path(scratch))
        heads = [(edit, commit_edit(clone, base, edit)) for edit in edits]
        tried = []
        for number, (edit, head) in enumerate(heads, 1):
            print(f"== edit {number} of {len(heads)}: {edit.name}", flush=True)
            tried.append(_try(clone, gate, (base, head), edit))
        return tried


def _try(clone: Path, gate: Gate, commits: tuple[Commit, Commit], edit: Edit) -> Tried:
    begin_s = time.monotonic()
    outcome = gate(
        clone,
        commits,
        lambda name: not edit.must or name in edit.must or name.startswith(EXACT),
    )
    regressions = sorted(
        outcome.regressions, key=lambda each: (each.name not in edit.must, -each.ratio)
    )
    blamed = {each.name: round(each.ratio, 4) for each in regressions}
    absent = [
        f"{each.name}: {each.why}"
        for each in outcome.judgements
        if each.name in edit.must and each.verdict in (GateVerdict.SKIPPED, GateVerdict.FAILED)
    ]
    return Tried(
        edit.name,
        "found" if edit.must else "no alarm",
        outcome.code,
        blamed,
        missing(edit, set(blamed)),
        misplaced(edit, set(blamed)),
        [*outcome.problems, *absent],
        round(time.monotonic() - begin_s, 1),
    )


def clone_of(root: Path, scratch: Path) -> Path:
    """A clone to make commits in, below a directory. Raises CheckoutError."""
    clone = scratch / "clone"
    run_git(root, "clone", "--quiet", "--shared", "--no-checkout", str(root), str(clone))
    return clone


def commit_edit(clone: Path, base: Commit, edit: Edit) -> Commit:
    """A commit in a clone that is base and an edit. Raises EditError, CheckoutError."""
    run_git(clone, "checkout", "--quiet", "--force", "--detach", base.hash)
    apply(edit, clone)
    author = ("-c", "user.name=gate", "-c", "user.email=gate@localhost")
    options = ("--quiet", "--all", "--allow-empty", "--no-verify", "--no-gpg-sign")
    run_git(clone, *author, "commit", *options, "--message", edit.name)
    return commit_of(clone, "HEAD")


def table(tried: list[Tried]) -> str:
    """Markdown, a row per edit."""
    lines = ["| edit | expected | gate said | blamed | s |", "| --- | --- | --- | --- | --- |"]
    said = {0: "pass", 1: "regression", 2: "not all decided"}
    for each in tried:
        words = said[each.code] if each.right else f"**{said[each.code]}: wrong**"
        lines.append(
            f"| {each.name} | {each.expected} | {words} | {_blame(each)} | {each.seconds:.0f} |"
        )
    return "\n".join(lines)


def _blame(each: Tried) -> str:
    named = list(each.blamed.items())[:NAMED]
    parts = [
        f"`{name}` {'from 0' if math.isinf(ratio) else f'{(ratio - 1) * 100:+.3g} %'}"
        for name, ratio in named
    ]
    if len(each.blamed) > NAMED:
        parts.append(f"and {len(each.blamed) - NAMED} more")
    parts += [f"**missing** `{name}`" for name in each.missing]
    parts += [f"**misplaced** `{name}`" for name in each.misplaced]
    parts += [f"**{problem.splitlines()[0]}**" for problem in each.problems]
    return ", ".join(parts)
