"""`python -m perflab sla`: a month's report on service levels, as Markdown, JSON and HTML.

Rule: reads options and writes files; what stands in them is `sla.py`'s.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

import msgspec

from perflab.production.command import JOB, asked_prometheus, held_plan
from perflab.production.field_command import add_source
from perflab.production.field_record import FieldRecordError, HeldObjective
from perflab.production.prometheus import PrometheusError
from perflab.production.sampling import NoSeriesError
from perflab.production.sla import Month, SlaStep, judge_month
from perflab.production.sla_samples import of_filed, of_prometheus
from perflab.production.window import TimeWindow, WindowError, month_of, so_far
from perflab.report.sla import sla_html, sla_markdown
from perflab.report.sla_form import SlaReport
from perflab.stats.thresholds import TargetError

__all__ = ["EPILOG", "add_arguments", "sla_main"]

EXIT_CODES = {"met": 0, "not met": 1, "unmeasured": 2}

EPILOG = """\
examples:
  python -m perflab sla http://127.0.0.1:9090                  # this month, so far
  python -m perflab sla http://127.0.0.1:9090 --month 2026-10
  python -m perflab sla --month 2026-10 --name eu              # of filed windows (perflab field)

A Prometheus forgets after 15 days unless it is told otherwise (--storage.tsdb.retention.time=40d).
Where it is not, `perflab field --window 1d` each day keeps what a month's report needs.

exit codes: 0 all objectives were kept; 1 one was not; 2 it could not be measured, or not asked
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sla`."""
    add_source(parser, url="?")
    parser.add_argument(
        "--month", metavar="YYYY-MM", help="of UTC; what has passed of it (default: this one)"
    )
    parser.add_argument("--name", help="what the network is called (default: the job)")
    parser.add_argument(
        "--least-rate",
        type=float,
        default=1.0,
        metavar="X",
        help="operations per second, below which nothing is a breach (default: %(default)g)",
    )
    parser.add_argument(
        "--least-complete",
        type=float,
        default=0.95,
        metavar="SHARE",
        help="of the time, below which no objective is said to be kept (default: %(default)g)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/sla"),
        metavar="DIR",
        help="where sla-NAME-MONTH.md, .json and .html go (default: %(default)s)",
    )


def sla_main(options: argparse.Namespace, root: Path) -> int:
    """Sample, judge, write and print; for the exit codes see `EPILOG`."""
    now_s = float(int(time.time()))
    try:
        report = _report(options, root, now_s)
        options.output.mkdir(parents=True, exist_ok=True)
        stem = options.output / f"sla-{report.name}-{report.month}"
        told = sla_markdown(report)
        _write(Path(f"{stem}.md"), told.encode())
        _write(Path(f"{stem}.json"), msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        _write(Path(f"{stem}.html"), sla_html(report).encode())
    except (
        FieldRecordError, NotImplementedError, OSError, PrometheusError, TargetError, WindowError
    ) as error:  # fmt: skip
        print(f"sla: {error}", file=sys.stderr)
        return 2
    print(told)
    print(f"files: {stem}.md, .json, .html")
    return EXIT_CODES[report.state]


def _report(options: argparse.Namespace, root: Path, now_s: float) -> SlaReport:
    month = options.month or time.strftime("%Y-%m", time.gmtime(now_s))
    name = options.name or options.job
    if not JOB.fullmatch(name):
        raise WindowError(f"--name is letters, digits, '_', '.' and '-', not {name!r}")
    if not (0 <= options.least_complete <= 1 and 0 < options.least_rate < float("inf")):
        raise WindowError(
            "--least-complete is 0 to 1 and --least-rate above 0, not "
            f"{options.least_complete:g} and {options.least_rate:g}"
        )
    whole = month_of(month)
    window = so_far(whole, now_s)
    plan = held_plan(options)
    held = [
        HeldObjective(target=each.target, budget=each.budget, within_s=each.within_s)
        for each in plan.objectives
    ]
    steps, source = _samples(options, root / ".asv" / "field" / name, window, held)
    asked = Month(
        month=month,
        name=name,
        source=source,
        window=window,
        over=window == whole,
        asked_s=now_s,
        command=shlex.join(["python", "-m", "perflab", *sys.argv[1:]]),
        objectives=held,
        left_out=plan.left_out,
        least_rate=options.least_rate,
        least_complete=options.least_complete,
    )
    return judge_month(asked, steps)


def _samples(
    options: argparse.Namespace, folder: Path, window: TimeWindow, held: list[HeldObjective]
) -> tuple[list[SlaStep], str]:
    if options.url is None:
        steps, windows = of_filed(folder, window, held)
        if not steps:
            text = "no window of that month is filed there: python -m perflab field URL --window 1d"
            raise NoSeriesError(f"{folder}: {text}")
        return steps, f"{windows} filed windows of {folder.name}"
    prometheus = asked_prometheus(options, options.url)
    steps = of_prometheus(prometheus, options.job, window, held)
    if not steps:
        raise NoSeriesError(
            f"{prometheus.url} has no operations of job {options.job!r} from {window}"
        )
    return steps, f"{prometheus.url}, job {options.job}"


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.replace(path)
