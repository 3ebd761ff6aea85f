"""Between asv's working files and the kept history.

asv keeps `results/benchmarks.json`, and of each machine a folder with `machine.json` and a file per
commit and environment, which it rewrites as a whole.

Rule: a file of asv's is only ever filled up. What it holds and was measured later, or at the same
time, stays as it is, raw samples included.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perflab.archive.archive import Archive, write_whole
from perflab.archive.form import HASH, ArchivedCommit, ArchivedValue, HistoryError, Suite, decoded
from perflab.archive.ours import commits_in, ours
from perflab.archive.reports import to_write
from perflab.results.asv_results import (
    LIST,
    MACHINE,
    VERSION,
    Row,
    columns_of,
    loads,
    modern,
    number,
    read_content,
    result_files,
)

__all__ = [
    "Laid",
    "file_name",
    "is_results",
    "lay_out",
    "read_any_results",
    "read_results",
    "read_suite_file",
]

MACHINE_VERSION = 1  # of asv's form
LONGEST_NAME = 128  # asv hashes names of environments from here on
BEGINNING = re.compile("[0-9a-f]{8}-")  # of asv's names of files
Known = Callable[[Collection[str]], Collection[str]]
"""Which of some commits the repository knows."""


@dataclass(kw_only=True)
class Laid:
    """What laying out has done to asv's files."""

    new: int = 0
    """Files that were written."""
    filled: int = 0
    """Files that got some of their benchmarks."""
    reports: int = 0
    """Things filed beside the results that were written."""
    suite: bool = False
    """Whether the list of benchmarks was written."""
    problems: list[str] = field(default_factory=list)
    """Files of asv's that could not be read, and were left alone."""


def is_results(folder: Path) -> bool:
    """Whether asv stores results there."""
    return (folder / LIST).is_file() or any(folder.glob(f"*/{MACHINE}"))


def file_name(entry: ArchivedCommit) -> str:
    """What asv calls the file of an entry, in its machine's folder."""
    environment = entry.env_name
    if len(environment) >= LONGEST_NAME:
        digest = hashlib.md5(environment.encode(), usedforsecurity=False)
        environment = f"env-{digest.hexdigest()}"
    return f"{entry.commit_hash[:8]}-{environment}.json"


def read_results(folder: Path, problems: list[str] | None = None) -> Archive:
    """What asv has stored.

    Raises HistoryError for a file that cannot be read; with a list of `problems`, writes it there
    and goes on.
    """
    kept = read_any_results(folder)
    if problems is None and kept.unread:
        raise HistoryError(next(iter(kept.unread)))
    if problems is not None:
        problems.extend(kept.unread)
    kept.unread.clear()
    return kept


def read_any_results(folder: Path) -> Archive:
    """The same, with what cannot be read as `unread`: whose it is may not be known yet."""
    kept = Archive()
    for path in result_files(folder):
        try:
            kept.add(_entry(path))
        except HistoryError as error:
            kept.unread[str(error)] = _commit_named(path)
    try:
        kept.suite = read_suite_file(folder, kept.measured_ms)
    except HistoryError as error:
        kept.unread[str(error)] = ""
    return kept


def _commit_named(path: Path) -> str:
    """That of results that cannot be read: as they say, or else their name, which has eight
    digits of it."""
    try:
        commit = loads(path.read_bytes())["commit_hash"]
    except (OSError, ValueError, TypeError, KeyError):
        commit = None
    if isinstance(commit, str) and HASH.fullmatch(commit):
        return commit
    return path.name[:8] if BEGINNING.match(path.name) else ""


def read_suite_file(folder: Path, measured_ms: int = 0) -> Suite | None:
    """The list of benchmarks that asv has stored; None: there is none. Raises HistoryError."""
    path = folder / LIST
    if not path.is_file():
        return None
    content = _content(path)
    for name, entry in content.items():
        if name != "version" and not _is_benchmark(entry):
            raise HistoryError(f"{path}: of {name} it has nothing that asv would write")
    try:
        return decoded({"measured_ms": measured_ms, "benchmarks": content}, Suite)
    except ValueError as error:
        raise HistoryError(f"{path}: {error}") from None


def _is_benchmark(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    params = entry.get("params", [])
    return isinstance(params, list) and all(isinstance(each, list) for each in params)


def lay_out(kept: Archive, folder: Path, known: Known | None = None) -> Laid:
    """Write what asv's files lack. The list of benchmarks is replaced by one that is newer, and by
    any if it is torn, or another project's by the commits that are `known` (None: all)."""
    laid = Laid()
    there = read_results(folder, laid.problems)
    if known is not None:
        there.suite = ours(there, known(commits_in(there)))[0].suite
    for key, entry in kept.entries.items():
        path = folder / entry.machine / file_name(entry)
        mine = there.entries.get(key)
        if mine is None:
            if path.exists():
                laid.problems.append(f"{path} is in the way of the results of {entry.commit_hash}")
                continue
            _write(path, _fresh(entry))
            laid.new += 1
            continue
        newer = {
            name: row
            for name, row in entry.results.items()
            if name not in mine.results or row.began > mine.results[name].began
        }
        if newer:
            _write(path, _filled(path, newer, entry.durations))
            laid.filled += 1
    for entry in sorted(kept.entries.values(), key=lambda each: each.measured_ms):
        path = folder / entry.machine / MACHINE
        if not path.is_file():
            _write(path, _machine(entry))
    if kept.suite and (there.suite is None or there.suite.measured_ms < kept.suite.measured_ms):
        _write(folder / LIST, kept.suite.benchmarks)
        laid.suite = True
        laid.problems = [each for each in laid.problems if not _is_of(each, folder / LIST)]
    for item in kept.reports.values():
        # beside asv's results, where the commands that make them file them
        files = to_write(item, folder.parent)
        for path, data in files.items():
            write_whole(path, data)
        laid.reports += bool(files)
    return laid


def _is_of(problem: str, path: Path) -> bool:
    return problem.startswith(f"{path}: ")


def _content(path: Path) -> dict[str, Any]:
    try:
        return read_content(path)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{path}: not whole, or no JSON: {error}") from None


def _entry(path: Path) -> ArchivedCommit:
    content = _content(path)
    try:
        columns = columns_of(content)
        del content["result_columns"]
        content["results"] = {
            name: [*map(Row(cells, columns), ArchivedValue._fields)]
            for name, cells in content["results"].items()
        }
        # Older asv had no env_vars; a null stands for an empty text in its params.
        entry = decoded({**content, "env_vars": content.get("env_vars") or {}}, ArchivedCommit)
    except KeyError as error:
        raise HistoryError(f"{path}: it has no {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise HistoryError(f"{path}: {error}") from None
    if entry.machine != path.parent.name:
        raise HistoryError(f"{path}: it is of machine '{entry.machine}', not of its folder's")
    return entry


def _fresh(entry: ArchivedCommit) -> dict[str, Any]:
    """The file as asv would have stored it."""
    content = {name: value for name, value in vars(entry).items() if name != "form"}
    results = {name: list(_cells(row).values()) for name, row in entry.results.items()}
    return {
        **content,
        "result_columns": list(ArchivedValue._fields),
        "results": results,
        "version": VERSION,
    }


def _filled(
    path: Path, newer: Mapping[str, ArchivedValue], durations: Mapping[str, float]
) -> dict[str, Any]:
    """A file of asv's, with these benchmarks in the place of its own."""
    content: dict[str, Any] = modern(json.loads(path.read_bytes()))
    for name, row in newer.items():
        cells = _cells(row)
        content["results"][name] = [cells.get(column) for column in content["result_columns"]]
    content["durations"] = {**durations, **content.get("durations", {})}
    return content


def _cells(row: ArchivedValue) -> dict[str, Any]:
    """By column, with numbers in the place of their texts."""
    return {
        column: [*map(number, cell)] if isinstance(cell, list) and column != "params" else cell
        for column, cell in row._asdict().items()
    }


def _machine(entry: ArchivedCommit) -> dict[str, Any]:
    """asv puts the machine's description into each result, beside Python and requirements."""
    own = {"python", *entry.requirements}
    about = {name: value for name, value in entry.params.items() if name not in own}
    return {**about, "version": MACHINE_VERSION}


def _write(path: Path, content: object) -> None:
    write_whole(path, json.dumps(content, separators=(",", ":")).encode())
