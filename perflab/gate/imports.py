"""What an import of p2pcore costs: modules, and instructions by callgrind; both exact.

A fresh interpreter imports it between two calls of a C function that nothing else calls, at which
callgrind writes its counters (see `instructions.py`). Compiled files are there before, as in all
but the first start after an installation.

Rule: counts and notes; what a difference means is `judge.py`'s matter.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.common.children import child_environment
from perflab.gate.counts import Sheets, note, side_by_side
from perflab.gate.instructions import MARK, InstructionError, total, unavailable
from perflab.gate.record import Kind

__all__ = ["IMPORTS", "IMPORT_METRICS", "count_import", "take_imports"]

IMPORTS = {
    "core": "import p2pcore",
    "edge": "from p2pcore import AdaptiveClient, AdaptiveCoordinator",
}
IMPORT_METRICS = tuple(
    name
    for what in IMPORTS
    for name in (f"counts.modules.import.{what}", f"instructions.import_{what}")
)
PROGRAM = f"""
import os, sys
sys.path.insert(0, sys.argv[1])
before = len(sys.modules)
os.{MARK}(os.PRIO_PROCESS, 0)
exec(sys.argv[2])
os.{MARK}(os.PRIO_PROCESS, 0)
print(len(sys.modules) - before)
"""
PROCESS_S = 600  # twenty times what it takes with a core to itself
PARTS = 2  # that callgrind writes: the second one has the import


def take_imports(
    sheets: Sheets,
    cores: Sequence[str],
    wanted: Callable[[str], bool],
    time_left: Callable[[], bool],
) -> None:
    """Modules and instructions of each import: exact."""
    reason = unavailable()
    for what in IMPORTS:
        modules, instructions = f"counts.modules.import.{what}", f"instructions.import_{what}"
        counts = wanted(instructions) and not reason
        if not counts and not wanted(modules):
            continue
        job = partial(count_import, what, instructions=counts)
        jobs = [(side, partial(job, core)) for side, core in enumerate(cores)]
        for side, result in side_by_side(jobs, time_left).items():
            note(sheets[side], modules, Kind.EXACT, "modules", result)
            if reason:
                sheets[side].lacks(instructions, Kind.EXACT, "instructions", "skipped", reason)
            elif counts:
                note(sheets[side], instructions, Kind.EXACT, "instructions", result)


def count_import(what: str, core: str, *, instructions: bool) -> dict[str, float]:
    """The figures of one of IMPORTS, with the p2pcore in a directory.

    Raises:
        InstructionError: it can't be imported, or callgrind ended badly.
    """
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-s", "-P", "-c", PROGRAM, core, IMPORTS[what]]
        fixed = {"PYTHONPYCACHEPREFIX": str(Path(place, "compiled")), "PYTHONHASHSEED": "0"}
        found = {f"counts.modules.import.{what}": float(_answer(command, fixed))}
        if instructions:
            out = Path(place, "count")
            valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
            _answer([*valgrind, f"--dump-before={MARK}", *command], fixed)
            found[f"instructions.import_{what}"] = float(total(out, PARTS))
    return found


def _answer(command: list[str], fixed: dict[str, str]) -> int:
    environment = child_environment() | fixed
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=PROCESS_S,
        )
    except subprocess.TimeoutExpired:
        raise InstructionError(f"an import took more than {PROCESS_S} s") from None
    if done.returncode:
        raise InstructionError(f"an import ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return int(done.stdout)
