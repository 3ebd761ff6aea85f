"""The rulers of commits: which figures a commit's own gate measures, with what code and policy.

Theory of operation. A change must not bend the ruler that judges it. So the gate of the base
measures and judges, wherever it is called from: a commit's tree is taken out of git, asked in a
process of its own what its gate is, and run there. Two rulers are the same if every file that the
gate imports is, to the byte; an environment within the tree (.venv) is none of it. `FORM` says
which options a ruler understands when another checkout runs it; commits whose gate is older than
that cannot be handed a change.

Rule: looks and starts processes; who has to measure, `change.py` decides.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.common.children import child_environment
from perflab.gate.builds import BuildError, forget_old, take_out
from perflab.results.checkout import Commit

__all__ = ["FORM", "HERE", "Ruler", "RulerError", "differing", "ruler_at", "ruler_of", "run_gate"]

FORM = 1  # gate BASE HEAD --ruler own --root DIR --ends-with PID
HERE = Path(__file__).parents[2]
LAYOUTS = (
    ("perflab", "perflab.gate.command"),
    ("benchmarks", "benchmarks.rig.gate.command"),
)
"""Where a tree can have its gate, newest first: `python -m PROGRAM gate`, and the module of it. A
row stays: base and head of a move lie on either side of it."""
ASKED_S = 120  # importing the gate takes less than a second on an idle machine
KEPT = 8  # trees of 9 MB each

SURVEY = """
import hashlib, importlib, json, pathlib, sys
place = pathlib.Path(sys.argv[1]).resolve()
prefix = pathlib.Path(sys.prefix).resolve()
sys.path.insert(0, str(place))
command = importlib.import_module(sys.argv[2])
files = {}
for module in list(sys.modules.values()):
    file = pathlib.Path(getattr(module, "__file__", None) or "/").resolve()
    installed = prefix.is_relative_to(place) and file.is_relative_to(prefix)
    if file.is_relative_to(place) and file.is_file() and not installed:
        files[str(file.relative_to(place))] = hashlib.sha256(file.read_bytes()).hexdigest()
found = {"figures": list(command.METRICS), "files": files, "policy": str(command.POLICY)}
print(json.dumps(found | {"form": getattr(command, "RULER_FORM", 0)}))
"""


class RulerError(Exception):
    """A commit's gate does not run; the message has its last words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruler:
    """The gate in one tree."""

    place: Path
    program: str
    """It is run as `python -m PROGRAM gate` there."""
    form: int
    """0 of one that no other checkout can hand a change to."""
    figures: frozenset[str]
    policy: Path
    files: Mapping[str, str]
    """What it imports of the tree: path and digest."""


def differing(one: Ruler, other: Ruler) -> list[str]:
    """The files in which two rulers differ."""
    paths = one.files.keys() | other.files.keys()
    return sorted(each for each in paths if one.files.get(each) != other.files.get(each))


def ruler_of(root: Path, commit: Commit) -> Ruler | None:
    """The ruler of a commit of the repository at `root`; None if it has no gate.

    Raises:
        RulerError: it has one, and that does not run.
    """
    store = root / ".asv" / "gate" / "rulers"
    place = store / commit.hash
    if not place.is_dir():
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix="making-") as scratch:
            tree = Path(scratch, "tree")
            try:
                take_out(root, commit, tree)
            except BuildError as error:
                raise RulerError(str(error)) from error
            if not place.is_dir():  # another gate may have been faster
                tree.rename(place)
    place.touch()
    forget_old(store, KEPT)
    return ruler_at(place)


@cache
def ruler_at(place: Path) -> Ruler | None:
    """The ruler in a tree; None if it has no gate. Raises RulerError."""
    for program, module in LAYOUTS:
        if place.joinpath(*module.split(".")).with_suffix(".py").is_file():
            return _asked(place, program, module)
    return None


def _asked(place: Path, program: str, module: str) -> Ruler:
    command = [sys.executable, "-c", SURVEY, str(place), module]
    try:
        done = subprocess.run(
            command,
            cwd=place,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ASKED_S,
        )
        if done.returncode:
            raise RulerError(f"its gate does not import:\n{done.stderr.strip()[-2000:]}")
        said = json.loads(done.stdout)
        return Ruler(
            place=place,
            program=program,
            form=int(said["form"]),
            figures=frozenset(map(str, said["figures"])),
            policy=Path(said["policy"]),
            files=dict(said["files"]),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RulerError(f"its gate cannot be asked: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RulerError(f"its gate said {done.stdout[-200:]!r}") from error


def _environment() -> dict[str, str]:
    """This process's, without what would put another tree's modules first."""
    environment = child_environment()
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTHONSAFEPATH", None)
    return environment


def run_gate(ruler: Ruler, arguments: Sequence[str], *, aside: bool = False) -> int:
    """Run a ruler's gate and see it end; its exit code, 2 where a signal ended it.

    It ends when this process does. Ctrl-C is passed on, and what it kept is kept. One that only
    measures `aside` tells a workflow nothing.
    """
    environment = _environment()
    if aside:
        environment.pop("GITHUB_ACTIONS", None)
    command = [sys.executable, "-m", ruler.program, "gate", *arguments]
    command += ["--ends-with", str(os.getpid())]
    process = subprocess.Popen(
        command,
        cwd=ruler.place,
        env=environment,
        stdin=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C comes from here, and once
    )
    try:
        code = process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    return code if code >= 0 else 2
