"""The writing thread: groups, order, a disk that is full and one that fails."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from p2pcore.aio import writer as module
from p2pcore.aio.database import BrokenDiskError, Database, FullDiskError
from p2pcore.aio.writer import BALLAST_FILE, Writer
from p2pcore.effects import Persist
from p2pcore.ids import key_of
from tests.aio.test_database import change, found

PATIENCE_S = 60.0


class Told:
    """What the writer has said, and waiting for it."""

    def __init__(self) -> None:
        self.words: list[tuple[str, int]] = []
        self.reasons: list[str] = []
        self._said = threading.Condition()

    def __call__(self, what: str, number: int, reason: str) -> None:
        with self._said:
            self.words.append((what, number))
            self.reasons.append(reason)
            self._said.notify_all()

    def wait_any(self, number: int) -> bool:
        """Whatever has become of this one."""
        with self._said:
            ends = lambda: any(each == number for _, each in self.words)  # noqa: E731
            return self._said.wait_for(ends, PATIENCE_S)

    def wait(self, what: str, number: int) -> None:
        with self._said:
            assert self._said.wait_for(lambda: (what, number) in self.words, PATIENCE_S), self.words


class Slow(Database):
    """Waits for leave before each commit, or fails as it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.leave = threading.Semaphore(0)
        self.groups: list[list[int]] = []
        self.fails: Callable[[Sequence[Persist]], Exception | None] = lambda group: None

    def write(self, group: Sequence[Persist]) -> None:
        assert self.leave.acquire(timeout=PATIENCE_S)
        error = self.fails(group)
        if error is not None:
            raise error
        super().write(group)
        self.groups.append([each.number for each in group])


def test_beyond_the_quota_values_are_refused_until_deletes_have_made_room(tmp_path: Path) -> None:
    database, told = Database(tmp_path / "records.db"), Told()
    writer = Writer(database, told, max_bytes=8 << 20)
    value, number = b"v" * 100_000, 0
    while ("refused", number) not in told.words:
        number += 1
        assert number < 100
        writer.write(change(number, f"k{number}", value))
        assert told.wait_any(number)
    assert number > 50
    reason = told.reasons[told.words.index(("refused", number))]
    assert "of 8388608 bytes are in use (max_disk_bytes)" in reason
    files = ("records.db", "records.db-wal")
    assert sum((tmp_path / name).stat().st_size for name in files) <= 9 << 20
    for old in range(1, 40):
        number += 1
        writer.write(change(number, f"k{old}", None, gone=True, replaces=old))
    told.wait("persisted", number)
    number += 1
    writer.write(change(number, "again", value))
    told.wait("persisted", number)
    writer.close()


def test_the_file_stays_small_when_the_same_records_are_overwritten_for_long(
    tmp_path: Path,
) -> None:
    """A tenth of them, 100 times over, and never an idle moment: at most 1.5 of what is live."""
    path, rows = tmp_path / "records.db", dict[int, int]()
    database, number = Database(path, synced=False), 0
    rng = random.Random(3)
    for start in range(0, 2000, 100):
        group = [change(start + n, f"k{start + n}", rng.randbytes(1024)) for n in range(1, 101)]
        database.write(group)
        rows |= {each.number: each.number for each in group}
        number = group[-1].number
    database.checkpoint()
    live = path.stat().st_size
    hot = rng.sample(sorted(rows), 200)
    for _ in range(100):
        group = []
        for name in hot:
            number += 1
            group.append(change(number, f"k{name}", rng.randbytes(1024), replaces=rows[name]))
            rows[name] = number
        database.write(group)
        database.checkpoint()
    assert path.stat().st_size <= 1.5 * live
    database.close()
    assert len(found(path)) == 2000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Slow, Told, Writer]]:
    database, told = Slow(tmp_path / "records.db"), Told()
    writer = Writer(database, told)
    yield database, told, writer
    for _ in range(1000):
        database.leave.release()
    writer.close()


def test_what_waits_is_one_group(disk: tuple[Slow, Told, Writer]) -> None:
    database, told, writer = disk
    writer.write(change(1, "a", b"1"))
    while writer._waiting:  # the thread has taken it
        pass
    for number in range(2, 50):
        writer.write(change(number, f"k{number}", b"v"))
    database.leave.release(2)
    told.wait("persisted", 49)
    assert database.groups == [[1], list(range(2, 50))]
    assert told.words == [("persisted", 1), ("persisted", 49)]


def test_a_group_has_bounds(
    disk: tuple[Slow, Told, Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP_CHANGES", 10)
    database, told, writer = disk
    writer.write(change(1, "a", b"1"))
    while writer._waiting:
        pass
    for number in range(2, 32):
        writer.write(change(number, f"k{number}", b"v"))
    database.leave.release(4)
    told.wait("persisted", 31)
    assert [len(group) for group in database.groups] == [1, 10, 10, 10]


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    told = Told()
    writer = Writer(Database(tmp_path / "records.db"), told)
    for number in range(1, 3000):
        writer.write(change(number, f"k{number}", b"v"))
    writer.close()
    writer.close()
    assert told.words[-1] == ("persisted", 2999)
    assert len(found(tmp_path / "records.db")) == 2999


def test_a_full_disk_refuses_values_and_takes_deletes_from_the_ballast(
    disk: tuple[Slow, Told, Writer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, told, writer = disk
    ballast = tmp_path / BALLAST_FILE
    assert ballast.stat().st_size == module.BALLAST_BYTES
    database.leave.release(100)
    writer.write(change(1, "a", b"1"))
    told.wait("persisted", 1)
    room = False

    def no_room(group: Sequence[Persist]) -> Exception | None:
        values = any(each.value is not None for each in group)
        return FullDiskError("database or disk is full") if values or ballast.exists() else None

    database.fails = no_room
    monkeypatch.setattr(Writer, "_take_ballast", lambda self: room)
    writer.write(change(2, "b", b"2"))
    told.wait("refused", 2)
    assert not ballast.exists()
    writer.write(change(3, "a", None))
    told.wait("persisted", 3)
    writer.write(change(4, "c", b"4"))  # refused unseen
    told.wait("refused", 4)
    assert told.reasons[-1] == "less than 16 MiB are free"
    monkeypatch.undo()
    database.fails = lambda group: None
    writer.write(change(5, "c", b"5"))
    told.wait("persisted", 5)
    assert ballast.exists()


def test_deletes_and_values_are_told_apart_while_there_is_no_ballast(
    disk: tuple[Slow, Told, Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, told, writer = disk
    writer._full = True
    monkeypatch.setattr(Writer, "_take_ballast", lambda self: False)
    writer.write(change(1, "a", None))
    while writer._waiting:
        pass
    for number, value in enumerate((b"2", b"3", None, None, b"6"), 2):
        writer.write(change(number, f"k{number}", value))
    database.leave.release(2)
    told.wait("refused", 6)
    assert told.words == [("persisted", 1), ("refused", 3), ("persisted", 5), ("refused", 6)]


def test_a_disk_that_has_failed_is_never_tried_again(disk: tuple[Slow, Told, Writer]) -> None:
    database, told, writer = disk
    database.leave.release(100)
    asked: list[int] = []

    def fails(group: Sequence[Persist]) -> Exception:
        asked.append(group[-1].number)
        return BrokenDiskError("disk I/O error (SQLITE_IOERR_FSYNC)")

    database.fails = fails
    writer.write(change(1, "a", b"1"))
    told.wait("failed", 0)
    assert told.reasons == ["disk I/O error (SQLITE_IOERR_FSYNC)"]
    for number in range(2, 10):
        writer.write(change(number, f"k{number}", b"v"))
    writer.close()
    assert asked == [1]
    assert told.words == [("failed", 0)]


def test_the_log_is_brought_into_the_file_once_for_each_length_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that has become long stays so; if its length were what counts, each group from then on
    would be followed by a checkpoint."""
    monkeypatch.setattr(module, "WAL_BYTES", 200_000)
    database, told, lengths = Database(tmp_path / "records.db"), Told(), list[int]()
    checkpoint = database.checkpoint

    def counted(*, truncate: bool = False) -> None:
        lengths.append(database.wal_bytes)
        checkpoint(truncate=truncate)

    monkeypatch.setattr(database, "checkpoint", counted)
    writer = Writer(database, told)
    for number in range(1, 101):
        writer.write(change(number, f"k{number}", bytes(20_000)))
        told.wait("persisted", number)
    assert database.wal_bytes >= 200_000
    assert 5 <= len(lengths) <= 25  # of 100 groups of 20,000 bytes, and a page or two
    assert max(lengths) < 300_000
    writer.close()
    assert found(tmp_path / "records.db") == {key_of(f"k{n}"): bytes(20_000) for n in range(1, 101)}
