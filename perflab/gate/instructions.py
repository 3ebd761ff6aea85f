"""Instructions per operation, counted by valgrind's callgrind: the same on a busy machine.

Theory of operation. One process does all the micro benchmarks, one after the other, and calls a
function of the C library that nothing else calls (`getpriority`) before and after the runs that
count. Callgrind writes its counters to a file and sets them to zero at each such call, so every
second file has exactly the instructions of one micro benchmark: no start of the interpreter, no
preparation, and no difference of two large figures.

What takes long to prepare is prepared before callgrind looks (`late`): without its instruments the
program is some five times as slow as by itself, and not fifty times.

The hash seed moves the count by up to some tenths of a percent, so several fixed ones are used, a
process each. The environment keeps PYTHONHASHSEED, which `python -I` and `-E` would drop.

Rule: counts; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import entry
from benchmarks.common.children import child_environment
from benchmarks.common.reach import unreached
from benchmarks.micro.catalogue import COUNTED
from benchmarks.micro.prepared import Prepared

__all__ = [
    "MARK",
    "SEEDS",
    "InstructionCount",
    "InstructionError",
    "count_instructions",
    "end_with",
    "total",
    "unavailable",
]

SEEDS = (0, 1, 2)
WARM_UP = 3  # runs; what Python specialises and caches, it does in the first two
RUNS = 3
LATE_RUNS = 1  # of what takes long
MARK = "getpriority"
PR_SET_PDEATHSIG = 1  # prctl(2), Linux: the signal that a process gets when its parent dies
PROCESS_S = 600  # twenty times what it takes with a core to itself
NOTHING: Mapping[str, str] = {}
CONTROL = "callgrind_control"
Problem = dict[str, str | bool]
TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class InstructionError(RuntimeError):
    """Callgrind or what it ran ended badly; the message has its words."""


@dataclass
class InstructionCount:
    """What one process found."""

    per_operation: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    unreached: set[str] = field(default_factory=set)
    """Those of `missing` whose part is not where the ruler looks for it."""
    wrong: dict[str, str] = field(default_factory=dict)


def unavailable() -> str:
    """Why instructions cannot be counted here; "" if they can."""
    missing = [each for each in ("valgrind", CONTROL) if not shutil.which(each)]
    return f"{missing[0]} is not installed" if missing else ""


def count_instructions(
    core_dir: str,
    names: list[str],
    seed: int,
    more: Mapping[str, str] = NOTHING,
    *,
    late: bool = False,
) -> InstructionCount:
    """Count each micro benchmark's instructions per operation in one process with this hash seed,
    and more in its environment. `late`: all are prepared first, and then counted.

    Raises:
        InstructionError: the process failed as a whole.
    """
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "count")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        command += [f"--dump-before={MARK}", f"--instr-atstart={'no' if late else 'yes'}"]
        command += [sys.executable, "-s", "-P", entry.__file__]
        command += ["perflab.gate.instructions", core_dir, json.dumps(names)]
        command += [str(os.getpid()), "late" if late else "at once"]
        fixed = {"PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
        answers = _answers(command, child_environment() | fixed | dict(more))
        return _read(out, answers, LATE_RUNS if late else RUNS)


def _answers(command: list[str], environment: dict[str, str]) -> list[dict[str, Any]]:
    """The child's lines."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        words, errors = process.communicate(timeout=PROCESS_S)
    except subprocess.TimeoutExpired:
        raise InstructionError(f"callgrind took more than {PROCESS_S} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode:
        raise InstructionError(f"callgrind ended with {process.returncode}:\n{errors[-2000:]}")
    return [json.loads(line) for line in words.splitlines()]


def _read(out: Path, answers: list[dict[str, Any]], runs: int) -> InstructionCount:
    """Each micro benchmark's file is the second of its pair; the first has what led up to it."""
    found = InstructionCount()
    overhead = total(out, 2)
    part = 2
    for answer in answers:
        name = answer["name"]
        if "missing" in answer:
            found.missing[name] = answer["missing"]
            found.unreached |= {name} if answer["unreached"] else set()
        elif "wrong" in answer:
            found.wrong[name] = answer["wrong"]
        else:
            part += 2
            count = (total(out, part) - overhead) / runs / COUNTED[name].operations
            found.per_operation[name] = round(count, 3)
    return found


def total(out: Path, part: int) -> int:
    """The instructions in one of the parts that callgrind wrote."""
    file = out.with_name(f"{out.name}.{part}")
    match = TOTALS.search(file.read_text(encoding="utf-8")) if file.is_file() else None
    if match is None:
        raise InstructionError(f"callgrind wrote no count of part {part}")
    return int(match[1])


def run_child(arguments: list[str]) -> None:
    """The process that callgrind watches; its order is a JSON list of names, who started it, and
    when callgrind is to look."""
    end_with(int(arguments[1]))
    gc.disable()  # when it runs is not the operation's doing
    names = json.loads(arguments[0])
    prepared: dict[str, Prepared | Problem] = {}
    runs = RUNS
    if arguments[2] == "late":
        runs = LATE_RUNS
        prepared = {name: _prepare(name) for name in names}
        _begin_counting()
    os.getpriority(os.PRIO_PROCESS, 0)
    os.getpriority(os.PRIO_PROCESS, 0)
    for name in names:
        one = prepared[name] if prepared else _prepare(name)
        problem = _count(one, runs) if isinstance(one, Prepared) else one
        print(json.dumps({"name": name} | problem), flush=True)


def end_with(parent: int) -> None:
    """End when the parent does, however it dies. A thread that reads a pipe would be counted."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has died before
        os._exit(1)


def _begin_counting() -> None:
    """Let callgrind look from now on. It takes the order while the program runs, and not while it
    waits."""
    order = [CONTROL, "--instr=on", str(os.getpid())]
    control = subprocess.Popen(order, stdout=subprocess.DEVNULL)
    while control.poll() is None:
        pass
    if control.returncode:
        raise InstructionError(f"{CONTROL} ended with {control.returncode}")


def _prepare(name: str) -> Prepared | Problem:
    try:
        return COUNTED[name].prepare()
    except NotImplementedError as reason:
        return {"missing": str(reason), "unreached": unreached(reason)}
    except Exception as error:  # the parent is told which one, and the others are counted
        return {"wrong": f"{type(error).__name__}: {error}"}


def _count(prepared: Prepared, runs: int) -> Problem:
    run = prepared.run
    for _ in range(min(WARM_UP, 2 * runs)):
        run(prepared.fresh())
    states = [prepared.fresh() for _ in range(runs)]
    os.getpriority(os.PRIO_PROCESS, 0)
    for state in states:
        run(state)
    os.getpriority(os.PRIO_PROCESS, 0)
    return {}
