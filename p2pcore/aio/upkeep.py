"""What is done to the records of a node from outside: copied, brought back, checked, made smaller.

Theory of operation. A copy is taken within one read of the whole file, which a node that runs does
not notice but by its log, which grows meanwhile; so what is copied is one moment. It goes to a
draft, is checked record by record, synced, and then takes its name. Whatever changes a file needs
the lock of its directory: the node must not run.

Rule: never changes a file in place that is not this directory's own.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from p2pcore.aio.database import (
    FILE,
    BrokenDiskError,
    DamagedError,
    Database,
    ForeignError,
    FullDiskError,
)
from p2pcore.aio.files import PLACE, DirectoryLock, place_of, put_in_place, sync_directory
from p2pcore.errors import ConfigError

__all__ = ["Findings", "back_up", "check", "compact", "restore"]

PAUSE_S = 1.0  # at most
ID_BYTES = 32  # of a key; what is shorter is the journal's own


@dataclass
class Findings:
    """What was found in a file of records."""

    path: Path
    records: int = 0
    """With a value."""
    tombstones: int = 0
    value_bytes: int = 0
    file_bytes: int = 0
    damaged: list[str] = field(default_factory=list)
    """What is not as it was written, in words."""
    damaged_records: int = 0
    """How many of these are records; the rest is the file around them."""


def check(directory: Path) -> Findings:
    """Read every record in a data directory, also of a node that runs.

    Raises:
        ConfigError: there are none, or they can't be read.
    """
    path = _records_of(directory)
    return _look_through(path, _Pace())


def back_up(directory: Path, target: Path) -> Findings:
    """Copy the records of a data directory to a new file, also while its node runs.

    Raises:
        ConfigError: there are none, the target is there already, or can't be written.
    """
    path, pace = _records_of(directory), _Pace()
    with _draft(target) as draft:
        with _usable(path), closing(Database(path, read_only=True)) as database:
            database.copy_to(draft, pace)
        return _look_through(draft, pace, named=target)


def restore(backup: Path, directory: Path) -> Findings:
    """Put a copy into a data directory, in which no node runs and no records are. Those that are
    damaged are left in it, and out by the node.

    Raises:
        ConfigError: it is no copy, or the directory has records, or is in use.
    """
    if not backup.is_file():
        raise ConfigError(f"{backup} is no file of records")
    with _locked(directory):
        target = directory / FILE
        with _draft(target) as draft:
            with _usable(backup), closing(Database(backup, read_only=True)) as database:
                database.copy_to(draft, _go_on)
            with _usable(draft), closing(Database(draft)) as copy:
                copy.note(PLACE, place_of(draft))
                copy.checkpoint(truncate=True)
            for suffix in ("-wal", "-shm"):  # of a file that was here before: not of this one
                (directory / f"{FILE}{suffix}").unlink(missing_ok=True)
            return _look_through(draft, _go_on, named=target)


def compact(directory: Path) -> tuple[int, int]:
    """Make the file as small as its records are; returns its bytes before and after.

    Raises:
        ConfigError: there are none, the node runs, or there is no room for a second file.
    """
    path = _records_of(directory)
    with _locked(directory), _usable(path):
        before = path.stat().st_size
        with closing(Database(path)) as database:
            database.compact()
        return before, path.stat().st_size


def _records_of(directory: Path) -> Path:
    path = directory / FILE
    if not path.is_file():
        raise ConfigError(f"{directory} has no records: there is no {FILE} in it")
    return path


class _Pace:
    """Called now and then by work that a node's clients should not notice: it is at it for half of
    the time."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self) -> None:
        time.sleep(min(time.monotonic() - self._began, PAUSE_S))
        self._began = time.monotonic()


def _go_on() -> None:
    """The pace where no node runs."""


def _look_through(path: Path, pause: Callable[[], None], *, named: Path | None = None) -> Findings:
    """Every record, and what SQLite says of the file."""
    findings = Findings(named or path)
    with _usable(path), closing(Database(path, read_only=True)) as database:
        findings.file_bytes = path.stat().st_size
        try:
            findings.damaged += database.complaints()
            for batch in database.load():
                pause()
                for each in batch:
                    if not each.is_sound:
                        findings.damaged.append(f"the record of key {_shown(each.key)}")
                        findings.damaged_records += 1
                    elif len(each.key) == ID_BYTES:
                        findings.records += each.value is not None
                        findings.tombstones += each.value is None
                        findings.value_bytes += len(each.value or b"")
        except DamagedError as error:
            findings.damaged.append(str(error))
    return findings


def _shown(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else repr(key)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """What is wrong with this file, in one line."""
    try:
        yield
    except DamagedError as error:
        raise ConfigError(f"{path} is damaged, or no file of records: {error}") from error
    except ForeignError as error:
        raise ConfigError(str(error)) from error
    except (BrokenDiskError, FullDiskError) as error:
        raise ConfigError(f"{path} can't be used: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be used: {error.strerror or error}") from error


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    if not directory.is_dir():
        raise ConfigError(f"data_dir: {directory} is no directory")
    lock = DirectoryLock(directory)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A file beside the target, which takes its place at the end."""
    if target.exists():
        raise ConfigError(f"{target} is there already; it is not overwritten")
    try:
        descriptor, name = tempfile.mkstemp(prefix=".p2pcore-", dir=target.parent)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}") from error
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        put_in_place(name, target)
        sync_directory(target.parent)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{name}{suffix}")
