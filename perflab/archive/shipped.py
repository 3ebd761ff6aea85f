"""The measurements that the repository itself keeps, brought to where asv looks for them.

Rule: `.asv-history` is read alone here, and what asv has is only ever filled up.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from perflab.archive.archive import fingerprint, is_archive, read_archive, write_whole
from perflab.archive.asv_files import lay_out
from perflab.results.suite import LIST

__all__ = ["SHIPPED", "unpack", "warn_of_namesake"]

SHIPPED = ".asv-history"
MARK = ".laid-out"  # in asv's results: which state of the history they have


def unpack(root: Path, results: Path, write: Callable[[str], None]) -> None:
    """Bring it into asv's results, where nothing newer is, unless that was done already.

    A result that was deleted since is not brought back: whoever deletes one wants it measured
    again. Raises HistoryError if it cannot be read.
    """
    shipped, mark = root / SHIPPED, results / MARK
    _heal_suite(root, results, write)
    if not is_archive(shipped):
        return
    state = fingerprint(shipped).encode()
    if mark.is_file() and mark.read_bytes() == state:
        return
    laid = lay_out(read_archive(shipped), results)
    if laid.new or laid.filled:
        write(f"== taken from {SHIPPED}: results of {laid.new + laid.filled} commits")
    for problem in laid.problems:
        write(f"== note: left alone: {problem}")
    if not laid.problems:
        write_whole(mark, state)


def _heal_suite(root: Path, results: Path, write: Callable[[str], None]) -> None:
    """Put a torn list of benchmarks aside, and the repository's in its place.

    asv writes it in place, so that a full disk or a kill leaves a part of it. `asv run` discovers
    the list anew; asv's other commands end without it.
    """
    path = results / LIST
    try:
        if not path.is_file() or isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
            return
    except (ValueError, RecursionError):
        pass
    path.replace(path.with_name(f"{LIST}.torn"))
    suite = read_archive(root / SHIPPED).suite
    if suite:
        write_whole(path, json.dumps(suite.benchmarks).encode())
    source = f"now it is that of {SHIPPED}" if suite else "`make bench` makes it anew"
    write(f"== note: {path} was not whole (kept as {LIST}.torn); {source}")


def warn_of_namesake(root: Path, machine: str, write: Callable[[str], None]) -> None:
    """Say so if the history has a machine of this name that has another processor."""
    theirs = [
        entry for entry in read_archive(root / SHIPPED).entries.values() if entry.machine == machine
    ]
    if not theirs:
        return
    known = json.loads((Path.home() / ".asv-machine.json").read_text(encoding="utf-8"))
    here = known.get(machine, {})
    newest = max(theirs, key=lambda entry: entry.measured_ms).params
    for what in ("cpu", "num_cpu", "arch"):
        if what in here and here[what] != newest.get(what):
            write(
                f"== note: machine '{machine}' of {SHIPPED} has {what} '{newest.get(what)}', and "
                f"this one '{here[what]}': if it is another, give this one a name (MACHINE=)"
            )
