"""`python -m perflab field`: a window of production, filed as a run beside those of the lab.

Rule: reads options, files, says what was filed; the sampling is `sampling.py`'s.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

from perflab.production.command import JOB, asked_prometheus, held_plan
from perflab.production.field_record import FieldRecord, write_field
from perflab.production.field_summary import breached, field_step
from perflab.production.prometheus import PrometheusError
from perflab.production.sampling import FieldRequest, sample_field
from perflab.production.window import WindowError, window_of
from perflab.readiness.targets import SHIPPED
from perflab.results.checkout import CheckoutError, commit_of
from perflab.results.commits import read_tags
from perflab.stats.thresholds import TargetError

__all__ = ["EPILOG", "add_arguments", "add_source", "field_main"]

FIGURES = ("latency P50", "latency P95", "latency P99", "latency P99.9")

EPILOG = """\
examples:
  python -m perflab field http://127.0.0.1:9090 --window 1h
  python -m perflab field http://127.0.0.1:9090 --window 2026-11-28T10:00..2026-11-28T12:00
  python -m perflab field URL --window 1d --name eu --commit v0.1.0

What is asked: how operations ended and how long they took, as the clients counted; over the window,
and in at most 120 steps of it. Then `make site` shows the window among the load runs.

exit codes: 0 filed, the objectives were kept; 1 filed, one was not; 2 not filed, or filed with too
few samples for a verdict (it says which)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `field`."""
    add_source(parser)
    parser.add_argument(
        "--window",
        required=True,
        metavar="A..B|1h",
        help="the last hour (also 30m, 1d12h), or from and to: ISO 8601, UTC unless it says more, "
        "or seconds since 1970; 1 minute to 31 days",
    )
    parser.add_argument("--name", help="what the network is called (default: the job)")
    parser.add_argument(
        "--commit",
        metavar="REV",
        help="what ran there (default: the tag of the version that all its processes tell)",
    )
    parser.add_argument(
        "--least-complete",
        type=float,
        default=0.95,
        metavar="SHARE",
        help="of the samples, below which no verdict rests on the window (default: %(default)g)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where it goes (default: .asv/field/NAME/COMMIT-TIME); it must not exist",
    )


def add_source(parser: argparse.ArgumentParser, *, url: str | None = None) -> None:
    """Which Prometheus, which job of it, and which targets it is held to."""
    parser.add_argument("url", metavar="URL", nargs=url, help="a Prometheus: http://HOST:PORT")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="what it wants to see as a bearer token"
    )
    parser.add_argument(
        "--job",
        default="p2pcore",
        help="its name of the job that scrapes nodes and clients (default: %(default)s)",
    )
    parser.add_argument(
        "--targets", type=Path, default=SHIPPED, metavar="FILE", help="(default: the shipped ones)"
    )
    parser.add_argument(
        "--hold",
        action="append",
        metavar="SET",
        help="sets of targets that are held; again for more (default: production, of a file of "
        "your own all)",
    )


def field_main(options: argparse.Namespace, root: Path) -> int:
    """Sample, file and tell; for the exit codes see `EPILOG`."""
    now_s = float(int(time.time()))
    try:
        if not 0 <= options.least_complete <= 1:
            raise WindowError(f"--least-complete is 0 to 1, not {options.least_complete:g}")
        name = options.name or options.job
        if not JOB.fullmatch(name):
            raise WindowError(f"--name is letters, digits, '_', '.' and '-', not {name!r}")
        plan = held_plan(options)
        prometheus = asked_prometheus(options, options.url)
        request = FieldRequest(
            window=window_of(options.window, now_s),
            job=options.job,
            name=name,
            objectives=plan.objectives,
            least_complete=options.least_complete,
            asked_s=now_s,
            command=shlex.join(["python", "-m", "perflab", *sys.argv[1:]]),
        )
        record = sample_field(prometheus, request)
        record = replace(record, commit=_commit(options.commit, record, root))
        directory = options.out or _place(root, record)
        write_field(record, directory)
    except (
        CheckoutError, NotImplementedError, OSError, PrometheusError, TargetError, WindowError
    ) as error:  # fmt: skip
        print(f"field: {error}", file=sys.stderr)
        return 2
    return _told(record, directory)


def _commit(asked: str | None, record: FieldRecord, root: Path) -> str:
    """All digits of what ran there; "" if nothing says it."""
    if asked:
        return commit_of(root, asked).hash
    version = record.versions.get("p2pcore", "")
    try:
        return read_tags(root).get(f"v{version}", "") if version else ""
    except CheckoutError:
        return ""


def _place(root: Path, record: FieldRecord) -> Path:
    moment = record.began[:19].replace(":", "").replace("-", "")
    parts = [part for part in (record.commit[:8], moment, f"{record.seconds:.0f}s") if part]
    place = root / ".asv" / "field" / record.name / "-".join(parts)
    if place.exists():
        raise WindowError(f"{place} is there already: this window is filed; --out names another")
    return place


def _told(record: FieldRecord, directory: Path) -> int:
    found, missed = field_step(record), breached(record)
    print(f"{record.name}: {record.operations:,.0f} operations in {record.seconds:,.0f} s, "
          f"{record.failed:,.0f} failed; {record.complete:.2%} of the samples")  # fmt: skip
    shown = [(name, found.figures[name].value) for name in FIGURES if name in found.figures]
    times = "  ".join(f"{name.removeprefix('latency ')} {ms:.3g}" for name, ms in shown)
    print(f"latency from the call, within buckets, ms: {times}")
    for line in found.events:
        print(line)
    if not record.commit:
        print("no commit: it stands on the site by its date alone; --commit says what ran there")
    print(f"filed: {directory}")
    if found.problem:
        print(f"no verdict: {found.problem}")
        return 2
    for line in missed:
        print(f"NOT KEPT {line}")
    return 1 if missed else 0
