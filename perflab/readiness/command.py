"""`python -m perflab readiness`: the fixed set of measurements, filed, judged and reported.

Theory of operation. Every step is a process of its own: one of the suite's own commands, so that
each can be repeated by hand, and none can take the others down. A step that takes too long is ended
with everything it started. The record is written as the run goes on (`record.py`), the
report is made from the record alone, and can be made again.

Rule: starts, waits and files; what it comes to, `conclude.py` finds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.common import subject
from benchmarks.common.processors import look, warning
from benchmarks.common.records import now_utc, this_machine
from perflab.readiness import trends
from perflab.readiness.baseline import FiledError, baseline
from perflab.readiness.conclude import conclude
from perflab.readiness.record import (
    FORMAT,
    MANIFEST,
    OUTCOMES,
    VERSION,
    MachineRecord,
    ReadinessManifest,
    ReadinessRecordError,
    RunStage,
    StageOutcome,
    read_record,
)
from perflab.readiness.report import EXIT_CODES
from perflab.readiness.single_run_report import PAGE, build_run, is_run, write_run_report
from perflab.readiness.stages import DIR, steps
from perflab.readiness.targets import (
    DURABILITIES,
    SHIPPED,
    Target,
    durability_of,
    read_targets,
)
from perflab.report.render import run_html
from perflab.results.checkout import CheckoutError, history, uncommitted
from perflab.stats.thresholds import TargetError

__all__ = [
    "add_arguments",
    "add_report_arguments",
    "add_trends_arguments",
    "main",
    "report_main",
    "runs_dir",
    "trends_main",
]

OUTPUT = "output.txt"
GRACE_S = 20.0  # from the word to end until it is killed: a swarm has let go of its ports by then
TOLD_LINES = 3
PACKAGES = ("p2pcore", "msgspec", "cryptography", "uvloop", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `readiness`."""
    parser.add_argument(
        "--quick", action="store_true", help="some two minutes, and less sure (default: up to ten)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of loads and faults (default: 1)")
    parser.add_argument(
        "--durability",
        choices=DURABILITIES,
        help="of the nodes that are measured (default: what the targets mean)",
    )
    _add_judging(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the run is filed (default: .asv/readiness/MACHINE/COMMIT-TIME)",
    )


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument(
        "filed",
        nargs="?",
        type=Path,
        metavar="RUN",
        help="a run's directory, of readiness (default: the newest), load or chaos",
    )
    _add_judging(parser)


def add_trends_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `trends`."""
    parser.add_argument("--quick", action="store_true", help="of quick runs (default: whole ones)")
    parser.add_argument("--only", default="", metavar="TEXT", help="figures whose name has it")
    parser.add_argument("--machine", metavar="NAME", help="whose runs (default: this machine's)")


def trends_main(options: argparse.Namespace, root: Path) -> int:
    """Print the histories of filed figures; 0, or 2 if there are none."""
    here = runs_dir(root)
    machine = here.with_name(options.machine) if options.machine else here
    try:
        return trends.report(machine, quick=options.quick, only=options.only, write=_say)
    except FiledError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--targets",
        type=Path,
        default=SHIPPED,
        metavar="FILE",
        help="targets of your own, as TOML (docs/readiness.md); default: those that are shipped",
    )
    parser.add_argument(
        "--hold",
        action="append",
        metavar="SET",
        help="the set of targets that decides; again for more (default: production, or all of a "
        "file of your own)",
    )
    parser.add_argument("--baseline", metavar="NAME", help="also compare with the run named so")
    parser.add_argument(
        "--name-baseline", metavar="NAME", help="let NAME stand for this run from now on"
    )


def runs_dir(root: Path) -> Path:
    """Where this machine's runs are filed."""
    return root / ".asv" / "readiness" / (this_machine().name or "machine")


def main(options: argparse.Namespace, root: Path) -> int:
    """Measure, file, report; 0 ready, 1 not ready, 2 could not be measured, 130 interrupted."""
    try:
        # A typo in the targets is told now and not in ten minutes.
        durability = options.durability or durability_of(options.targets)
        planned = steps(quick=options.quick, seed=options.seed, durability=durability)
        targets, held = _targets(options, planned)
        if options.baseline:
            baseline(runs_dir(root), options.baseline)
        subject.require("network")
        directory = _begin(options, root, planned)
    except (TargetError, FiledError, NotImplementedError, CheckoutError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    _say(f"{len(planned)} steps, at most {sum(each.limit_s for each in planned) / 60:.0f} minutes")
    try:
        for number, step in enumerate(planned, 1):
            _say(f"[{number}/{len(planned)}] {step.title}")
            outcome = _run_step(step, directory, root)
            _append(directory, outcome)
            ended = "done" if outcome.exit_code == 0 else f"exit code {outcome.exit_code}"
            _say(f"      {ended} after {outcome.seconds:.0f} s")
    except KeyboardInterrupt:
        _say("interrupted: the steps finished before are in the report")
        _conclude(directory, options, targets, held)
        return 130
    return _conclude(directory, options, targets, held)


def report_main(options: argparse.Namespace, root: Path) -> int:
    """Make the report of a run again; exit codes as of `readiness`."""
    if options.filed and is_run(options.filed):
        return _report_run(options.filed)
    try:
        directory = options.filed or _newest(runs_dir(root))
        planned = read_record(directory).manifest.steps
        targets, held = _targets(options, planned)
    except (TargetError, ReadinessRecordError, FiledError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _conclude(directory, options, targets, held)


def _report_run(directory: Path) -> int:
    """That of one load or chaos run."""
    try:
        report = build_run(directory)
        write_run_report(report, run_html(report), directory)
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {directory}: {error}", file=sys.stderr)
        return 2
    _say(f"{report.scenario}: {report.said}")
    for advice in report.advice:
        _say(f"{advice.cause}: {advice.text}")
    _say(f"report: {directory / PAGE}")
    return EXIT_CODES[report.state]


def _targets(
    options: argparse.Namespace, planned: Sequence[RunStage]
) -> tuple[list[Target], list[str]]:
    """The targets, and the names of the sets that decide; TargetError for an unknown one."""
    full = {tag for step in steps(quick=False, seed=0) for tag in step.tags}
    scopes = full | {tag for step in planned for tag in step.tags}
    targets = read_targets(options.targets, scopes=scopes)
    sets = list(dict.fromkeys(each.set for each in targets))
    held: list[str] = options.hold or (["production"] if options.targets == SHIPPED else sets)
    for name in held:
        if name not in sets:
            raise TargetError(f"--hold {name}: there are the sets {', '.join(sets)}")
    return targets, held


def _begin(options: argparse.Namespace, root: Path, planned: list[RunStage]) -> Path:
    """Make the run's directory, with its manifest; says where it is."""
    (commit, *_) = history(root, "HEAD^!")
    crowd = look()
    if told := warning(crowd):
        _say(f"note: {told}")
    machine, began = this_machine(), now_utc()
    manifest = ReadinessManifest(
        format=FORMAT,
        version=VERSION,
        began=began,
        command=" ".join(["python -m perflab", *sys.argv[1:]]),
        commit=commit.hash,
        subject=commit.subject,
        uncommitted=uncommitted(root),
        versions=_versions(),
        machine=MachineRecord(**asdict(machine)),
        load_average=list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        seed=options.seed,
        quick=options.quick,
        steps=planned,
        crowd=str(crowd) if crowd.too_busy else "",
    )
    moment = began[:19].replace(":", "").replace("-", "")
    directory: Path = options.out or runs_dir(root) / f"{commit.hash[:8]}-{moment}"
    if directory.exists():
        raise FileExistsError(f"{directory} is there already; --out names another directory")
    directory.mkdir(parents=True)
    text = json.dumps(asdict(manifest), indent=1) + "\n"
    (directory / MANIFEST).write_text(text, encoding="utf-8")
    return directory


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0], "loop": subject.default_loop()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # uvloop is not to be had everywhere
    return found


def _run_step(step: RunStage, directory: Path, root: Path) -> StageOutcome:
    """Run one step to its end, or end it; its output goes to a file of its own."""
    place = directory / step.name
    place.mkdir()
    command = [sys.executable, *(part.replace(DIR, str(place), 1) for part in step.command)]
    begin = time.monotonic()
    with (place / OUTPUT).open("wb") as output:
        # A session of its own: Ctrl-C is handed on once, and what is left over can be ended.
        child = subprocess.Popen(
            command, cwd=root, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code: int | None = child.wait(step.limit_s)
        except subprocess.TimeoutExpired:
            code = None
            _end(child)
        except BaseException:
            _end(child)
            raise
    lines = (place / OUTPUT).read_text(encoding="utf-8", errors="replace").splitlines()
    message = "" if code == 0 else " / ".join(line.strip() for line in lines[-TOLD_LINES:])
    return StageOutcome(
        step=step.name,
        seconds=round(time.monotonic() - begin, 3),
        exit_code=code,
        message=message or ("" if code == 0 else "it said nothing"),
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask a step to end, and kill it and all its children if it does not."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _append(directory: Path, outcome: StageOutcome) -> None:
    with (directory / OUTCOMES).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(outcome)) + "\n")


def _newest(machine: Path) -> Path:
    runs = sorted(machine.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise FiledError(f"no run is filed in {machine}: python -m perflab readiness")
    return runs[-1].parent


def _conclude(
    directory: Path, options: argparse.Namespace, targets: list[Target], held: list[str]
) -> int:
    return conclude(
        directory,
        targets,
        held,
        wanted=durability_of(options.targets),
        beside=options.baseline,
        call_it=options.name_baseline,
    )


def _say(text: str) -> None:
    print(text, flush=True)
