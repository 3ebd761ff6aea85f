"""Disks, as far as durable figures need to know them: where they are and what a sync costs there.

A disk's sync costs 0.1 ms in one minute and 4 ms in another, and a durable store can do no better;
so its figures say nothing without the sync cost of the same minute. A file system in memory syncs
for nothing: figures taken there are none.

Rule: knows files and the kernel's counters, nothing of stores.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal, TypeAlias, get_args

__all__ = [
    "IN_MEMORY",
    "KEEPING",
    "SYNCS",
    "Keeping",
    "NoDiskError",
    "NodeStorage",
    "file_system",
    "folder_bytes",
    "place_on_disk",
    "sync_cost_s",
    "written_bytes",
]

SYNCS = 50
BYTES = 1024
IN_MEMORY = ("tmpfs", "ramfs")

Keeping: TypeAlias = Literal["memory", "buffered", "synced", "raw log"]
"""What a node keeps its records in: three are the core's own durabilities, and "raw log" is the
ruler's (`benchmarks/common/ruler/raw_log.py`)."""
KEEPING: tuple[Keeping, ...] = get_args(Keeping)


class NoDiskError(NotImplementedError):
    """There is no place here whose syncs cost anything; asv takes it as "skipped"."""


@dataclass(frozen=True, kw_only=True)
class NodeStorage:
    """Where the nodes of one process keep their records: a directory for each in this folder, by
    its number. Their ids follow from the name `identities`, if it is not empty."""

    keeping: Keeping = "memory"
    folder: str = ""
    identities: str = ""

    def __post_init__(self) -> None:
        if self.keeping not in KEEPING:
            raise ValueError(f"records are kept in {', '.join(KEEPING)}, not in {self.keeping!r}")
        if (self.keeping != "memory") != bool(self.folder):
            raise ValueError(f"{self.keeping!r} needs {'no' if self.folder else 'a'} folder")

    def within(self, name: str) -> NodeStorage:
        """The same, in a folder of another process."""
        return NodeStorage(
            keeping=self.keeping,
            folder=self.folder and f"{self.folder}/{name}",
            identities=self.identities and f"{self.identities}/{name}",
        )

    def settings(self, number: int) -> dict[str, Any]:
        """What `subject.make_node` takes for a node; its directory is made by now."""
        named = {"identity": f"{self.identities}/{number}"} if self.identities else {}
        if not self.folder:
            return named
        place = Path(self.folder, f"node-{number}")
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return {"keeping": self.keeping, "data_dir": str(place), **named}


def sync_cost_s(folder: Path, syncs: int = SYNCS) -> list[float]:
    """Seconds of each of so many fdatasync calls, each after 1 KiB more at the end of a file."""
    file = folder / "sync-cost"
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        return [_timed(handle) for _ in range(syncs)]
    finally:
        os.close(handle)
        file.unlink()


def _timed(handle: int) -> float:
    os.write(handle, bytes(BYTES))
    begin = time.perf_counter()
    os.fdatasync(handle)
    return time.perf_counter() - begin


def file_system(folder: Path, mounts: str | None = None) -> str:
    """The kind of file system that a folder is on ("ext4", "tmpfs"); "unknown" without /proc."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        except OSError:
            return "unknown"
    place, best, kind = folder.resolve(), -1, "unknown"
    for line in mounts.splitlines():
        _, at, this, *_ = line.split(" ")
        if place.is_relative_to(at) and len(at) >= best:  # a later mount hides an earlier one
            best, kind = len(at), this
    return kind


def place_on_disk(*tried: Path) -> Path:
    """The first of these folders that is on a disk: by default that of temporary files, the one we
    are in, and /var/tmp.

    Raises:
        NoDiskError: none of them is.
    """
    places = tried or (Path(gettempdir()), Path.cwd(), Path("/var/tmp"))
    for place in places:
        if os.access(place, os.W_OK) and file_system(place) not in IN_MEMORY:
            return place
    told = ", ".join(f"{place} ({file_system(place)})" for place in places)
    raise NoDiskError(f"no disk here to sync to: {told}")


def folder_bytes(folder: Path) -> int:
    """What the files below a folder take on disk, in whole blocks."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def written_bytes(pid: int) -> int | None:
    """What a process has caused to be written to disks so far; None where the kernel does not say.
    It counts pages when they become dirty, so a page that is changed twice between syncs once."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["write_bytes"])
