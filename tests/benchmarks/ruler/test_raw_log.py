"""The ruler of disks syncs before it says so, once for each group, and stands under real nodes."""

import os
import threading
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.common import subject
from benchmarks.common.ruler.raw_log import FILE, HEAD, RawLog
from benchmarks.common.swarm import Swarm
from benchmarks.common.workload import Values, closed_loop


def change(number: int, key: bytes, value: bytes | None) -> Any:
    return SimpleNamespace(
        number=number, key=key, version=number.to_bytes(16), value=value, expires_ms=0
    )


class Told:
    """What a log has said; `wait` until it said the last."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self._news = threading.Condition()

    def __call__(self, what: Any) -> None:
        with self._news:
            self.said.append(what)
            self._news.notify()

    def wait(self, last: Any) -> None:
        with self._news:
            assert self._news.wait_for(lambda: bool(self.said) and self.said[-1] == last, 60)


def entries(path: Path) -> list[tuple[bytes, bytes, bytes]]:
    """Key, version and value of each entry of the file, whose checksums must be right."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        checksum, *lengths, _ = HEAD.unpack_from(data, at)
        at += HEAD.size
        parts = []
        for length in lengths:
            parts.append(data[at : at + length])
            at += length
        assert zlib.crc32(b"".join(parts)) == checksum
        found.append(tuple(parts))
    return found  # type: ignore[return-value]


def test_what_waits_is_one_group_with_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    first_sync, go_on = threading.Event(), threading.Event()
    real = os.fdatasync

    def fdatasync(handle: int) -> None:
        syncs.append(os.fstat(handle).st_size)
        first_sync.set()
        assert go_on.wait(60)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    told, broken = Told(), Told()
    log = RawLog(tmp_path / FILE, told, broken)
    log.write(change(1, b"first", b"one"))
    assert first_sync.wait(60)
    assert told.said == []  # written, and not synced yet
    for number in range(2, 12):
        log.write(change(number, b"key %d" % number, b"value %d" % number))
    go_on.set()
    told.wait(11)
    log.finish()
    log.finish()
    assert told.said == [1, 11]
    assert len(syncs) == log.groups == 2
    assert syncs[-1] == (tmp_path / FILE).stat().st_size
    assert broken.said == []


def test_the_index_says_where_each_value_is(tmp_path: Path) -> None:
    told = Told()
    log = RawLog(tmp_path / FILE, told, Told())
    for number, value in enumerate((b"old", b"new", None, b"other"), 1):
        log.write(change(number, b"b" if value == b"other" else b"a", value))
    log.finish()
    assert [value for _, _, value in entries(tmp_path / FILE)] == [b"old", b"new", b"", b"other"]
    assert log.index.keys() == {b"b"}
    at, length = log.index[b"b"]
    assert (tmp_path / FILE).read_bytes()[at : at + length] == b"other"


def test_nothing_is_read_back(tmp_path: Path) -> None:
    log = RawLog(tmp_path / FILE, Told(), Told())
    with pytest.raises(NotImplementedError, match="reads nothing back, so not a SimpleNamespace"):
        log.write(SimpleNamespace(row=1))
    log.finish()


def test_a_disk_that_fails_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fdatasync(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    told, broken = Told(), Told()
    log = RawLog(tmp_path / FILE, told, broken)
    log.write(change(1, b"key", b"value"))
    log.finish()
    assert told.said == []
    assert broken.said == ["[Errno 5] Input/output error"]


@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("layout", ["A", "C"])
def test_nodes_of_the_core_write_all_that_is_acknowledged_to_it(
    layout: Any, tmp_path: Path
) -> None:
    values = Values(300)
    with Swarm(layout=layout, nodes=3, keeping="raw log", folder=tmp_path) as swarm:
        stored = swarm.run(
            closed_loop(
                lambda n: swarm.client.store(f"k{n}", values.value(n)), operations=40, in_flight=8
            )
        )
        stored.require_clean()
        # At this moment, and not only after a shutdown: two of three have synced each.
        found = [value for path in tmp_path.rglob(FILE) for _, _, value in entries_so_far(path)]
        assert all(found.count(values.value(number)) >= 2 for number in range(40))
        read = swarm.run(
            closed_loop(
                lambda n: swarm.client.retrieve(f"k{n}"),
                operations=40, in_flight=8, check=values.check,
            )
        )  # fmt: skip
        read.require_clean()
    assert len(list(tmp_path.rglob(FILE))) == 3


def entries_so_far(path: Path) -> list[tuple[bytes, bytes, bytes]]:
    """Of a file that grows: a torn end is not there yet."""
    whole = path.with_name("copy")
    whole.write_bytes(path.read_bytes())
    data, at = whole.read_bytes(), 0
    while at + HEAD.size <= len(data):
        _, *lengths, _ = HEAD.unpack_from(data, at)
        if at + HEAD.size + sum(lengths) > len(data):
            break
        at += HEAD.size + sum(lengths)
    whole.write_bytes(data[:at])
    return entries(whole)


def test_a_core_without_the_seam_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    core = SimpleNamespace(
        AdaptiveCoordinator=object, AdaptiveClient=object,
        CoordinatorConfig=SimpleNamespace(durability="auto"),
    )  # fmt: skip
    monkeypatch.setattr(subject, "_core", lambda: core)
    subject.supports.cache_clear()
    try:
        assert subject.supports("durability")
        with pytest.raises(NotImplementedError, match="no raw log yet"):
            subject.require("durability", "raw log")
    finally:
        subject.supports.cache_clear()
