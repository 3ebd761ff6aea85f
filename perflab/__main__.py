"""python -m perflab: what there is to do with the suite beyond asv's own commands.

Rule: reads arguments and turns outcomes into exit codes; the work is done in the
features' rooms. A command is a row of COMMANDS.

Exit codes: 0 done, 1 what was measured is not as it must be (each command says what that means), 2
something could not be measured or the arguments are wrong, 130 interrupted.
"""

import argparse
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

try:
    from perflab import micro
    from perflab.alerts import command as alerts
    from perflab.archive import command as archive
    from perflab.archive.form import HistoryError
    from perflab.archive.status import require_results
    from perflab.bench import budget
    from perflab.bench import command as bench
    from perflab.canary import command as canary
    from perflab.capacity import command as capacity
    from perflab.chaos import command as chaos
    from perflab.critical import command as critical
    from perflab.culprit import command as bisect
    from perflab.explain import command as explain
    from perflab.foreign import command as foreign
    from perflab.gate import command as gate
    from perflab.gate import flame
    from perflab.gate.remeasure import measure_again
    from perflab.load import command as load
    from perflab.monitor import watch
    from perflab.mutate import command as mutate
    from perflab.peers import command as peers
    from perflab.production import command as production
    from perflab.production import field_command as field
    from perflab.production import sla_command as sla
    from perflab.readiness import command as readiness
    from perflab.results.asv_config import MeasureError, html_dir, results_dir
    from perflab.results.asv_results import ResultsError
    from perflab.results.checkout import CheckoutError
    from perflab.results.project import own_project
    from perflab.scaling import command as scaling
    from perflab.site import preview
    from perflab.sweep import command as sweep
    from perflab.tune import command as tune
    from perflab.usage import BAD_USAGE, Command
except (Exception, KeyboardInterrupt) as error:  # Python would end with 1, which means more here
    if __name__ != "__main__":
        raise
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    traceback.print_exc()
    sys.exit(2)

__all__ = ["main"]

ROOT = Path(__file__).parents[1]
READER_GONE = 128 + 13  # as a shell tells it: `... | head` has read enough


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character shows its code
            stream.reconfigure(errors="backslashreplace")
    options = _parsed(list(sys.argv[1:] if arguments is None else arguments))
    signal.signal(signal.SIGTERM, _terminated)
    try:
        of_another = getattr(options, "config", None) is not None
        code: int = foreign.run(options) if of_another else options.run(options)
        sys.stdout.flush()  # here, where a reader that is gone is no error
    except (CheckoutError, HistoryError, MeasureError, ResultsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except Exception:  # a bug of ours, told as such: 1 would say that something was measured
        traceback.print_exc()
        return 2
    except KeyboardInterrupt:
        kept = {
            "bench": ": the commits finished before are kept",
            "bisect": ": with --steps, the same command goes on",
            "gate": ": what was measured is kept",
            "mutate": ": the same command goes on",
            "sweep": ": the same command goes on",
            "tune": ": the same command goes on",
        }.get(options.command, "")
        print(f"interrupted{kept}", file=sys.stderr)
        return 130
    return code


def _parsed(arguments: list[str]) -> argparse.Namespace:
    try:
        return _parser().parse_args(arguments)
    except SystemExit as end:
        # Whose 2 means something else.
        if end.code == 2 and arguments[:1] in (["gate"], ["bisect"], ["flame"], ["alerts"]):
            raise SystemExit(BAD_USAGE) from None
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m perflab",
        description="Measure p2pcore: over its own history, and here and now.",
        epilog="exit codes: 0 done, 1 what was measured is not as it must be (the command's --help "
        "says what), 2 something could not be measured, 130 interrupted",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter
            if command.epilog
            else argparse.HelpFormatter,
        )
        command.add_arguments(sub)
        if command.name in foreign.COMMANDS and command.name != "preview":
            foreign.add_project_arguments(sub, default=None)
        sub.set_defaults(run=command.run)
    return parser


def _site(_options: argparse.Namespace) -> int:
    require_results(own_project(ROOT), _write)
    bench.publish(ROOT, _write)
    return 0


def _budget(_options: argparse.Namespace) -> int:
    return budget.report(results_dir(ROOT), _write)


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    """For commands without options."""


COMMANDS = (
    Command(
        "bench",
        "measure the newest commits that lack results, publish the site",
        "Measure the newest commits that lack results, and publish the site.",
        bench.add_arguments,
        lambda options: bench.main(options, ROOT, _write),
    ),
    Command(
        "site",
        "publish the site from the results there are",
        "Publish the site from the results there are, by `asv publish` with our pages. What would "
        "end or hang asv (tags of no commit, infinite values, torn files) is left out of what it "
        "gets, and told in a line each. The old site stays until the new one is whole.",
        _no_arguments,
        _site,
    ),
    Command(
        "preview",
        "serve the site to this machine alone",
        "Serve the site that was built, on 127.0.0.1. Ctrl-C ends it.",
        preview.add_arguments,
        lambda options: preview.main(options, html_dir(ROOT), _write),
    ),
    Command(
        "history",
        "measurements that last: fetch, merge, keep, prune",
        "Bring measurements of several machines together, and keep them in the repository.",
        archive.add_arguments,
        lambda options: archive.main(options, own_project(ROOT)),
        archive.EPILOG,
    ),
    Command(
        "budget",
        "the seconds that each suite took, beside those it may take",
        "The seconds per suite that asv recorded for the commit measured last, beside the table "
        "they have to keep to. Exit code 1: a budget was passed; 2: a suite was not measured whole "
        "(`make bench COMMITS=1 FULL=1` does) or is not in the table.",
        _no_arguments,
        _budget,
    ),
    Command(
        "peers",
        "the core beside its ceiling and its peers, now, on this machine",
        "Throughput and latency of the core, alternating with the thinnest store that Python can "
        "be made to run and with other stores that it starts (`--with`); figures that are quoted "
        "stand apart. Exit code 1: a floor was missed; 2: not all that was asked for was measured.",
        peers.add_arguments,
        peers.main,
    ),
    Command(
        "load",
        "offer a network a load on a schedule, with faults, and write down what came of it",
        "Operations start when the schedule says, whatever became of those before, and their "
        "latency counts from then. Exit code 1: the network did not come back after a fault, or "
        "lost what it had acknowledged; 2: it could not be measured.",
        load.add_arguments,
        lambda options: load.main(options, ROOT),
    ),
    Command(
        "sweep",
        "the same question for many seeds, here or on many machines",
        "Play seeds of simulated networks, of chaos or of replayed gates, as tasks that may be "
        "played anywhere and again.",
        sweep.add_arguments,
        lambda options: sweep.main(options, ROOT),
        sweep.EPILOG,
    ),
    Command(
        "mutate",
        "which slowdowns would the figures see, and which mistakes the tests?",
        "Change one thing in each function of the core, drawn by lot, and look who notices.",
        mutate.add_arguments,
        lambda options: mutate.main(options, ROOT),
        mutate.EPILOG,
    ),
    Command(
        "gate",
        "judge a change: is HEAD slower than BASE?",
        "Measure two commits beside each other and judge each benchmark by its kind: counts and "
        "instructions exactly, processor time in interleaved rounds with bounds.",
        gate.add_arguments,
        gate.main,
        gate.EPILOG,
    ),
    Command(
        "bisect",
        "find the commit that made a benchmark slower",
        bisect.DESCRIPTION,
        bisect.add_arguments,
        bisect.main,
        bisect.EPILOG,
    ),
    Command(
        "canary",
        "is a candidate as good as the baseline? promote, hold or roll back",
        "Two networks, or two commits that are served here, do the same slots of a schedule in "
        "turn; what differs is judged after each pair, until it is clear or time is over.",
        canary.add_arguments,
        lambda options: canary.main(options, ROOT),
        canary.EPILOG,
    ),
    Command(
        "ab",
        "the same for one setting: what is it worth?",
        "Serve the core of this checkout twice, the candidate with one setting changed, and "
        "compare them as `canary` does.",
        canary.add_ab_arguments,
        lambda options: canary.ab_main(options, ROOT),
        canary.EPILOG,
    ),
    tune.COMMAND,
    Command(
        "flame",
        "who does more: a flame graph of two commits, counted",
        flame.DESCRIPTION,
        flame.add_arguments,
        flame.main,
        flame.EPILOG,
    ),
    Command(
        "alerts",
        "has anything become slower in the published history?",
        alerts.DESCRIPTION,
        alerts.add_arguments,
        lambda options: alerts.main(options, gate.ROOT, measure_again),
        alerts.EPILOG,
    ),
    Command(
        "explain",
        "one page for one finding: series, commit, functions, hunks, what else moved",
        explain.DESCRIPTION,
        explain.add_arguments,
        lambda options: explain.main(options, gate.ROOT),
        explain.EPILOG,
    ),
    critical.COMMAND,
    Command(
        "micro",
        "time the hot path's functions, each alone, with pyperf",
        "Time the hot path's functions, each alone, with pyperf, in this checkout.",
        micro.add_arguments,
        micro.main,
        micro.EPILOG,
    ),
    Command(
        "chaos",
        "does the core keep its promise on real processes, now, on this machine?",
        "Real node processes, real clients, real faults; what the clients saw is held against what "
        "the core promises. Exit code 1: broken, with the story of the key.",
        chaos.add_arguments,
        chaos.main,
    ),
    Command(
        "monitor",
        "watch running processes: processor, memory, threads, descriptors",
        "Watch running processes by their ids, ours or not, and write every sample to a file. Ends "
        "at Ctrl-C, after --seconds, or with the last of them.",
        watch.add_arguments,
        watch.main,
    ),
    Command(
        "scaling",
        "what an operation and a node cost, from eight nodes to a million",
        "Measure real networks of up to eight nodes, simulate larger ones, fit laws, and say what "
        "these mean for up to a million nodes, and what breaks first.",
        scaling.add_arguments,
        scaling.main,
        scaling.EPILOG,
    ),
    capacity.COMMAND,
    Command(
        "rules",
        "the targets as recording rules and alerts for Prometheus",
        "Write recording rules, alerts on the rate at which the budget of each target burns, and "
        "promtool's tests of them. Exit code 2: the arguments or the targets are wrong.",
        production.add_rules_arguments,
        production.rules_main,
    ),
    Command(
        "dashboard",
        "the targets and all metrics as a dashboard for Grafana",
        "Write a dashboard: how fast the budget of each target burns, and a panel for each metric. "
        "Exit code 2: the arguments or the targets are wrong.",
        production.add_dashboard_arguments,
        production.dashboard_main,
    ),
    Command(
        "field",
        "a window of production, from a Prometheus, filed beside the runs of the lab",
        "Sample a window of a Prometheus that scrapes a network, and file it as a run: the site "
        "shows it among the load runs, marked as field.",
        field.add_arguments,
        lambda options: field.field_main(options, ROOT),
        field.EPILOG,
    ),
    Command(
        "sla",
        "a month's service levels: budgets spent, breaches, when and how long",
        "Report a month of a Prometheus, or of filed windows, against the targets: how much of "
        "each error budget was spent, and when more was bad than it has room for.",
        sla.add_arguments,
        lambda options: sla.sla_main(options, ROOT),
        sla.EPILOG,
    ),
    Command(
        "readiness",
        "is it ready? measure a fixed set, file it, report, judge",
        "Measure the fixed set of scenarios (up to ten minutes on two cores), file the run beside "
        "asv's results, and end with a verdict per target and overall. Exit code 0: ready; 1: a "
        "target was not met; 2: none was missed, but something could not be measured.",
        readiness.add_arguments,
        lambda options: readiness.main(options, ROOT),
    ),
    Command(
        "report",
        "the report of a filed readiness, load, chaos or field run, made again",
        "Make the report of a readiness run again, perhaps with other targets, or that of one "
        "load, chaos or field run. Exit codes as of readiness.",
        readiness.add_report_arguments,
        lambda options: readiness.report_main(options, ROOT),
    ),
    Command(
        "trends",
        "each figure of the filed readiness runs: changes, drift, when it crosses its target",
        "Over the filed readiness runs of a machine: the range of each figure, where it changed "
        "its level, and when it crosses its target if it goes on drifting as it does.",
        readiness.add_trends_arguments,
        lambda options: readiness.trends_main(options, ROOT),
    ),
)


def _write(text: str) -> None:
    print(text, flush=True)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    # The same orderly end as Ctrl-C: asv is stopped and its children with it.
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
