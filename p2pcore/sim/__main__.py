"""`python -m p2pcore.sim`: play scenarios that are drawn from seeds; see docs/simulation.md."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from p2pcore.errors import ConfigError
from p2pcore.sim.checkers.known_failures import KNOWN_FAILURES, known_failure
from p2pcore.sim.explore.play import Outcome, play
from p2pcore.sim.explore.scenarios import SCENARIOS, Scenario, draw, name_for
from p2pcore.sim.explore.size_command import DESCRIPTION as SIZE
from p2pcore.sim.explore.size_command import add_size, run_size
from p2pcore.sim.explore.sweep import SweepError, outcomes

__all__ = ["main"]

OK, BROKEN, USAGE, INTERRUPTED = 0, 1, 2, 130
PROGRESS_S = 10.0  # between lines of progress where no terminal shows them
EPILOG = """exit codes: 0 every promise was kept, or is known not to be; 1 one was broken;
2 wrong usage, or a run that could not be played; 130 interrupted. The same seed and scenario are
the same run, event for event."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The process's exit code.
    """
    args = _parser().parse_args(words)
    try:
        code: int = args.run(args)
    except (ConfigError, SweepError) as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m p2pcore.sim", description="The core in a simulated network.", epilog=EPILOG
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sweep = commands.add_parser(
        "sweep", help="play many seeds, on all processors", epilog=EPILOG,
        description="Each seed draws a scenario, a network, a workload and faults.",
    )  # fmt: skip
    sweep.add_argument("--seeds", type=_positive, default=200, metavar="N", help="how many (200)")
    sweep.add_argument("--first", type=int, default=1, metavar="SEED", help="the first (1)")
    sweep.add_argument("--scenario", metavar="NAME", help="play this one with every seed")
    sweep.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N",
        help="processes at a time (as many as processors)",
    )  # fmt: skip
    sweep.add_argument("--no-shrink", action="store_true", help="leave failing runs as drawn")
    sweep.set_defaults(run=_sweep)

    replay = commands.add_parser(
        "replay", help="play one seed again", epilog=EPILOG,
        description="Prints what came of it; the last line is `trace` and the run's hash.",
    )  # fmt: skip
    replay.add_argument("--seed", type=int, required=True)
    replay.add_argument("--scenario", metavar="NAME", help="default: the one that a sweep draws")
    replay.add_argument("--trace", action="store_true", help="tell every event, line by line")
    replay.add_argument(
        "--keep", type=_places, metavar="I,J", help="only these faults, counted from 0; '-': none"
    )
    replay.add_argument("--operations", type=int, metavar="N", help="only the first N")
    replay.set_defaults(run=_replay)

    size = commands.add_parser(
        "size", help="grow a network of many nodes, and use it", epilog=EPILOG, description=SIZE
    )
    add_size(size)
    size.set_defaults(run=lambda args: OK if run_size(args) else BROKEN)

    names = commands.add_parser("list", help="name the scenarios, and what is known to fail")
    names.set_defaults(run=_list)
    return parser


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _places(word: str) -> tuple[int, ...]:
    return () if word == "-" else tuple(int(each) for each in word.split(","))


# Commands


def _list(args: argparse.Namespace) -> int:
    for name, maker in SCENARIOS.items():
        print(f"{name:14} {(maker.__doc__ or '').splitlines()[0]}")
    for each in KNOWN_FAILURES:
        print(f"known: {each.scenario}, {each.checker}: {each.reason}")
    return OK


def _replay(args: argparse.Namespace) -> int:
    scenario = draw(args.scenario or name_for(args.seed), args.seed)
    scenario = replace(scenario, keep=args.keep, limit=args.operations)
    for place in scenario.kept:
        if not 0 <= place < len(scenario.faults):
            raise ConfigError(
                f"--keep: there is no fault {place}, there are {len(scenario.faults)}"
            )
    print(f"{scenario.name}, seed {scenario.seed}: {scenario.nodes} nodes, N, W, R of "
          f"{scenario.quorums}, {scenario.link}")  # fmt: skip
    for place in scenario.kept:
        print(f"  fault {place}: {scenario.faults[place]}")
    outcome = play(scenario, story=print if args.trace else None)
    for breach in outcome.breaches:
        print(f"  outside the assumptions: {breach}")
    print(f"{outcome.acknowledged} writes acknowledged, {outcome.read} reads, ", end="")
    print(f"{outcome.failed} failed, {outcome.events} events")
    code = _judge(outcome)
    print(f"trace {outcome.trace}")
    return code


def _judge(outcome: Outcome) -> int:
    """Say what is wrong with a run, if anything; its exit code."""
    if outcome.ok:
        return OK
    known = known_failure(outcome.scenario.name, outcome.broken)
    for line in outcome.story:
        print(f"    {line}")
    print(f"{'known' if known else 'BROKEN'}: {outcome.broken}: {outcome.text}")
    if known:
        print(f"  because: {known.reason}")
    return OK if known else BROKEN


def _sweep(args: argparse.Namespace) -> int:
    seeds = range(args.first, args.first + args.seeds)
    runs = [(args.scenario or name_for(seed), seed) for seed in seeds]
    if args.scenario:
        draw(args.scenario, args.first)  # is there such a scenario?
    progress = _Progress(len(runs))
    results = outcomes(runs, jobs=min(args.jobs, len(runs)), shrink=not args.no_shrink)
    try:
        for outcome in results:
            progress.count(outcome)
            known = known_failure(outcome.scenario.name, outcome.broken)
            if not outcome.ok and known is None:
                progress.clear()
                _judge(outcome)
                print(f"  replay: {_command(outcome.scenario)}", flush=True)
    except KeyboardInterrupt:
        progress.clear()
        print(f"interrupted after {progress.done} of {len(runs)} runs", file=sys.stderr)
        results.close()
        return INTERRUPTED
    progress.clear()
    return progress.summary()


def _command(scenario: Scenario) -> str:
    words = [f"python -m p2pcore.sim replay --seed {scenario.seed} --scenario {scenario.name}"]
    if scenario.keep is not None:
        words.append(f"--keep {','.join(map(str, scenario.keep)) or '-'}")
    if scenario.limit is not None:
        words.append(f"--operations {scenario.limit}")
    return " ".join(words)


class _Progress:
    """What a sweep shows while it runs, and at its end."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self._total = total
        self._begun_s = self._shown_s = time.monotonic()
        self._runs: Counter[str] = Counter()
        self._broken: Counter[str] = Counter()
        self._known: Counter[tuple[str, str]] = Counter()
        self._planned: Counter[str] = Counter()  # moments, by the message that they wait for
        self._struck: Counter[str] = Counter()  # those that came, by what they are
        self._outside = self._operations = self._events = 0
        self._live = sys.stderr.isatty()

    def count(self, outcome: Outcome) -> None:
        self.done += 1
        name = outcome.scenario.name
        self._runs[name] += 1
        self._outside += bool(outcome.breaches)
        self._operations += outcome.acknowledged + outcome.read + outcome.failed
        self._events += outcome.events
        faults = [outcome.scenario.faults[place] for place in outcome.scenario.kept]
        self._planned.update(each["message"] for each in faults if each["fault"] == "moment")
        self._struck.update(outcome.struck)
        if not outcome.ok:
            if known_failure(name, outcome.broken):
                self._known[name, outcome.broken] += 1
            else:
                self._broken[name] += 1
        self._show()

    def _show(self) -> None:
        now_s = time.monotonic()
        text = (
            f"{self.done} of {self._total} runs, {self._broken.total()} broken, "
            f"{now_s - self._begun_s:.0f} s"
        )
        if self._live:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif now_s - self._shown_s >= PROGRESS_S:
            print(text, file=sys.stderr, flush=True)
            self._shown_s = now_s

    def clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def summary(self) -> int:
        for name, runs in sorted(self._runs.items()):
            broken = self._broken[name]
            print(f"{name:14} {runs:4} runs" + (f", {broken} BROKEN" if broken else ""))
        for each in KNOWN_FAILURES:
            runs, failed = self._runs[each.scenario], self._known[each.scenario, each.checker]
            if runs:
                said = (
                    f"{failed} of {runs} failed" if failed else f"none of {runs} failed: still so?"
                )
                print(f"known: {each.scenario}, {each.checker}: {said} ({each.reason})")
        if self._planned:
            self._sum_up_moments()
        print(
            f"{self.done} runs, {self._broken.total()} broken, "
            f"{self._known.total()} known to fail, "
            f"{self._outside} partly outside the assumptions; {self._operations} operations, "
            f"{self._events} events, {time.monotonic() - self._begun_s:.0f} s"
        )
        return BROKEN if self._broken else OK

    def _sum_up_moments(self) -> None:
        came = {text.rpartition(" ")[2] for text in self._struck}
        never = ", ".join(sorted(self._planned.keys() - came)) or "none"
        print(
            f"moments: {self._struck.total()} of {self._planned.total()} came, "
            f"{len(self._struck)} different ones; messages at which none came: {never}"
        )


if __name__ == "__main__":
    sys.exit(main())
