"""The measurements that the repository itself keeps, brought to where asv looks for them.

Rule: `.asv-history` is read alone here, and what asv has is only ever filled up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from perflab.archive.archive import (
    Archive,
    fingerprint,
    is_archive,
    read_archive,
    read_suite,
    write_whole,
)
from perflab.archive.asv_files import Laid, is_results, lay_out, read_suite_file
from perflab.archive.form import HistoryError
from perflab.archive.ours import Apart, commits_in, ours
from perflab.results.asv_config import known_machines
from perflab.results.asv_results import LIST
from perflab.results.checkout import known_commits

__all__ = ["SHIPPED", "lay", "own_part", "unpack", "warn_of_namesake"]

SHIPPED = ".asv-history"
MARK = ".laid-out"  # in asv's results: which state of the history they have


def own_part(kept: Archive, repository: Path) -> tuple[Archive, Apart]:
    """What is of commits that the repository knows, and what was set apart."""
    return ours(kept, known_commits(repository, commits_in(kept)))


def lay(kept: Archive, repository: Path, results: Path) -> Laid:
    """Bring what is ours into asv's results; what lies there of another project counts for
    nothing."""
    return lay_out(kept, results, partial(known_commits, repository))


def unpack(
    root: Path, results: Path, write: Callable[[str], None], repository: Path | None = None
) -> None:
    """Bring it into asv's results, where nothing newer is, unless that was done already.

    A result that was deleted since is not brought back: whoever deletes one wants it measured
    again. A list of benchmarks that is torn or lacking is. `repository`: where that is not `root`.
    Raises HistoryError if it cannot be read.
    """
    repository = repository or root
    shipped, mark = root / SHIPPED, results / MARK
    if not is_archive(shipped):
        return
    wrong = _wrong_list(results, shipped)
    state = fingerprint(shipped)
    done = _is_laid_out(repository, mark, state)
    if done and not wrong:
        return
    kept, apart = own_part(read_archive(shipped), repository)
    if done:  # and all but the list is to stay as it is
        kept = Archive(suite=kept.suite)
    elif apart:
        write(f"== note: set apart from {SHIPPED}: {apart}")
    for problem in kept.left_alone:
        write(f"== note: left alone in {SHIPPED}: {problem}")
    laid = lay(kept, repository, results)
    if wrong and laid.suite:
        write(f"== healed: {wrong}; taken from {SHIPPED}")
    if laid.new or laid.filled:
        write(f"== taken from {SHIPPED}: results of {laid.new + laid.filled} commits")
    for problem in laid.problems:
        write(f"== note: left alone: {problem}")
    if not laid.problems:
        write_whole(mark, "\n".join([state, *sorted(apart.commits)]).encode())


def _wrong_list(results: Path, shipped: Path) -> str:
    """What seems to be wrong with asv's list of benchmarks; "" for nothing."""
    if not is_results(results):
        return ""  # nothing was laid out yet
    try:
        here, kept = read_suite_file(results), read_suite(shipped)
    except HistoryError as error:
        path = results / LIST  # asv writes it in place: a full disk or a kill leaves a part of it
        path.replace(path.with_name(f"{LIST}.torn"))
        return f"{error} (kept as {LIST}.torn)"
    if here is None:
        return f"{results / LIST} was not there"
    if kept and not {*here.benchmarks} & {*kept.benchmarks} - {"version"}:
        return f"{results / LIST} was another project's"
    return ""


def _is_laid_out(repository: Path, mark: Path, state: str) -> bool:
    """Whether this state was, and git has learnt of none of the commits set apart since."""
    if not mark.is_file():
        return False
    was, *unknown = mark.read_text(encoding="utf-8").split("\n")
    return was == state and not known_commits(repository, unknown)


def warn_of_namesake(root: Path, machine: str, write: Callable[[str], None]) -> None:
    """Say so if the history has a machine of this name that has another processor."""
    theirs = [
        entry for entry in read_archive(root / SHIPPED).entries.values() if entry.machine == machine
    ]
    if not theirs:
        return
    here = known_machines().get(machine, {})
    newest = max(theirs, key=lambda entry: entry.measured_ms).params
    for what in ("cpu", "num_cpu", "arch"):
        if what in here and here[what] != newest.get(what):
            write(
                f"== note: machine '{machine}' of {SHIPPED} has {what} '{newest.get(what)}', and "
                f"this one '{here[what]}': if it is another, give this one a name (MACHINE=)"
            )
