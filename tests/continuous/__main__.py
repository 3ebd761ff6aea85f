"""The commands."""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import tests.continuous
from tests.continuous.clone import Clone, TrialError, clone, neighbour
from tests.continuous.defects import DEFECTS, codec_truth

MOST_FALSE = 1
SIZE_POINTS = 0.05
SPREAD = {"cpu": 1.05, "sockets": 1.10}
CPU = re.compile(r"hotpath\.|baseline\.Cpu\.")


def aa(options: argparse.Namespace) -> int:
    """False alarms of equal cores."""
    with clone(None) as trial, ExitStack() as stack:
        if options.neighbour:
            stack.enter_context(neighbour(options.seed))
        for number in range(1, options.runs + 1):
            run = trial.continuous(options.bench)
            trial.runs.append(run)
            ratios = sorted(
                run.head[name] / run.base[name] for name in run.base if name in run.head
            )
            print(
                f"run {number}: exit {run.code}, {len(run.changed)} called changed "
                f"{run.changed}; {len(ratios)} ratios from {ratios[0]:.3f} to {ratios[-1]:.3f}, "
                f"{run.seconds:.0f} s",
                flush=True,
            )
    false = sum(len(run.changed) for run in trial.runs)
    print(f"{false} false alarms in {options.runs} runs; at most {MOST_FALSE}")
    _keep(options, [vars(run) for run in trial.runs])
    return int(false > MOST_FALSE)


def ab(options: argparse.Namespace) -> int:
    """Known defects, each with an asv environment of its own."""
    wrong, kept = 0, {}
    for defect in DEFECTS:
        if options.only and defect.name not in options.only:
            continue
        with clone(defect) as trial, ExitStack() as stack:
            if options.neighbour:
                stack.enter_context(neighbour(options.seed))
            truth = codec_truth(trial.root) if defect.name == "codec" else 0.0
            for _ in range(options.runs):
                trial.runs.append(trial.continuous(options.bench or [defect.bench]))
        kept[defect.name] = [vars(run) for run in trial.runs]
        for pattern, expected in defect.truth:
            wrong += _judge(
                defect.name, pattern, expected if expected == expected else truth, trial
            )
    _keep(options, kept)
    return int(wrong > 0)


def _judge(name: str, pattern: str, expected: float, trial: Clone) -> int:
    """Print how often each figure was found, and how large; how many were not right."""
    wrong = 0
    for figure in sorted(filter(re.compile(pattern).match, trial.runs[0].base)):
        ratios = [run.head[figure] / run.base[figure] for run in trial.runs]
        found = sum(figure in run.changed for run in trial.runs)
        off = [ratio for ratio in ratios if abs(ratio - expected) > SIZE_POINTS]
        wrong += bool(off) or found < len(ratios)
        print(
            f"{name}: {figure}: found in {found} of {len(ratios)}, "
            f"{min(ratios):.3f} to {max(ratios):.3f}, is {expected:.3f}; {len(off)} off",
            flush=True,
        )
    return wrong


def again(options: argparse.Namespace) -> int:
    """One commit, many times."""
    calibrated: dict[str, list[float]] = {}
    raw: dict[str, list[float]] = {}
    begin_s = time.monotonic()
    with clone(None) as trial:
        for number in range(options.runs):
            with ExitStack() as stack:
                if options.neighbour and number % 2:
                    stack.enter_context(neighbour(options.seed + number))
                for series, figures in zip(
                    (calibrated, raw), trial.run(options.bench), strict=True
                ):
                    for name, seconds in figures.items():
                        series.setdefault(name, []).append(seconds)
            next_s = begin_s + (number + 1) * options.minutes * 60 / options.runs
            time.sleep(max(0.0, next_s - time.monotonic()))
    far = 0
    for name, values in sorted(calibrated.items(), key=lambda each: -_spread(each[1])):
        most = SPREAD["cpu" if CPU.match(name) else "sockets"]
        far += _spread(values) > most
        mark = "!" if _spread(values) > most else " "
        print(
            f"{mark} {_spread(values):6.3f} (raw {_spread(raw[name]):6.3f}, at most {most}) {name}"
        )
    for title, pattern in (("cpu", True), ("sockets", False)):
        spreads = [_spread(v) for k, v in calibrated.items() if bool(CPU.match(k)) == pattern]
        if spreads:
            print(f"{title}: {len(spreads)} figures, median {statistics.median(spreads):.3f}")
    _keep(options, {"calibrated": calibrated, "raw": raw})
    return int(far > 0)


def _spread(values: Sequence[float]) -> float:
    """P90 over P10, by nearest rank."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[math.ceil(0.9 * last)] / ordered[math.floor(0.1 * last)]


def _keep(options: argparse.Namespace, content: object) -> None:
    if options.json:
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.continuous",
        description=tests.continuous.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trial", choices=["aa", "ab", "again"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bench", action="append", default=[], metavar="REGEX")
    parser.add_argument("--neighbour", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", nargs="*", choices=[each.name for each in DEFECTS])
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    trials: Mapping[str, Callable[[argparse.Namespace], int]] = {"aa": aa, "ab": ab, "again": again}
    try:
        return trials[options.trial](options)
    except TrialError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
