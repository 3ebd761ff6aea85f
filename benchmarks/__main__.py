"""python -m benchmarks: what there is to do with the suite beyond asv's own commands.

Rule: reads arguments and turns outcomes into exit codes; the work is done in the rig.

Exit codes: 0 done, 1 a floor was missed (peers) or the promise broken (chaos), 2 something could
not be measured or the arguments are wrong, 130 interrupted.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from benchmarks.rig import chaos, peers
from benchmarks.rig.checkout import CheckoutError
from benchmarks.rig.history import SHORT, MeasureError, Request, measure, publish

__all__ = ["main"]

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if options.command == "peers":
            return peers.main(options)
        if options.command == "chaos":
            return chaos.main(options, ROOT)
        if options.command == "site":
            publish(ROOT, _write)
        else:
            measure(ROOT, _request(options), _write)
    except (CheckoutError, MeasureError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        kept = ": the commits finished before are kept" if options.command == "bench" else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure p2pcore over its own history.",
        epilog="exit codes: 0 done, 1 a floor was missed (peers) or the promise broken (chaos), "
        "2 something could not be measured, 130 interrupted",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    bench = commands.add_parser(
        "bench",
        help="measure the newest commits that lack results, publish the site",
        description="Measure the newest commits that lack results, and publish the site.",
    )
    bench.add_argument(
        "--commits",
        default="5",
        metavar="N|A..B",
        help="how many of the newest commits of HEAD's first-parent history that lack results, "
        "or a range of commits (default: 5)",
    )
    bench.add_argument(
        "--full",
        action="store_true",
        help=f"every benchmark; else the short selection {SHORT}",
    )
    bench.add_argument(
        "--retry-failed", action="store_true", help="measure again what failed before"
    )
    bench.add_argument(
        "--machine",
        help="name to store the results under (default: the one asv knows, else the host's name)",
    )
    peers.add_arguments(
        commands.add_parser(
            "peers",
            help="the core beside its ceiling and its peers, now, on this machine",
            description="Throughput and latency of the core, alternating with the thinnest store "
            "that Python can be made to run, beside the figures of other systems. Exit code 1: a "
            "floor was missed.",
        )
    )
    chaos.add_arguments(
        commands.add_parser(
            "chaos",
            help="does the core keep its promise on real processes, now, on this machine?",
            description="Real node processes, real clients, real faults; what the clients saw is "
            "held against what the core promises. Exit code 1: broken, with the story of the key.",
        )
    )
    commands.add_parser("site", help="publish the site from the results there are")
    return parser


def _request(options: argparse.Namespace) -> Request:
    return Request(
        commits=options.commits,
        full=options.full,
        retry_failed=options.retry_failed,
        machine=options.machine,
    )


def _write(text: str) -> None:
    print(text, flush=True)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    # The same orderly end as Ctrl-C: asv is stopped and its children with it.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
