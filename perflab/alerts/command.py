"""`python -m perflab alerts`: has anything become slower in the published history?

Reads asv's results, lets `judge.py` decide, has suspects measured again, and files the answer in
`.asv/alerts/`. `alerts.json` there is written last: the next run takes from it what is known, and a
run that could not tell anybody is repeated as if it had not been.

Rule: order of work, files and the webhook; finding steps and deciding is `judge.py`'s.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from perflab.alerts import power
from perflab.alerts import report as alert_forms
from perflab.alerts.judge import (
    AlertReport,
    Finding,
    State,
    judge,
    measured_again,
    with_culprits,
    with_known,
)
from perflab.alerts.series import AlertHistory, Entries, read_history, suite_kinds
from perflab.archive.form import HistoryError
from perflab.archive.shipped import unpack
from perflab.gate.judge import Judgement
from perflab.gate.policy import Policy, PolicyError, load_policy
from perflab.gate.record import Kind
from perflab.results.asv_config import MeasureError
from perflab.results.checkout import CheckoutError, Commit, commit_of, history, require
from perflab.results.culprits import CULPRITS, CulpritsError, read_culprits
from perflab.results.judging import judging
from perflab.results.project import Project, own_project
from perflab.usage import BAD_USAGE, BadUsageError, budget_s

__all__ = [
    "DESCRIPTION",
    "EPILOG",
    "WatchedProject",
    "WebhookError",
    "add_arguments",
    "add_reading_arguments",
    "look",
    "main",
    "post",
    "suite_kinds",
]

WINDOW = 50  # commits; what lies further behind was told when it was new, or is asv's to find
BEHIND = 10  # commits: a day's; of what came after the newest results nothing is known
WEBHOOK_S = 10.0
UNREADABLE = 2
UNUSABLE = (
    alert_forms.AlertsError, CheckoutError, CulpritsError, HistoryError, MeasureError, OSError
)  # fmt: skip

MeasureAgain = Callable[
    [Path, Finding, tuple[Commit, Commit], Policy, float, Callable[[str], None]],
    tuple[str, Judgement | None],
]
"""Root, suspect, its two commits, policy, seconds and where progress goes; what measured it, and
the judgement, if there was a value to judge. How to measure is the gate's knowledge."""

DESCRIPTION = (
    "Look for steps in asv's results close to the tip of the branch, have suspects measured again, "
    "and raise each alarm once."
)
EPILOG = """\
exit codes:
  0  nothing new: no step, or one that is known, accepted by the policy, or was dismissed
  1  a new alarm: an exact figure is worse, or another one is and was confirmed. Nothing else ends
     with 1
  2  not everything could be read or decided: no results, results that end more than --behind
     commits before the tip, an unreadable file, a benchmark that newly fails, a suspect that nobody
     has measured again, a webhook that does not answer
  3  bad usage
130  interrupted; what was known before stays so

examples:
  python -m perflab alerts                       # suspects stay suspects
  python -m perflab alerts --confirm             # measure both sides of a suspect again
  python -m perflab alerts --webhook http://127.0.0.1:9093/api/v2/alerts
  python -m perflab alerts --power               # false alarms and power on known histories

docs/alerts.md says what is found, and how often it is wrong.
"""


class WebhookError(Exception):
    """Nobody could be told; the message says who was asked and what came of it."""


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of looking at a history."""
    parser.add_argument(
        "--window",
        type=int,
        default=WINDOW,
        metavar="N",
        help="how many commits behind the tip a step may lie (default: %(default)s)",
    )
    parser.add_argument(
        "--behind",
        type=int,
        default=BEHIND,
        metavar="N",
        help="how many commits behind the tip the newest results may be (default: %(default)s)",
    )
    parser.add_argument("--machine", help="read this machine's results alone (default: all)")
    parser.add_argument(
        "--webhook",
        metavar="URL",
        help="POST what is new or has ended there, as Alertmanager's API",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the files go (default: .asv/alerts)"
    )
    parser.set_defaults(confirm=False, budget="5m", power=None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `alerts`, here, where suspects can be measured again."""
    add_reading_arguments(parser)
    parser.add_argument(
        "--confirm",
        action="store_true",
        help="measure both sides of each suspect again, here and now",
    )
    parser.add_argument(
        "--budget", default="5m", metavar="TIME", help="per suspect (default: %(default)s)"
    )
    parser.add_argument(
        "--power",
        nargs="?",
        type=int,
        const=1000,
        metavar="SERIES",
        help="no history is read: so many are drawn for each model of noise (default: 1000)",
    )


@dataclass(frozen=True, kw_only=True)
class WatchedProject:
    """Whose results are looked at, and by which rules."""

    project: Project
    policy: Policy
    kinds: Mapping[str, Kind]
    """By a suite's class, as its source says."""
    about: Callable[[Entries], Entries] = lambda entries: entries
    """What asv's list of benchmarks becomes: with a kind and a direction from elsewhere."""


def main(options: argparse.Namespace, root: Path, measure_again: MeasureAgain) -> int:
    """This repository's: the exit code of EPILOG."""

    def ours() -> WatchedProject:
        project = own_project(root)
        kinds = suite_kinds(project.benchmarks)
        return WatchedProject(project=project, policy=load_policy(), kinds=kinds)

    try:
        if options.power is not None:
            return _power(options.power)
    except BadUsageError as error:
        print(f"alerts: {error}", file=sys.stderr)
        return BAD_USAGE
    return look(options, ours, measure_again)


def look(
    options: argparse.Namespace,
    watched: Callable[[], WatchedProject],
    measure_again: MeasureAgain | None = None,
) -> int:
    """Read, decide, measure again, tell; the exit code of EPILOG."""
    try:
        seconds = _checked(options)
        what = watched()
        project = what.project
        require(project.repository, whole=True)
        commits = [each.hash for each in history(project.repository, project.branch)][::-1]
        unpack(project.folder, project.results, _say, project.repository)
        place = options.output or project.filed / "alerts"
        known = alert_forms.known_in(place / "alerts.json")
        culprits = read_culprits(place / CULPRITS)
    except (BadUsageError, PolicyError) as error:
        print(f"alerts: {error}", file=sys.stderr)
        return BAD_USAGE
    except UNUSABLE as error:
        print(f"alerts: {error}", file=sys.stderr)
        return UNREADABLE
    moment = datetime.datetime.now(datetime.UTC)
    now = moment.isoformat(timespec="seconds")
    report = with_known(_judged(options, what, commits, moment.date()), known, commits, now)
    report = with_culprits(report, culprits, commits)
    if options.confirm and measure_again is not None:
        root, policy = project.repository, what.policy
        report = _confirmed(report, lambda each: _again(each, root, policy, seconds, measure_again))
    _say(alert_forms.as_table(report))
    try:
        _tell(report, place, moment, options.webhook)
    except (WebhookError, OSError) as error:
        print(f"alerts: {error}", file=sys.stderr)
        return UNREADABLE
    _say(f"== files: {place}")
    return report.code


def _checked(options: argparse.Namespace) -> float:
    """The budget in seconds. Raises UsageError."""
    if options.window < 1:
        raise BadUsageError(f"--window takes a number of commits from 1 on, not {options.window}")
    if options.behind < 0:
        raise BadUsageError(f"--behind takes a number of commits from 0 on, not {options.behind}")
    if options.webhook is not None:
        url = urllib.parse.urlsplit(options.webhook)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise BadUsageError(
                f"--webhook takes an http or https address, not '{options.webhook}'"
            )
    return budget_s(options.budget)


def _judged(
    options: argparse.Namespace, what: WatchedProject, commits: list[str], today: datetime.date
) -> AlertReport:
    results = what.project.results
    found = read_history(results, commits, what.kinds, options.machine, what.about)
    if not found.series:
        whose = f" of machine '{options.machine}'" if options.machine else ""
        reason = f"{results} has no results{whose} of this branch: {what.project.to_measure}"
        found = replace(found, problems=(*found.problems, reason))
    late = _late(found, commits, options.behind)
    found = replace(found, problems=(*found.problems, *late))
    _say(f"== {len(found.series)} series over {len(commits)} commits")
    with judging(len(found.series)) as progress:
        return judge(found, commits, what.policy, today, options.window, progress)


def _late(found: AlertHistory, commits: list[str], behind: int) -> list[str]:
    """What to say if nothing was measured near the tip. A machine that is given up alone is no
    problem; that it is behind is said."""
    newest: dict[tuple[str, str], int] = {}
    for series in found.series:
        where = series.machine, series.environment
        newest[where] = max(newest.get(where, 0), series.points[-1].place)
    late = []
    for (machine, environment), place in sorted(newest.items()):
        missing = len(commits) - 1 - place
        if missing > behind:
            told = f"the newest results of {machine}, {environment} are {missing} commits behind"
            late.append(f"{told} the tip (at {commits[place][:8]}; --behind {behind} may be)")
    if len(late) == len(newest):
        return late
    for each in late:
        _say(f"== note: {each}")
    return []


def _confirmed(report: AlertReport, again: Callable[[Finding], Finding]) -> AlertReport:
    """With each suspect measured again, those of former runs too that are still undecided."""
    findings = []
    suspects = [each for each in report.findings if each.state is State.SUSPECT]
    for each in report.findings:
        if each.state is State.SUSPECT:
            number = suspects.index(each) + 1
            _say(f"== suspect {number} of {len(suspects)}: {each.series}")
            findings.append(again(each))
        else:
            findings.append(each)
    return replace(report, findings=tuple(findings))


def _again(
    finding: Finding, root: Path, policy: Policy, seconds: float, measure_again: MeasureAgain
) -> Finding:
    try:
        pair = commit_of(root, finding.good), commit_of(root, finding.last)
        metric, judgement = measure_again(root, finding, pair, policy, seconds, _say)
    except (CheckoutError, MeasureError) as error:
        return replace(finding, why=f"not measured again: {error}")
    return measured_again(finding, judgement, metric)


def _tell(report: AlertReport, place: Path, moment: datetime.datetime, webhook: str | None) -> None:
    """Every form in its file; what is known from now on last."""
    place.mkdir(parents=True, exist_ok=True)
    payload = alert_forms.as_alertmanager(report, moment)
    (place / "alertmanager.json").write_text(payload, encoding="utf-8")
    text = alert_forms.as_markdown(report)
    (place / "alerts.md").write_text(text, encoding="utf-8")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary and os.environ.get("GITHUB_ACTIONS") == "true":
        with open(summary, "a", encoding="utf-8") as file:
            file.write(text)
    if webhook and json.loads(payload):
        post(webhook, payload)
    new = place / "alerts.new"
    now = moment.isoformat(timespec="seconds")
    new.write_text(alert_forms.as_json(report, now), encoding="utf-8")
    os.replace(new, place / "alerts.json")


def post(url: str, payload: str, timeout_s: float = WEBHOOK_S) -> None:
    """Send JSON. Raises WebhookError unless the answer is a success within the time."""
    head = {"Content-Type": "application/json", "User-Agent": "p2pcore-benchmarks"}
    request = urllib.request.Request(url, payload.encode(), head, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return
    except urllib.error.HTTPError as error:
        words = error.read(500).decode(errors="replace").strip()
        error.close()
        raise WebhookError(f"{url} answered {error.code} {error.reason}: {words}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise WebhookError(
            f"{url} did not answer within {timeout_s:g} s or not at all ({reason}); "
            "the alarms count as not raised"
        ) from error


def _power(series: int) -> int:
    if series < 1:
        raise BadUsageError(f"--power takes a number of series from 1 on, not {series}")
    _say(power.HEAD)
    for number, model in enumerate(power.MODELS, 1):
        print(f"== model {number} of {len(power.MODELS)}: {model}", file=sys.stderr)
        _say(str(power.measured(model, series)))
    return 0


def _say(text: str) -> None:
    print(text, flush=True)
