"""What Dask adds to the generator's lag: shares on its workers and on local processes in turn.

    python -m tests.perflab.cluster.beside_local --runs 5 --rate 1500 --seconds 8

A scheduler and three workers are there all the time; the target is nobody. Prints start skew, rate
against the plan, and the P99 of the lag of each run, then the medians and their ratio. Ends with 1
if a run was not complete.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.common import subject
from perflab.cluster.addresses import open_scheduler
from perflab.cluster.scheduler import SchedulerError
from perflab.load.figures import figures
from perflab.load.plan import LoadPlan
from perflab.load.record import LoadRecord
from perflab.load.scenario import LoadScenario, scenario_of
from perflab.load.shared_run import SharedRun
from perflab.load.target import Nobody
from perflab.load.view import PlainView
from tests.perflab.cluster.dask_cluster import READY_S, DaskCluster

SHARES = 3


def run(address: str, scenario: LoadScenario, directory: Path) -> LoadRecord:
    """One run."""
    directory.mkdir()
    loop = subject.default_loop()
    plan = LoadPlan(scenario=scenario, directory=directory, loop=loop, command="beside_local")
    with open_scheduler(address) as scheduler, Nobody() as target:
        return SharedRun(plan, target, PlainView(), scheduler).run()


def wait_for_workers(address: str) -> None:
    """Until all are there; AssertionError if they do not come."""
    deadline_s, seen = time.monotonic() + READY_S, "no scheduler"
    while time.monotonic() < deadline_s:
        try:
            with open_scheduler(address) as scheduler:
                if len(scheduler.seats) == SHARES:
                    return
                seen = f"{len(scheduler.seats)} workers"
        except SchedulerError as error:
            seen = str(error)
        time.sleep(0.2)
    raise AssertionError(f"{SHARES} workers: not within {READY_S:g} s, but {seen}")


def main() -> int:
    """Print a line for each run; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each kind")
    parser.add_argument("--rate", type=float, default=1500)
    parser.add_argument("--seconds", type=float, default=8)
    args = parser.parse_args()
    phase = {"pattern": "constant", "rate": args.rate, "seconds": args.seconds}
    load = {"clients": SHARES, "records": 100}
    scenario = scenario_of({"name": "lag", "phase": [phase], "load": load})
    lags: dict[str, list[float]] = {"local": [], "dask": []}
    complete = True
    with DaskCluster(SHARES) as cluster, tempfile.TemporaryDirectory() as folder:
        wait_for_workers(cluster.address)
        for number in range(args.runs):
            for kind, address in (("local", f"local:{SHARES}"), ("dask", cluster.address)):
                record = run(address, scenario, Path(folder) / f"{kind}-{number}")
                found = figures(record.rows, record.errors, args.seconds)
                firsts = [share.first_lag_ns or 0 for share in record.shares]
                complete &= record.result is not None and record.result.end == "complete"
                lags[kind].append(found.lag_p99_s * 1e3)
                print(f"== {kind}: start skew {(max(firsts) - min(firsts)) / 1e6:.3f} ms, "
                      f"{found.rate_asked / args.rate - 1:+.2%} of the plan, lag P99 "
                      f"{found.lag_p99_s * 1e3:.3f} ms, CPU "
                      f"{sum(last_cpu_s(record)):.2f} s", flush=True)  # fmt: skip
    middle = {kind: median(values) for kind, values in lags.items()}
    pairs = [dask / local for local, dask in zip(lags["local"], lags["dask"], strict=True)]
    print(f"lag P99, median of {args.runs}: local {middle['local']:.3f} ms, dask "
          f"{middle['dask']:.3f} ms ({middle['dask'] / middle['local'] - 1:+.1%}); median of the "
          f"ratios of neighbours {median(pairs) - 1:+.1%}")  # fmt: skip
    return 0 if complete else 1


def last_cpu_s(record: LoadRecord) -> list[float]:
    """Processor time of each share, as far as it was told."""
    parts = range(record.manifest.clients)
    return [
        max([each.cpu_s for each in record.intervals if each.process == n] or [0.0]) for n in parts
    ]


if __name__ == "__main__":
    sys.exit(main())
