"""`python -m perflab critical`: if a function cost nothing, how long would operations take?

Rule: reads options, prints, decides on exit codes; counting is `work.py`'s, playing `play.py`'s.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from perflab.critical.predict import FreedWaits, SeededNetworks, Spread
from perflab.critical.work import CoreWork, WorkError, work_of
from perflab.gate.builds import BuildError, build
from perflab.results.checkout import Commit, commit_of
from perflab.usage import Command

__all__ = ["COMMAND"]

ROOT = Path(__file__).parents[2]
MOST_ERROR = 0.05
PACKAGE = "p2pcore/"
DESCRIPTION = (
    "If a function cost nothing, how long would operations take? Nodes and clients are played in "
    "virtual time, and messages take what the core's work for them says, which is counted exactly."
)
EPILOG = """\
A row says how much of all work for messages is the function's, of which kind of message it is
most, and how long P50 and P99 would be if it cost nothing. Work is bytecode instructions and calls
into C of the core alone: sockets, TLS and the event loop are in none of it. Changes are of pairs of
equal seeds, with the interval of 95 % over seeds.

With --against, the functions that another commit does not run any more (or those of --of) cost
nothing, and what is predicted so, from the first commit alone, is held against what is played with
the other's counts.

exit codes:
  0  the table is there; with --against, the predicted P99 is within 5 % of the other's
  1  with --against: they are not
  2  a commit does not build, or could not be counted or played

examples:
  python -m perflab critical                                   # this checkout's core
  python -m perflab critical --callees --functions 20          # each with all that it calls
  python -m perflab critical v0.1 --of 'wire/codec.py:FrameParser.feed'
  python -m perflab critical HEAD~1 --against HEAD             # is it so, of a real change?
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `critical`."""
    add = parser.add_argument
    add("commit", nargs="?", metavar="COMMIT", help="whose core (default: this checkout's files)")
    add("--against", metavar="HEAD", help="hold the prediction against another commit")
    add(
        "--of", action="append", default=[], metavar="FUNCTION", type=_whole_name,
        help="this one, as tables name it",
    )  # fmt: skip
    add("--functions", type=int, default=12, metavar="N", help="the largest N (%(default)s)")
    add("--callees", action="store_true", help="a function with all that it calls")
    add("--seeds", type=int, default=6, metavar="N", help="networks (%(default)s)")
    add("--operations", type=int, default=2000, metavar="N", help="in each (%(default)s)")
    add("--busy", type=float, default=0.5, metavar="SHARE", help="of nodes' time (%(default)s)")
    add(
        "--message-us", type=float, default=50.0, metavar="US",
        help="to read or to send a message, on average (%(default)s)",
    )  # fmt: skip
    add("--latency-us", type=int, default=100, metavar="US", help="one way (%(default)s)")


def _whole_name(told: str) -> str:
    """Tables leave out what all names begin with."""
    return told if told.startswith(PACKAGE) else PACKAGE + told


def _main(options: argparse.Namespace) -> int:
    """Count, play, tell; the exit code of EPILOG."""
    try:
        _check(options)
        base = commit_of(ROOT, options.commit) if options.commit else None
        core = str(ROOT) if base is None else _built(base)
        _say(f"== counting what each message costs ({base or 'this checkout'})")
        work = work_of(core)
        missing = set(options.of) - work.functions().keys()
        if missing:
            raise WorkError(f"no message runs {', '.join(sorted(missing))}")
        _say(f"== playing {options.seeds} networks of {options.operations:,} operations")
        bench = SeededNetworks(
            work, busy=options.busy, message_us=options.message_us, latency_us=options.latency_us,
            operations=options.operations, seeds=options.seeds,
        )  # fmt: skip
        _say(_kinds(work, bench.unit_ns))
        if base is not None and options.against:
            head = commit_of(ROOT, options.against)
            return _held((base, head), work, work_of(_built(head)), bench, options)
        _table(work, bench, options)
    except (BuildError, RuntimeError) as error:
        print(f"critical: {error}", file=sys.stderr)
        return 2
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.against and not options.commit:
        raise WorkError("--against takes a COMMIT to begin with")
    for name, least, most in (
        ("functions", 1, 1000), ("seeds", 2, 1000), ("operations", 100, 1_000_000),
        ("busy", 0.01, 0.95), ("message_us", 0.1, 1e6), ("latency_us", 0, 10_000_000),
    ):  # fmt: skip
        value = getattr(options, name)
        if not least <= value <= most:
            option = name.replace("_", "-")
            raise WorkError(f"--{option} takes {least:g} to {most:g}, not {value:g}")


def _built(commit: Commit) -> str:
    return str(build(ROOT, commit, ROOT / ".asv" / "gate" / "builds"))


def _kinds(work: CoreWork, unit_ns: float) -> str:
    times = (
        f"{kind} {read * unit_ns / 1000:.0f} + {send * unit_ns / 1000:.0f} µs"
        for kind, (read, send) in work.kinds().items()
    )
    return f"== to read and to send one: {', '.join(times)}"


def _table(work: CoreWork, bench: SeededNetworks, options: argparse.Namespace) -> None:
    shares = work.functions(callees=options.callees)
    names = options.of or list(shares)[: options.functions]
    p50, p99 = bench.waits()
    _say(f"== now: P50 {_ms(p50)}, P99 {_ms(p99)}; nodes busy {options.busy:.0%} of their time\n")
    _say("| if this cost nothing | of all work | most of | P50 | P99 |")
    _say("| --- | --- | --- | --- | --- |")
    for name in names:
        found = bench.with_kinds(work.kinds({name: 1.0}, callees=options.callees))
        kind, share = work.most_of(name, callees=options.callees)
        _say(
            f"| {name.removeprefix(PACKAGE)} | {shares[name]:.1%} | {kind} {share:.0%} "
            f"| {_changed(found.p50, found.p50_change)} | {_changed(found.p99, found.p99_change)} |"
        )


def _held(
    commits: tuple[Commit, Commit], work: CoreWork, other: CoreWork, bench: SeededNetworks,
    options: argparse.Namespace,
) -> int:  # fmt: skip
    """What is predicted from the base alone, and what it is with the other's counts."""
    ours, theirs = (each.functions(callees=options.callees) for each in (work, other))
    free = options.of or [name for name in ours if name not in theirs]
    if not free:
        raise WorkError(f"every function of {commits[0].hash[:8]} is still run; --of names some")
    predicted = bench.with_kinds(work.kinds(dict.fromkeys(free, 1.0), callees=options.callees))
    measured = bench.with_kinds(other.kinds())
    p50, p99 = bench.waits()
    _say(f"== {commits[1]}; predicted from these costing nothing:")
    for name in free:
        _say(f"   {name} {ours[name]:.2%}")
    _say("\n| | P50 | P99 |\n| --- | --- | --- |")
    _say(f"| {commits[0].hash[:8]} | {_ms(p50)} | {_ms(p99)} |")
    for title, found in (("predicted", predicted), ("measured", measured)):
        _say(
            f"| {title} | {_changed(found.p50, found.p50_change)} "
            f"| {_changed(found.p99, found.p99_change)} |"
        )
    error = _error(predicted, measured)
    _say(f"\n== the predicted P99 is off by {error:+.2%}; {MOST_ERROR:.0%} are allowed")
    return 0 if abs(error) <= MOST_ERROR else 1


def _error(predicted: FreedWaits, measured: FreedWaits) -> float:
    return predicted.p99.mean / measured.p99.mean - 1


def _ms(value: Spread) -> str:
    return f"{value.mean:.3f} ms ± {value.half:.3f}"


def _changed(value: Spread, change: Spread) -> str:
    return f"{value.mean:.3f} ms, {change.mean:+.1%} ± {change.half:.1%}"


def _say(text: str) -> None:
    print(text, flush=True)


COMMAND = Command(
    "critical",
    "what P50 and P99 would be if a function cost nothing, in virtual time",
    DESCRIPTION,
    _add_arguments,
    _main,
    EPILOG,
)
