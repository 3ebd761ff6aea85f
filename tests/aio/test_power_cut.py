"""The power goes at any moment: what was not synced may be lost, in part, and in any order.

A writer runs under strace, which takes down every write, truncation and sync of its files, and
every word that a change is on disk. Then disks are made as they may be found after a cut at some
moment: of each file, all that was synced by then, and of what was written since, any part, down to
some blocks of a write. On each of them everything must be there that was said to be.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from p2pcore.aio.database import BrokenDiskError, DamagedError, Database
from p2pcore.ids import key_of

STRACE = shutil.which("strace")
CALLS = "pwrite64,write,fdatasync,fsync,ftruncate,unlink"
LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<words>.*)\) += (?P<result>\d+)")
WRITTEN = re.compile(
    r'^\d+<(?P<path>[^>]*)>, "(?P<data>(?:\\x[0-9a-f]{2})*)", (?P<size>\d+)(?:, (?P<at>\d+))?$'
)
FILE = re.compile(r"^\d+<(?P<path>[^>]*)>(?:, (?P<size>\d+))?$")
needs_strace = pytest.mark.skipif(
    STRACE is None, reason="strace is not installed here: it records what is written"
)
CHANGES, KEYS = 400, 40
BLOCK = 512

SCRIPT = """
import os, sys, threading
from pathlib import Path
from random import Random
from p2pcore.aio import writer as module
from p2pcore.aio.database import Database
from p2pcore.effects import Persist
from p2pcore.ids import key_of
from p2pcore.versions import Version

module.WAL_BYTES = 200_000  # the log is brought into the file several times
rng, said = Random(7), threading.Semaphore(0)

def told(what, number, reason):
    assert what == "persisted", reason
    os.write(2, f"told {number}\\n".encode())
    said.release()

writer = module.Writer(Database(Path(sys.argv[1])), told)
changes, keys = int(sys.argv[2]), int(sys.argv[3])
for number in range(1, changes + 1):
    value = None if number % 11 == 0 else b"%d " % number + rng.randbytes(rng.randrange(3000))
    version = Version(number.to_bytes(16))
    old = number - keys if number > keys else 0
    writer.write(Persist(number, key_of(f"k{number % keys}"), version, value, 0, None, old))
    if rng.random() < 0.4:
        assert said.acquire(timeout=60)
writer.close()
"""


@dataclass
class Event:
    """What was done to a file, or said."""

    kind: str  # write, truncate, sync, told
    path: str = ""
    at: int = 0
    data: bytes = b""


def recorded(folder: Path) -> list[Event]:
    assert STRACE is not None
    trace = folder / "trace"
    words = [STRACE, "-f", "-y", "-xx", "-s", "100000", "-e", f"trace={CALLS}", "-o", str(trace)]
    words += [sys.executable, "-c", SCRIPT, str(folder / "records.db"), str(CHANGES), str(KEYS)]
    subprocess.run(words, check=True, timeout=300, stderr=subprocess.DEVNULL)
    events = []
    for line in trace.read_text(encoding="ascii", errors="replace").splitlines():
        found = LINE.match(line)
        event = event_of(found["call"], found["words"]) if found is not None else None
        if event is not None:
            events.append(event)
    return events


def event_of(call: str, words: str) -> Event | None:
    if call in ("write", "pwrite64"):
        found = WRITTEN.match(words)
        if found is None:
            return None
        data = bytes.fromhex(found["data"].replace("\\x", ""))
        if data.startswith(b"told "):
            return Event("told", at=int(data[5:]))
        assert len(data) == int(found["size"])
        return Event("write", name_of(found["path"]), int(found["at"] or 0), data)
    found = FILE.match(words)
    if found is None:
        return None
    kind = "truncate" if call == "ftruncate" else "sync"
    return Event(kind, name_of(found["path"]), int(found["size"] or 0))


def name_of(path: str) -> str:
    """strace -xx writes paths in hex as well, in some versions."""
    if "\\x" in path:
        path = bytes.fromhex(path.replace("\\x", "")).decode()
    return Path(path).name


def apply(disk: bytearray, event: Event, data: bytes | None = None) -> None:
    if event.kind == "truncate":
        del disk[event.at :]
        return
    data = event.data if data is None else data
    if len(disk) < event.at + len(data):
        disk.extend(bytes(event.at + len(data) - len(disk)))
    disk[event.at : event.at + len(data)] = data


def disk_after_a_cut(events: list[Event], name: str, rng: Random) -> bytes:
    """One file as it may be found: some of what was not synced is there."""
    ours = [event for event in events if event.path == name]
    synced = max((n + 1 for n, event in enumerate(ours) if event.kind == "sync"), default=0)
    disk = bytearray()
    for event in ours[:synced]:
        if event.kind != "sync":
            apply(disk, event)
    likely = rng.choice((0.0, 0.3, 0.7, 1.0))
    for event in ours[synced:]:
        if rng.random() >= likely:
            continue
        torn = event.kind == "write" and len(event.data) > BLOCK and rng.random() < 0.2
        apply(disk, event, event.data[: rng.randrange(len(event.data)) // BLOCK * BLOCK]
              if torn else None)  # fmt: skip
    return bytes(disk)


def check(path: Path, told: int) -> int:
    """Everything up to this change is there, or something newer; returns the newest."""
    database = Database(path)
    try:
        saved = [each for batch in database.load() for each in batch]
        assert all(each.is_sound for each in saved)
        found = {each.key: each for each in saved}
        assert len(found) == len(saved)
        for number in range(max(1, told - KEYS + 1), told + 1):
            each = found[key_of(f"k{number % KEYS}")]
            version = int.from_bytes(each.version)
            assert version >= number
            assert (each.value is None) == (version % 11 == 0)
            assert each.value is None or each.value.startswith(b"%d " % version)
        return max(int.from_bytes(each.version) for each in saved)
    finally:
        database.close()


def found_after(events: list[Event], folder: Path, told: int, rng: Random) -> int:
    """The newest change that is found after a cut there."""
    folder.mkdir()
    for name in ("records.db", "records.db-wal"):
        (folder / name).write_bytes(disk_after_a_cut(events, name, rng))
    newest = check(folder / "records.db", told)
    shutil.rmtree(folder)
    return newest


@needs_strace
def test_what_was_said_to_be_on_disk_is_there_after_any_cut(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    events, rng = recorded(work), Random(20)
    told = [n for n, event in enumerate(events) if event.kind == "told"]
    assert len(told) > 100
    assert sum(event.kind == "sync" and event.path == "records.db" for event in events) > 3
    lost_something = 0
    for _ in range(200):
        cut = rng.randrange(told[0] + 1, len(events))
        number = max(event.at for event in events[:cut] if event.kind == "told")
        lost_something += found_after(events[:cut], tmp_path / "cut", number, rng) < CHANGES
    assert lost_something > 100


@needs_strace
def test_a_disk_that_lies_about_syncs_is_found_out(tmp_path: Path) -> None:
    """So the test above can fail: here nothing counts as synced."""
    work = tmp_path / "work"
    work.mkdir()
    events, rng = recorded(work), Random(21)
    unsynced = [event for event in events if event.kind != "sync"]
    noticed = 0
    for round_ in range(20):
        try:
            found_after(unsynced, tmp_path / f"cut-{round_}", CHANGES, rng)
        except (AssertionError, KeyError, ValueError, DamagedError, BrokenDiskError):
            noticed += 1
    assert noticed > 5
