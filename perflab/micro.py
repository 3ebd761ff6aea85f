"""`python -m perflab micro`: the hot path's functions, each alone, timed by pyperf.

pyperf spawns a process for every few values, since processes differ by more than the values of one
do. Its script is `micro/script.py`; here are the choice of what it runs, its start and end, and the
reading of its file.

Rule: prints pyperf's own words and tables, and judges nothing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import entry, subject
from benchmarks.common.children import child_environment
from benchmarks.micro.catalogue import GROUPS, MICROS

__all__ = ["EPILOG", "Examined", "MicroError", "add_arguments", "examine", "main"]

GRACE_S = 5.0  # the script and its worker end with their standard input, at once

# What pyperf's workers would not see of the environment otherwise.
INHERITED = "--inherit-environ=PYTHONHASHSEED,PYTHONDONTWRITEBYTECODE"

EPILOG = f"""\
NAME is a function or a group ({", ".join(GROUPS)}); without any, all are timed.
Each is timed in processes of its own: 20 of them by default (about 15 s per function), 10 with
--fast (7 s), 40 with --rigorous (30 s).

before and after a change:
  python -m perflab micro decode node_store -o before.json
  ...
  python -m perflab micro decode node_store -o after.json --compare-to before.json
  python -m perflab micro --compare-to before.json after.json     # again, without measuring

The comparison is pyperf's, and for reading: on a shared machine the same code can differ from
itself by more than half. exit codes: 0 done, 2 something could not be measured, 130 interrupted
"""


class MicroError(RuntimeError):
    """pyperf did not do what it was asked."""


@dataclass
class Examined:
    """Which micro benchmarks this commit's p2pcore can do: prepared once, and the result right."""

    possible: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # name -> which part it lacks
    wrong: dict[str, str] = field(default_factory=dict)  # name -> what came out instead


def examine(names: Iterable[str]) -> Examined:
    """Prepare each, which compares its result with what it must be."""
    found = Examined()
    for name in names:
        try:
            MICROS[name].prepare()
        except NotImplementedError as reason:
            found.missing[name] = str(reason)
        except AssertionError as error:
            found.wrong[name] = str(error)
        else:
            found.possible.append(name)
    return found


def _run_script(names: list[str], file: Path, options: Iterable[str]) -> None:
    """Have pyperf time these functions and write `file`; MicroError if it could not."""
    command = [sys.executable, "-P", entry.__file__, "benchmarks.micro.script"]
    command += [subject.core_dir(), ",".join(names), "-o", str(file), INHERITED, *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=child_environment())
    try:
        code = process.wait()
    finally:  # also at Ctrl-C, which the script leaves to us
        _end(process)
    if code:
        raise MicroError(f"pyperf ended with {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `micro`."""
    parser.add_argument("names", nargs="*", metavar="NAME", type=_name, help="what to time")
    parser.add_argument("--list", action="store_true", help="list groups and functions, and end")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--fast", action="store_true", help="rough figures: half the processes")
    effort.add_argument("--rigorous", action="store_true", help="twice the processes")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="keep the values in this new JSON file"
    )
    parser.add_argument(
        "--compare-to",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="one FILE of -o: measure, and compare with it; two: compare them, measuring nothing",
    )


def _name(text: str) -> str:
    if text not in GROUPS and text not in MICROS:
        known = ", ".join([*GROUPS, *MICROS])
        raise argparse.ArgumentTypeError(
            f"no function or group is called {text!r}; there are {known}"
        )
    return text


def main(args: argparse.Namespace) -> int:
    """List, measure or compare; 0, or 2 if something could not be measured or compared."""
    if args.list:
        _list()
        return 0
    problem = _problem(args)
    if problem:
        print(f"micro: {problem}", file=sys.stderr)
        return 2
    if len(args.compare_to) == 2:
        return _compare(*args.compare_to)
    try:
        return _measure_and_compare(args)
    except MicroError as error:
        print(f"micro: {error}", file=sys.stderr)
        return 2


def _problem(args: argparse.Namespace) -> str | None:
    """What is wrong with the files asked for; said before minutes go into measuring."""
    compared: list[Path] = args.compare_to
    if len(compared) > 2:
        return f"--compare-to takes one file or two, not {len(compared)}"
    lost = [str(file) for file in compared if not file.is_file()]
    if lost:
        return f"no such file to compare with: {', '.join(lost)}"
    if len(compared) == 2 and (args.names or args.output or args.fast or args.rigorous):
        return "two files are compared as they are: nothing is measured, so leave the rest out"
    if args.output and args.output.exists():
        return f"{args.output} is there already, and is not overwritten"
    if args.output and not args.output.absolute().parent.is_dir():
        return f"there is no directory {args.output.parent} to write into"
    return None


def _list() -> None:
    for group, micros in GROUPS.items():
        print(group)
        for name, micro in micros.items():
            print(f"  {name:16} {micro.about}")


def _measure_and_compare(args: argparse.Namespace) -> int:
    chosen = {each: None for name in args.names or GROUPS for each in GROUPS.get(name, [name])}
    examined = examine(chosen)
    for name, reason in (examined.missing | examined.wrong).items():
        print(f"micro: {name} is not measured: {reason}", file=sys.stderr)
    if not examined.possible:
        return 2
    options = [f"--{effort}" for effort in ("fast", "rigorous") if getattr(args, effort)]
    code = 2 if examined.missing or examined.wrong else 0
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / (args.output.name if args.output else "now")  # heads pyperf's column
        _run_script(examined.possible, file, options)
        if args.compare_to:
            code = max(code, _compare(args.compare_to[0], file))
        if args.output:
            shutil.move(file, args.output)
    return code


def _compare(before: Path, after: Path) -> int:
    """pyperf's own table of two files; 2 if it can't read them."""
    command = [sys.executable, "-m", "pyperf", "compare_to", str(before), str(after), "--table"]
    return 2 if subprocess.run(command, check=False).returncode else 0
