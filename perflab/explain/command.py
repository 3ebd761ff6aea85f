"""`python -m perflab explain`: everything that is known of one figure that changed, on one page.

Of a step that `alerts` told of the published history, or of a red figure of a gate.

Rule: arguments and files; gathering is `of_history.py`'s and `of_gate.py`'s.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from perflab.alerts.judge import Finding, What
from perflab.alerts.report import AlertsError, known_in
from perflab.archive.shipped import unpack
from perflab.explain.form import Explanation
from perflab.explain.of_gate import VerdictError, explain_verdict, read_verdict
from perflab.explain.of_history import explain_finding, read_for_explaining
from perflab.explain.page import as_html, as_json, as_markdown, headline
from perflab.results.asv_config import configured_branch, results_dir
from perflab.results.checkout import branch_to_publish, history, require
from perflab.results.culprits import CULPRITS, CulpritsError, read_culprits
from perflab.results.explained import EXPLAINED, page_name

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "main"]

DESCRIPTION = (
    "Write one page (HTML, Markdown, JSON) for a step that alerts told, or for a red figure of a "
    "gate: what changed, since when, which functions and hunks are behind it, what else moved, and "
    "the lines to repeat or accept it."
)
EPILOG = """\
exit codes:
  0  the page is there
  2  there is no such finding or figure, or a file cannot be read

examples:
  python -m perflab explain                        # the steps that the last `alerts` told
  python -m perflab explain 1                      # the first of them
  python -m perflab explain 'baseline.Cpu.*'       # by its name
  python -m perflab explain --all                  # a page for each
  python -m perflab explain .asv/gate/runs/RUN     # the reddest figure of a gate
  python -m perflab explain .asv/gate/runs/RUN counts.bytes.store.8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    parser.add_argument(
        "finding", nargs="?", metavar="FINDING",
        help="a number of the list, a series' name or pattern; or the folder of a gate's run",
    )  # fmt: skip
    parser.add_argument("figure", nargs="?", metavar="FIGURE", help="of a gate's run, one of its")
    parser.add_argument("--all", action="store_true", help="every step that alerts told")
    parser.add_argument(
        "--no-trace",
        action="store_true",
        help="look for no functions and hunks: both sides would be built and traced for it",
    )
    parser.add_argument(
        "--alerts", type=Path, metavar="DIR", help="where alerts.json is (default: .asv/alerts)"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR",
        help="where the pages go (default: .asv/alerts/explain, or the gate's folder)",
    )  # fmt: skip


def main(options: argparse.Namespace, root: Path) -> int:
    """Explain and write; the exit code of EPILOG."""
    try:
        place = Path(options.finding) if options.finding else None
        if place is not None and place.exists():
            return _of_gate(options, place)
        if options.figure:
            raise VerdictError(f"{options.finding} is no folder of a gate's run")
        return _of_history(options, root)
    except (AlertsError, CulpritsError, VerdictError) as error:
        print(f"explain: {error}", file=sys.stderr)
        return 2


def _of_gate(options: argparse.Namespace, place: Path) -> int:
    found = explain_verdict(read_verdict(place), options.figure or "")
    folder = options.output or (place if place.is_dir() else place.parent)
    _write(found, folder, "explain")
    return 0


def _of_history(options: argparse.Namespace, root: Path) -> int:
    require(root, whole=True)
    unpack(root, results_dir(root), _say)
    place = options.alerts or root / ".asv" / "alerts"
    findings = [
        each for each in known_in(place / "alerts.json") if each.what in (What.SLOWER, What.FASTER)
    ]
    if not findings:
        print(f"explain: {place} has no step; `python -m perflab alerts` looks", file=sys.stderr)
        return 2
    if options.finding is None and not options.all:
        return _listed(findings)
    chosen = findings if options.all else _chosen(findings, options.finding)
    if not chosen:
        print(f"explain: no step is called '{options.finding}'", file=sys.stderr)
        _listed(findings)
        return 2
    branch = branch_to_publish(root, configured_branch(root))
    commits = [each.hash for each in history(root, branch)][::-1]
    known = read_for_explaining(root, commits, findings, read_culprits(place / CULPRITS))
    folder = options.output or place / EXPLAINED
    for number, each in enumerate(chosen, 1):
        traced = not options.no_trace
        if traced:
            _say(f"== {number} of {len(chosen)}: {each.series}: building and tracing both sides")
        name = page_name(each.series, each.machine, each.environment, each.commit)
        _write(explain_finding(known, each, traced=traced), folder, name)
    return 0


def _chosen(findings: Sequence[Finding], asked: str) -> list[Finding]:
    """By number, by name, or by pattern."""
    if asked.isdecimal():
        place = int(asked)
        return [findings[place - 1]] if 0 < place <= len(findings) else []
    tries: tuple[Callable[[Finding], bool], ...] = (
        lambda each: each.series == asked,
        lambda each: fnmatchcase(each.series, asked),
        lambda each: asked in each.series,
    )
    return next((found for test in tries if (found := [*filter(test, findings)])), [])


def _listed(findings: Sequence[Finding]) -> int:
    for number, each in enumerate(findings, 1):
        change = f"{(each.ratio - 1) * 100:+.3g} %"
        _say(f"{number:3}  {each.state.value:9} {change:>8}  {each.series}  on {each.machine}")
    return 0


def _write(each: Explanation, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ending, form in ((".html", as_html), (".md", as_markdown), (".json", as_json)):
        (folder / f"{name}{ending}").write_text(form(each), encoding="utf-8")
    _say(f"== {headline(each)}: {folder / name}.html")


def _say(text: str) -> None:
    print(text, flush=True)
