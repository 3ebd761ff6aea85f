"""Simulated node-hours without a false removal: python -m tests.removals HOURS [--seed N]

Networks of 16 nodes play half an hour each, seed after seed: every 5 s a tenth of the nodes stand
still for up to 2 s, and 5 % of all segments are lost (the case `pauses` of the suite `detection`).
Nobody has gone, so each node that drops out of a contact table is a false removal, and the exit
code 1. Goal (issue 21): none in 1,000 node-hours, which take half an hour of one core.
"""

import argparse
import sys

from benchmarks.common.simulated.detection import detection

__all__ = ["main"]

NODES, MINUTES = 16, 30


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.removals", description=__doc__)
    parser.add_argument("hours", type=float, metavar="HOURS")
    parser.add_argument("--seed", type=int, default=1000, help="the first (default %(default)s)")
    parser.add_argument("--minutes", type=int, default=MINUTES, help="of each seed")
    args = parser.parse_args(arguments)
    played, removals, seed = 0.0, 0.0, args.seed
    while played < args.hours:
        found = detection("pauses", seed, NODES, minutes=args.minutes)
        played += found["node_hours"]
        removals += found["false_removals"]
        print(f"seed {seed}: {found['false_removals']:.0f} false removals; {removals:.0f} in "
              f"{played:g} node-hours", flush=True)  # fmt: skip
        seed += 1
    return 1 if removals else 0


if __name__ == "__main__":
    sys.exit(main())
