"""What a group of durable records costs the disk: syncs, writes and bytes, counted by strace.

Theory of operation. A child commits groups of fixed records to the database of the core that is
measured, synced, and makes a system call that nothing else makes (`getpriority`) before and after
those that count. strace takes down what it asks of the system in between. Keys, versions and values
are fixed, so the figures are the same on a busy machine, on any disk: exact.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.common import entry
from benchmarks.common.children import child_environment
from benchmarks.common.reach import unreached
from benchmarks.micro.disk import GROUP
from perflab.gate.counts import Sheets, note, side_by_side
from perflab.gate.record import Kind

__all__ = ["DISK_METRICS", "DiskCountError", "count_disk", "take_disk", "unavailable"]

WHAT = ("syncs", "writes", "bytes")
DISK_METRICS = tuple(f"disk.{what}.group.{GROUP}" for what in WHAT)
GROUPS = 8
WARM_UP = 2  # groups: the first makes the log
SYNCS = ("fsync", "fdatasync")
WRITES = ("write", "pwrite64", "writev", "pwritev")
MARK = "getpriority"
LINE = re.compile(r"^(?:\d+ +)?(?P<call>\w+)\(.*\) += (?P<result>-?\d+)")
PROCESS_S = 120  # a hundred times what it takes


class DiskCountError(RuntimeError):
    """strace, or what it ran, ended badly; the message has its words."""


def unavailable() -> str:
    """Why system calls can't be counted here; "" if they can."""
    return "" if shutil.which("strace") else "strace is not installed"


def take_disk(sheets: Sheets, cores: Sequence[str], time_left: Callable[[], bool]) -> None:
    """Syncs, writes and bytes of a group of durable records: exact."""
    reason = unavailable()
    jobs = [(side, partial(count_disk, core)) for side, core in enumerate(cores)]
    found = {} if reason else side_by_side(jobs, time_left)
    for side, sheet in enumerate(sheets):
        for what, name in zip(WHAT, DISK_METRICS, strict=True):
            if reason:
                sheet.lacks(name, Kind.EXACT, what, "skipped", reason)
            elif isinstance(found[side], _MissingError):
                missing = found[side]
                sheet.lacks(
                    name, Kind.EXACT, what, "skipped", str(missing), unreached=missing.unreached
                )
            else:
                note(sheet, name, Kind.EXACT, what, found[side])


class _MissingError(Exception):
    """This commit has no such database."""

    def __init__(self, reason: str, *, unreached: bool) -> None:
        super().__init__(reason)
        self.unreached = unreached


@cache
def count_disk(core_dir: str) -> dict[str, float]:
    """By name of DISK_METRICS, per group of GROUP records.

    Raises:
        DiskCountError: the process failed.
    """
    with tempfile.TemporaryDirectory(prefix="gate-disk-") as place:
        trace = Path(place, "trace")
        command = ["strace", "-f", "-o", str(trace)]
        command += ["-e", f"trace={','.join((*SYNCS, *WRITES, MARK))}"]
        command += [sys.executable, "-s", "-P", entry.__file__, "perflab.gate.disk", core_dir]
        fixed = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        answer = _answer([*command, place], child_environment() | fixed)
        if "missing" in answer:
            raise _MissingError(answer["missing"], unreached=answer["unreached"])
        return _read(trace.read_text(encoding="utf-8", errors="replace"))


def _answer(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment,
            timeout=PROCESS_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DiskCountError(f"strace took more than {PROCESS_S} s") from None
    if done.returncode:
        raise DiskCountError(f"strace ended with {done.returncode}:\n{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _read(trace: str) -> dict[str, float]:
    """What was asked between the marks."""
    counts, marks = dict.fromkeys(WHAT, 0), 0
    for line in trace.splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        call, result = found["call"], int(found["result"])
        if call == MARK:
            marks += 1
        elif marks == 1 and call in SYNCS:
            counts["syncs"] += 1
        elif marks == 1 and call in WRITES:
            counts["writes"] += 1
            counts["bytes"] += max(0, result)
    if marks != 2:
        raise DiskCountError(f"strace saw {marks} marks, not 2: its words are not as expected")
    return {name: counts[what] / GROUPS for what, name in zip(WHAT, DISK_METRICS, strict=True)}


def run_child(arguments: list[str]) -> None:
    """The process that strace watches: groups of records, to a database in this folder."""
    try:
        groups = _groups(Path(arguments[0]))
    except NotImplementedError as reason:
        print(json.dumps({"missing": str(reason), "unreached": unreached(reason)}))
        return
    for _ in range(WARM_UP):
        next(groups)()
    commits = [next(groups) for _ in range(GROUPS)]
    os.getpriority(os.PRIO_PROCESS, 0)
    for commit in commits:
        commit()
    os.getpriority(os.PRIO_PROCESS, 0)
    print(json.dumps({}))


def _groups(folder: Path) -> Any:
    """Commits of new records, one after the other."""
    from benchmarks.common import subject
    from benchmarks.common.workload import Values
    from benchmarks.micro.prepared import WALL_MS

    subject.require("durability")
    database = subject.part("aio.database", "Database")(folder / "records.db", synced=True)
    persist, key_of = subject.part("effects", "Persist"), subject.part("ids", "key_of")
    clock, values = subject.part("versions", "HybridClock")(bytes(32)), Values(1024)

    def groups() -> Any:
        for first in range(0, 1 << 30, GROUP):
            group = [
                persist(number + 1, key_of(f"key {number}"), clock.next(WALL_MS),
                        values.value(number), 0)
                for number in range(first, first + GROUP)
            ]  # fmt: skip
            yield partial(database.write, group)

    return groups()
