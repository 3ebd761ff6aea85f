"""Cuts of the power to processes that run here: what they had not synced is taken away again.

Theory of operation. SIGKILL alone loses nothing that a process has written, for the system has it.
So each process is started with a layer below it (`power.c`, compiled when it is needed) that keeps
what was at a place of a file before it is written, until the file is synced. After the processes
were killed, the files below a folder are put back: all that was not synced is lost, or some of it,
or the end of a write: as a disk may have been at that moment. A file stays itself (its inode).

What it does not do: lose files that were made or removed without a sync of their directory.

Rule: knows files, and no network.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NoCompilerError", "PowerLayer", "cut"]

SOURCE = Path(__file__).with_name("power.c")
CHANGE = struct.Struct("=QQQQ")  # `struct change` of power.c
BLOCK = 512  # what a disk writes whole
COMPILE_S = 60
SUFFIX = ".undo"


class NoCompilerError(RuntimeError):
    """The layer can't be made here."""


@dataclass(frozen=True)
class _Change:
    """A write, or a truncation, that was not synced: what was there before."""

    at: int
    length: int
    size_before: int
    before: bytes


class PowerLayer:
    """The layer below processes whose power is to be cut; `build` is a folder for what is compiled.

    Raises:
        NoCompilerError: there is no C compiler, or this is not Linux.
    """

    def __init__(self, build: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or not Path("/proc/self/fd").exists():
            raise NoCompilerError("cutting the power needs Linux and a C compiler (cc)")
        self._library = build / "power.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self._library), str(SOURCE)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_S, check=False
        )
        if done.returncode:
            raise NoCompilerError(f"{SOURCE.name} can't be compiled here:\n{done.stderr[-1000:]}")

    def environment(self, folder: Path) -> dict[str, str]:
        """What a process needs whose files below this folder are to be put back."""
        return {"LD_PRELOAD": str(self._library), "P2PCORE_POWER": str(folder.resolve())}


def cut(folder: Path, rng: random.Random) -> int:
    """Take away what was not synced of the files below a folder: all of it, or what chance says.

    No process may have them open. Returns how many writes were lost, whole or in part.
    """
    lost = 0
    for undo in sorted(folder.rglob(f"*{SUFFIX}")):
        file = undo.with_name(undo.name.removesuffix(SUFFIX))
        if file.exists():
            lost += _put_back(file, list(_changes(undo.read_bytes())), rng)
        undo.unlink()
    return lost


def _changes(data: bytes) -> Iterator[_Change]:
    """In the order in which they were made; a torn last one was not made."""
    at = 0
    while at + CHANGE.size <= len(data):
        place, length, size_before, kept = CHANGE.unpack_from(data, at)
        at += CHANGE.size
        if at + kept > len(data):
            return
        yield _Change(place, length, size_before, data[at : at + kept])
        at += kept


def _put_back(file: Path, changes: list[_Change], rng: random.Random) -> int:
    """The newest first: so each place is as it was before the oldest that is lost there."""
    likely = rng.choice((1.0, 1.0, 0.7, 0.3))
    lost, size = 0, file.stat().st_size
    with file.open("r+b") as handle:
        for change in reversed(changes):
            if rng.random() >= likely:
                continue
            lost += 1
            stays = 0
            if change.length > BLOCK and rng.random() < 0.2:
                stays = rng.randrange(change.length) // BLOCK * BLOCK  # of a torn write
            # Beyond its end the file had nothing: zeros, as of a block that was never written.
            most = max(len(change.before), min(change.length, size - change.at))
            handle.seek(change.at + stays)
            handle.write(change.before.ljust(most, b"\0")[stays:])
        if likely == 1.0 and changes:
            handle.truncate(changes[0].size_before)
        elif changes:
            handle.truncate(max(size, changes[0].size_before))
        handle.flush()
        os.fsync(handle.fileno())
    return lost
