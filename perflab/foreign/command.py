"""The command `perflab`: the site, alerts, history and trends of any project that has an asv suite.

`python -m perflab site --config FILE` and its neighbours do the same from this repository.

Rule: reads arguments and turns outcomes into exit codes; the work is done elsewhere.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from perflab.alerts import command as alerts
from perflab.archive import command as archive
from perflab.archive.form import HistoryError
from perflab.foreign import trends
from perflab.foreign.publish import publish
from perflab.foreign.rules import RULES, Rules, load_rules
from perflab.results.asv_config import CONFIG, MeasureError
from perflab.results.asv_results import ResultsError
from perflab.results.checkout import CheckoutError
from perflab.results.project import Project, read_project
from perflab.site import preview

__all__ = ["COMMANDS", "add_project_arguments", "main", "run"]

READER_GONE = 128 + 13  # as a shell tells it: `... | head` has read enough
EPILOG = f"""\
examples, in the folder of {CONFIG}:
  perflab site                    # the pages, into html_dir; they need no internet
  perflab preview                 # http://127.0.0.1:8080/
  perflab alerts                  # what has become slower near the tip; each is told once
  perflab trends --only sort      # steps and drifts of each figure, in words
  perflab history pack            # results -> .asv-history, a small form that git can merge

{RULES} beside {CONFIG} says what a suite does not: which figures are exact, where higher is better,
what stands on the front page. exit codes: 0 done, 1 a new alarm, 2 something cannot be read or
decided, 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a character shows its code
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        code = run(options)
        sys.stdout.flush()  # here, where a reader that is gone is no error
    except (CheckoutError, HistoryError, MeasureError, ResultsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception:  # a bug of ours, told as such: 1 would say that something was found
        traceback.print_exc()
        return 2
    return code


def run(options: argparse.Namespace) -> int:
    """One of COMMANDS for the project that the options name: the exit code."""
    rules = options.rules or _folder(options.config) / RULES
    found = load_rules(rules, asked=options.rules is not None)
    project = read_project(options.config, options.repo)
    return COMMANDS[options.command](options, project, rules, found)


def add_project_arguments(
    parser: argparse.ArgumentParser, *, default: Path | None, told: bool = True
) -> None:
    """The options that say which project is meant, of a command and of each of its actions."""
    group = parser.add_argument_group("another project" if default is None else "the project")
    where = "here" if default else "this repository"
    group.add_argument(
        "--config",
        type=Path,
        default=default if told else argparse.SUPPRESS,
        metavar="FILE",
        help=f"the suite's {CONFIG}, or its folder (default: {where})",
    )
    group.add_argument(
        "--repo",
        type=Path,
        default=None if told else argparse.SUPPRESS,
        metavar="CLONE",
        help="a clone of what is measured, if `repo` is an address and asv has no mirror beside it",
    )
    group.add_argument(
        "--rules",
        type=Path,
        default=None if told else argparse.SUPPRESS,
        metavar="FILE",
        help=f"kinds and directions of benchmarks (default: {RULES} beside the configuration)",
    )
    for each in parser._actions:
        if isinstance(each, argparse._SubParsersAction):
            for action in each.choices.values():
                add_project_arguments(action, default=default, told=False)


def _folder(config: Path) -> Path:
    return config if config.is_dir() else config.parent


def _site(_options: argparse.Namespace, project: Project, rules: Path, _found: Rules) -> int:
    site = publish(project, rules, _say)
    _say(f"== site: {site / 'index.html'}")
    return 0


def _alerts(options: argparse.Namespace, project: Project, _rules: Path, found: Rules) -> int:
    if options.confirm or options.power is not None:
        raise MeasureError("--confirm and --power measure here, and not another project")

    def watched() -> alerts.WatchedProject:
        kinds = alerts.suite_kinds(project.benchmarks)
        return alerts.WatchedProject(
            project=project, policy=found.policy, kinds=kinds, about=found.about
        )

    return alerts.look(options, watched)


def _history(options: argparse.Namespace, project: Project, _rules: Path, _found: Rules) -> int:
    return archive.main(options, project)


def _trends(options: argparse.Namespace, project: Project, _rules: Path, found: Rules) -> int:
    if getattr(options, "quick", False):
        raise MeasureError("--quick is of readiness runs, which another project has not")
    return trends.report(
        trends.model_of(project, found),
        only=options.only,
        machine=options.machine,
        whole=getattr(options, "all", False),
        write=_say,
        results=project.results,
    )


def _preview(options: argparse.Namespace, project: Project, _rules: Path, _found: Rules) -> int:
    return preview.main(options, project.html, _say)


COMMANDS: dict[str, Callable[[argparse.Namespace, Project, Path, Rules], int]] = {
    "site": _site,
    "preview": _preview,
    "alerts": _alerts,
    "history": _history,
    "trends": _trends,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perflab",
        description="Pages, alerts, kept history and trends of the results of an asv suite.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=description)

    command(
        "site",
        "the pages of all results there are",
        "Publish the results by `asv publish`, with a front page, a page for each benchmark and "
        "commit, and comparisons. What would end or hang asv is left out of what it gets, and told "
        "in a line each. The old site stays until the new one is whole.",
    )
    preview.add_arguments(
        command("preview", "serve the pages to this machine alone", "Ctrl-C ends it.")
    )
    watched = command(
        "alerts",
        "has anything become slower near the tip?",
        "Look for steps in the results close to the tip of the branch, and tell each once. Exit "
        "code 1: an exact figure is worse; 2: a figure with noise has a step, a benchmark newly "
        "fails, or something cannot be read; 0: nothing new.",
    )
    alerts.add_reading_arguments(watched)
    archive.add_arguments(
        command("history", "keep results in a repository, merge them", "A small form for git.")
    )
    looked = command(
        "trends",
        "steps and drifts of each figure, in words",
        "Over the commits of the branch: where each figure changed its level, by how much, how "
        "sure that is, and where it drifts.",
    )
    looked.add_argument("--only", default="", metavar="TEXT", help="figures whose name has it")
    looked.add_argument("--machine", metavar="NAME", help="of this machine (default: of all)")
    looked.add_argument("--all", action="store_true", help="also figures that did nothing")
    for each in commands.choices.values():
        add_project_arguments(each, default=Path(CONFIG))
    return parser


def _version() -> str:
    try:
        return f"perflab {version('perflab')}"
    except PackageNotFoundError:
        return "perflab, from a checkout of p2pcore"


def _say(text: str) -> None:
    print(text, flush=True)
