"""The kept history in memory and in its folder: read, merge, write.

    FOLDER/suite.jsonl              the benchmarks as they were discovered last
    FOLDER/machines/MACHINE.jsonl   a line per commit and environment
    FOLDER/readiness/, load/, …     what is filed beside, as `.asv` has it (`kinds.py`)

Rule: nothing is written unless everything could be read. Files appear whole or not at all. Several
lines for the same thing, as git leaves them after merging two branches (`merge=union`), are read
as one.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from perflab.archive.form import ArchivedCommit, HistoryError, Suite, decoded, line, merged
from perflab.archive.reports import FiledItem, read_reports

__all__ = [
    "Archive",
    "Key",
    "fingerprint",
    "is_archive",
    "read_archive",
    "read_suite",
    "write_archive",
    "write_whole",
]

SUITE, MACHINES = "suite.jsonl", "machines"
Key = tuple[str, str, str]
"""Machine, commit, environment."""
T = TypeVar("T", ArchivedCommit, Suite)


@dataclass(kw_only=True)
class Archive:
    """Measurements of any number of machines."""

    entries: dict[Key, ArchivedCommit] = field(default_factory=dict)
    suite: Suite | None = None
    reports: dict[str, FiledItem] = field(default_factory=dict)
    """What is filed beside, by its place below the folder."""
    left_alone: list[str] = field(default_factory=list)
    """Of that, what cannot be read, and why."""
    unread: dict[str, str] = field(default_factory=dict)
    """What is wrong with files of asv's that cannot be read, and the commit that each names ("":
    the list of benchmarks). It matters only if they are ours."""

    def add(self, entry: ArchivedCommit) -> None:
        """Merge an entry in."""
        known = self.entries.get(entry.key)
        self.entries[entry.key] = entry if known is None else merged(known, entry)

    def add_suite(self, suite: Suite) -> None:
        """The one that was measured with last stays."""
        if self.suite is None or _age(self.suite) < _age(suite):
            self.suite = suite

    def merge(self, other: Archive) -> None:
        """Merge all of another one in. In which order makes no difference."""
        for entry in other.entries.values():
            self.add(entry)
        if other.suite:
            self.add_suite(other.suite)
        self.unread |= other.unread
        self.left_alone += other.left_alone
        for place, item in other.reports.items():
            self.reports[place] = item.newer(self.reports.get(place))

    @property
    def measured_ms(self) -> int:
        """When its newest benchmark was begun, in milliseconds since 1970."""
        return max((entry.measured_ms for entry in self.entries.values()), default=0)


def _age(suite: Suite) -> tuple[int, bytes]:
    return suite.measured_ms, line(suite)


def is_archive(folder: Path) -> bool:
    """Whether a history lies there."""
    return (folder / SUITE).is_file() or any(folder.glob(f"{MACHINES}/*.jsonl"))


def read_archive(folder: Path) -> Archive:
    """All of it; an absent folder holds nothing.

    Raises HistoryError, which names file and line, if any of it cannot be read.
    """
    filed = read_reports(folder)
    kept = Archive(reports=filed.items, left_alone=filed.problems, suite=read_suite(folder))
    for path in sorted(folder.glob(f"{MACHINES}/*.jsonl")):
        for number, entry in _lines(path, ArchivedCommit):
            if entry.machine != path.stem:
                raise HistoryError(
                    f"{path}, line {number}: it is of machine '{entry.machine}', and that has a "
                    "file of its own"
                )
            kept.add(entry)
    return kept


def read_suite(folder: Path) -> Suite | None:
    """Its list of benchmarks. Raises HistoryError as `read_archive`."""
    kept = Archive()
    for _, suite in _lines(folder / SUITE, Suite):
        kept.add_suite(suite)
    return kept.suite


def _lines(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """The content of each line, with the line's number."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from error
    for number, text in enumerate(data.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            yield number, decoded(text, kind)
        except ValueError as error:
            raise HistoryError(
                f"{path}, line {number}: {error}. Nothing was changed. `git checkout` brings a "
                "file of the repository back; a line can be deleted, and costs what it holds"
            ) from None


def fingerprint(folder: Path) -> str:
    """Of all files in it: another one if any of them has changed."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def write_archive(folder: Path, kept: Archive) -> None:
    """Make the folder hold exactly that, oldest commit first."""
    (folder / MACHINES).mkdir(parents=True, exist_ok=True)
    by_machine = defaultdict(list)
    for entry in kept.entries.values():
        by_machine[entry.machine].append(entry)
    for machine, entries in by_machine.items():
        entries.sort(key=lambda each: (each.date, each.commit_hash, each.env_name))
        write_whole(folder / MACHINES / f"{machine}.jsonl", b"".join(map(line, entries)))
    if kept.suite:
        write_whole(folder / SUITE, line(kept.suite))
    for item in kept.reports.values():
        for name, data in item.named_files().items():
            write_whole(folder / name, data)
    for path in folder.glob(f"{MACHINES}/*.jsonl"):
        if path.stem not in by_machine:
            path.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that others see whole or not at all; not, if it is that already."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
