"""Each group is synced once, before anybody is told that it is on disk: the system calls say so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STRACE = shutil.which("strace")
GROUPS = 12

SCRIPT = """
import os, sys, threading
from pathlib import Path
from p2pcore.aio.database import Database
from p2pcore.aio.writer import Writer
from p2pcore.effects import Persist
from p2pcore.ids import key_of
from p2pcore.versions import Version

said = threading.Semaphore(0)

def told(what, number, reason):
    os.write(2, f"told {number} {what}\\n".encode())
    said.release()

database = Database(Path(sys.argv[1]), synced=sys.argv[2] == "synced")
writer = Writer(database, told)
for number in range(1, int(sys.argv[3]) + 1):
    writer.write(Persist(number, key_of(str(number)), Version(number.to_bytes(16)), b"v" * 1000, 0))
    assert said.acquire(timeout=60)
os._exit(0)  # without the last checkpoint
"""


def traced(folder: Path, durability: str) -> list[str]:
    """What was done, in order: "sync" of the log, "told"."""
    assert STRACE is not None
    trace, database = folder / "trace", folder / "records.db"
    words = [STRACE, "-f", "-y", "-o", str(trace), "-e", "trace=fsync,fdatasync,write"]
    words += [sys.executable, "-c", SCRIPT, str(database), durability, str(GROUPS)]
    subprocess.run(words, check=True, timeout=120, stderr=subprocess.DEVNULL)
    found = []
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"told ' in line:
            found.append("told")
        elif ("fdatasync(" in line or "fsync(" in line) and "records.db-wal" in line:
            found.append("sync")
    return found


@pytest.mark.skipif(STRACE is None, reason="strace is not installed here: it counts system calls")
def test_one_sync_for_each_group_and_before_it_is_told(tmp_path: Path) -> None:
    found = traced(tmp_path, "synced")
    assert found.count("told") == GROUPS
    first = found.index("told")
    assert "sync" in found[:first]
    assert found[first:] == ["told", *["sync", "told"] * (GROUPS - 1)]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed here: it counts system calls")
def test_buffered_syncs_none(tmp_path: Path) -> None:
    """So the count above says something."""
    found = traced(tmp_path, "buffered")
    assert found.count("told") == GROUPS
    assert "sync" not in found[found.index("told") :]
