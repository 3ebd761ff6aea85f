"""`python -m p2pcore.sim size`: grow a network of many nodes, use it, and say what that took.

Rule: words and numbers only; `size.py` measures.
"""

import argparse
import sys
import time
from math import inf, log2

from p2pcore.errors import ConfigError
from p2pcore.sim.explore.size import WRONG_VALUE, Lookups, Phase, Served, SizeRun, success_interval
from p2pcore.sim.network.links import PROFILES

__all__ = ["DESCRIPTION", "add_size", "run_size"]

PROGRESS_S = 10.0  # between lines of progress where no terminal shows them
LIVE_S = 0.2  # between two looks on a terminal
DESCRIPTION = """Nodes join, some of them look up points, clients store and retrieve 1 KiB values at
a fixed rate. All but the lines on cost is the same in every run of a seed."""


def add_size(parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    add = parser.add_argument
    add("--nodes", type=int, default=512, metavar="N", help="how many (512)")
    add("--warm", action="store_true", help="fill contact tables directly: nobody joins")
    add("--lookups", type=int, default=256, metavar="N", help="how many; 0: none (256)")
    add("--operations", type=int, default=10_000, metavar="N", help="how many; 0: none (10000)")
    add("--rate", type=float, default=1000.0, metavar="N", help="operations per virtual s (1000)")
    add("--clients", type=int, default=16, metavar="N", help="that take turns (16)")
    add(
        "--churn", type=float, default=0.0, metavar="SHARE",
        help="of the nodes that is replaced per virtual hour meanwhile: 0.5 is half (0)",
    )  # fmt: skip
    add("--link", choices=sorted(PROFILES), default="lan", help="of everybody (lan)")
    add("--seed", type=int, default=1, help="of all that is drawn (1)")


def run_size(args: argparse.Namespace) -> bool:
    """Do it, and print each part as soon as it is over; whether all values were right.

    Raises:
        ConfigError: an argument is out of its range.
    """
    _check(args)
    progress = _Progress()
    run = SizeRun(args.seed, link=PROFILES[args.link], progress=progress.show)
    phases = {"growing": run.grow(args.nodes, warm=args.warm)}
    progress.clear()
    _tell_growth(args, phases["growing"])
    right = True
    if args.lookups:
        lookups = run.look_up(args.lookups)
        progress.clear()
        phases["lookups"] = lookups.phase
        _tell_lookups(args, lookups)
    if args.operations:
        served = run.operate(
            args.operations,
            rate_per_s=args.rate,
            clients=args.clients,
            replaced_per_hour=args.churn,
        )
        progress.clear()
        phases["operations"] = served.phase
        _tell_operations(args, served)
        right = not served.failures[WRONG_VALUE]
    run.world.check()
    _tell_cost(phases)
    print(f"trace {run.world.trace_hash}")
    return right


def _check(args: argparse.Namespace) -> None:
    """Refuse before anything is grown what a later part would refuse."""
    for name in ("lookups", "operations", "churn"):
        if not 0 <= getattr(args, name) < inf:
            raise ConfigError(f"{name} must be 0 or more, not {getattr(args, name)}")
    if args.lookups and args.nodes == 1:
        raise ConfigError("nodes must be at least 2, for lookups, not 1: or --lookups 0")
    if args.operations and args.clients < 1:
        raise ConfigError(f"clients must be at least 1, not {args.clients}")
    if args.operations and not 0 < args.rate < inf:
        raise ConfigError(f"rate must be more than 0, not {args.rate}")


def _tell_growth(args: argparse.Namespace, phase: Phase) -> None:
    how = "put in their places (warm)" if args.warm else f"ready in {phase.virtual_s:.2f} virtual s"
    print(f"nodes: {args.nodes:,} {how}, seed {args.seed}, link {args.link}")
    each = f"{phase.messages / args.nodes:,.0f} messages, {phase.events / args.nodes:,.0f} events"
    print(f"  {each} each")
    cost = f"{1000 * phase.cpu_s / args.nodes:.1f} ms of CPU"
    if phase.grown_bytes is not None:
        cost += f", {phase.grown_bytes / args.nodes / 1024:.0f} KiB of memory"
    print(f"  cost: {cost} each", flush=True)


def _tell_lookups(args: argparse.Namespace, lookups: Lookups) -> None:
    goal = log2(args.nodes) / 3
    print(f"lookups: {lookups.count:,}, {lookups.hops:.2f} hops in the mean (log2(N) / 3 is "
          f"{goal:.2f}), {lookups.missed} missed the closest node", flush=True)  # fmt: skip


def _tell_operations(args: argparse.Namespace, served: Served) -> None:
    failed = served.failures.total()
    low, high = success_interval(failed, served.count)
    print(f"operations: {served.count:,} in {served.phase.virtual_s:.1f} virtual s, {failed} "
          f"failed: success {100 * low:.3f} to {100 * high:.3f} % (95 % interval)")  # fmt: skip
    for reason, count in served.failures.most_common():
        print(f"  {count} {reason}")
    for kind, values in served.latencies_ms.items():
        quantiles = [f"P{100 * share:g} {values[int(share * len(values))]:.2f}" for share in
                     (0.5, 0.99, 0.999)]  # fmt: skip
        print(f"  {kind}: {', '.join(quantiles)} ms of virtual time")
    if args.churn:
        print(f"  {served.left} nodes went, {served.came} came ({args.churn:g} per hour)")
    sys.stdout.flush()


def _tell_cost(phases: dict[str, Phase]) -> None:
    cpu_s = sum(phase.cpu_s for phase in phases.values())
    events = sum(phase.events for phase in phases.values())
    parts = ", ".join(
        f"{name} {phase.cpu_s:.1f} s ({phase.events / max(phase.cpu_s, 1e-9):,.0f} events/s)"
        for name, phase in phases.items()
    )
    print(f"cost: {cpu_s:.1f} s of CPU for {events:,} events: {parts}")


class _Progress:
    """How far the run is: a line that changes on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._begun_s = self._shown_s = time.monotonic()

    def show(self, what: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s < (LIVE_S if self._live else PROGRESS_S):
            return
        self._shown_s = now_s
        text = f"{what}: {done:,} of {total:,}, {now_s - self._begun_s:.0f} s"
        if self._live:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
