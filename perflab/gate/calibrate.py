"""`python -m perflab gate --calibrate`: how often is the gate itself wrong, here?

Records one commit beside itself, or reads a recording, replays gates from it, and files what came
of it as JSON and Markdown.

Rule: order of work and files; recording is in `recording.py`, gates are replayed in `replay.py`.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random, SystemRandom

from benchmarks.common.records import this_machine
from benchmarks.micro.catalogue import MICROS
from perflab.gate import calibration
from perflab.gate.builds import BuildError, build
from perflab.gate.paired_rounds import PREFIX
from perflab.gate.policy import Policy
from perflab.gate.recording import RecordingError, read, record
from perflab.gate.replay import calibrate
from perflab.gate.waits import calibrate as waits
from perflab.gate.waits.life import WaitError
from perflab.results.asv_process import minutes
from perflab.results.checkout import commit_of

__all__ = ["CalibrateError", "add_arguments", "main"]

MOST_MINUTES = 24 * 60
MOST_GATES = 100_000
PROGRESS_S = 15


class CalibrateError(Exception):
    """The arguments make no sense; the message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `gate` that belong to --calibrate."""
    group = parser.add_argument_group(
        "how good is the gate itself",
        "With --calibrate, BASE (default: HEAD) is measured beside itself, and gates are replayed\n"
        "from that. Exit code 0: false alarms are as few as the policy promises; 1: they are not;\n"
        "2: that cannot be said.",
    )
    group.add_argument("--calibrate", action="store_true", help="measure the gate, not a change")
    group.add_argument(
        "--minutes", type=float, default=60, metavar="N", help="to record (default: %(default)s)"
    )
    group.add_argument(
        "--from", type=Path, dest="recording", metavar="FILE", help="replay this recording instead"
    )
    group.add_argument(
        "--sockets",
        action="store_true",
        help="record and replay waits at sockets alone, which the other recording has not",
    )
    group.add_argument(
        "--end-to-end",
        action="store_true",
        help="instead: gates on commits of edits whose effect is known, made in a clone; exit "
        "code 1: one was judged wrongly",
    )
    group.add_argument(
        "--causes",
        action="store_true",
        help="instead: is the guilty hunk named, among harmless ones? Seeded defects and others "
        "that are drawn, as commits in a clone; exit code 1: too seldom",
    )
    group.add_argument(
        "--order",
        action="store_true",
        help="instead: how soon would the first verdict have come, over the last commits",
    )
    group.add_argument(
        "--gates", type=int, default=2000, metavar="N", help="to replay (default: %(default)s)"
    )


def main(options: argparse.Namespace, root: Path, policy: Policy, rounds_s: float) -> int:
    """Record or read, replay, file and tell; `rounds_s` is what a gate has for its rounds.

    Raises:
        CalibrateError: an option is out of its range.
        CheckoutError: git knows no such commit.
    """
    if not 0 < options.minutes <= MOST_MINUTES:
        raise CalibrateError(f"--minutes takes 0 to {MOST_MINUTES}, not {options.minutes:g}")
    if not 1 <= options.gates <= MOST_GATES:
        raise CalibrateError(f"--gates takes 1 to {MOST_GATES}, not {options.gates}")
    place = options.output or _place(root)
    place.mkdir(parents=True, exist_ok=True)
    if options.sockets:
        return _sockets(options, root, policy, place)
    try:
        file = options.recording or _record(options, root, place)
        found = calibrate(
            read(file),
            policy,
            options.budget,
            rounds_s,
            options.gates,
            Random(SystemRandom().getrandbits(64)),
            lambda text: _say(f"== {text}"),
        )
    except (RecordingError, BuildError) as error:
        print(f"gate: {error}", file=sys.stderr)
        return 2
    text = calibration.as_markdown(found)
    (place / "calibration.md").write_text(text, encoding="utf-8")
    (place / "calibration.json").write_text(calibration.as_json(found), encoding="utf-8")
    _say(f"{text}\n\n== files: {place}")
    return 0 if calibration.as_promised(found) else 1


def _sockets(options: argparse.Namespace, root: Path, policy: Policy, place: Path) -> int:
    """The same for waits at sockets."""
    try:
        file = options.recording
        if file is None:
            commit, file = commit_of(root, options.base or "HEAD"), place / waits.RECORDING
            core = str(build(root, commit, root / ".asv" / "gate" / "builds"))
            told = _progress(options.minutes * 60)
            _say(f"== recording {options.minutes:g} minutes into {file}")
            waits.record_lives(file, core, commit, _about(), options.minutes * 60, told)
        found = waits.replayed(
            waits.read_lives(file), policy, options.gates, Random(SystemRandom().getrandbits(64)),
            lambda text: _say(f"== {text}"),
        )  # fmt: skip
    except (RecordingError, BuildError, WaitError) as error:
        print(f"gate: {error}", file=sys.stderr)
        return 2
    text = waits.table(found)
    (place / "waits.md").write_text(text + "\n", encoding="utf-8")
    _say(f"{text}\n\n== files: {place}")
    return 0 if found.rows[0].red.low <= policy.false_alarms else 1


def _progress(whole_s: float) -> Callable[[str], None]:
    """Tells how far a recording is, now and then."""
    begin_s = told_s = time.monotonic()

    def progress(text: str) -> None:
        nonlocal told_s
        now = time.monotonic()
        if now - told_s > PROGRESS_S:
            told_s = now
            _say(f"== {minutes(now - begin_s)} of {minutes(whole_s)}: {text}")

    return progress


def _record(options: argparse.Namespace, root: Path, place: Path) -> Path:
    commit = commit_of(root, options.base or "HEAD")
    names = [name for name in MICROS if fnmatchcase(PREFIX + name, options.only)]
    if not names:
        raise CalibrateError(f"no function matches '{options.only}'; there is {PREFIX}encode_store")
    _say(f"== building {commit}")
    core = str(build(root, commit, root / ".asv" / "gate" / "builds"))
    file: Path = place / "recording.jsonl"
    progress = _progress(options.minutes * 60)
    _say(f"== recording {options.minutes:g} minutes into {file}")
    _say("   Ctrl-C keeps what there is: --calibrate --from FILE replays it")
    record(file, core, commit, _about(), names, options.minutes * 60, progress)
    return file


def _about() -> dict[str, str]:
    machine = this_machine()
    return {
        "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": machine.processor,
        "cores": str(machine.cores),
        "system": machine.system,
        "python": platform.python_version(),
    }


def _place(root: Path) -> Path:
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / ".asv" / "gate" / "calibrations" / moment


def _say(text: str) -> None:
    print(text, flush=True)
