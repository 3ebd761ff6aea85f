"""What the alerts say: to people, to programs, and to Prometheus' Alertmanager; and their file.

Rule: puts a report into words and marks, and reads back what it has written; decides nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from pathlib import Path
from typing import Any

from perflab.alerts.judge import WHOLE, AlertReport, Finding, State, What
from perflab.gate.record import Kind
from perflab.gate.report import escaped

__all__ = ["AlertsError", "as_alertmanager", "as_json", "as_markdown", "as_table", "known_in"]

VERSION = 1  # of the JSON
WORDS = {
    0: "nothing new",
    1: "slower",
    2: "not everything could be read or decided",
}
STANDS_D = 60  # Alertmanager forgets it then, if no run has said that it ended
ORDER = list(State)


class AlertsError(Exception):
    """The file of known alerts cannot be read; the message says which and why."""


def headline(report: AlertReport) -> str:
    """The answer in one line."""
    new = [each for each in report.findings if each.new and each.active]
    told = [
        f"{count} new {state.value}{'s' if count > 1 else ''}"
        for state in (State.ALARM, State.SUSPECT)
        if (count := sum(each.state is state for each in new))
    ]
    known = sum(each.active and not each.new for each in report.findings)
    told += [f"{known} known"] if known else []
    told += [f"{len(report.ended)} ended"] if report.ended else []
    return f"{WORDS[report.code]} ({', '.join(told) or f'{report.series} series'})"


def as_table(report: AlertReport) -> str:
    """For people at a terminal."""
    lines = [f"alerts: {headline(report)}"]
    for each in _ordered(report):
        mark = "new" if each.new and each.active else ""
        lines.append(f"{each.state.value:9} {mark:3} {_change(each):>8}  {each.series}")
        why = f"; {each.why}" if each.why else ""
        lines.append(f"{'':22} {_machine(each, report)}, {_where(each)}{why}")
    lines += [f"ended: {each.series} on {each.machine}" for each in report.ended]
    steps = any(each.what in (What.SLOWER, What.FASTER) for each in report.findings)
    lines += ["one page for one of them: python -m perflab explain"] * steps
    return "\n".join([*lines, *_notes(report)])


def as_markdown(report: AlertReport) -> str:
    """For an issue or a step's summary: the answer first."""
    lines = [f"### Benchmark alerts: {headline(report)}", ""]
    shown = _ordered(report)
    if shown:
        lines += ["| | change | benchmark | machine | where | before → after | |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for each in shown:
        values = (
            "" if math.isnan(each.after) else f"{each.before:.5g} → {each.after:.5g} {each.unit}"
        )
        cells = (
            f"**{'new ' if each.new and each.active else ''}{each.state.value}**",
            _change(each),
            f"`{each.series}`",
            _machine(each, report),
            _where(each),
            values,
            each.why,
        )
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    lines += [
        "",
        *(f"Ended: `{each.series}` on {escaped(each.machine)}  " for each in report.ended),
    ]
    lines += [escaped(note) + "  " for note in _notes(report)]
    return "\n".join(lines) + "\n"


def as_json(report: AlertReport, now: str) -> str:
    """For programs, and for the next run, which knows from it what was raised before."""
    smallest = report.smallest
    content = {
        "version": VERSION,
        "exit_code": report.code,
        "verdict": WORDS[report.code],
        "written": now,
        "tip": report.tip,
        "window": report.window,
        "series": report.series,
        "too_short": report.short,
        "smallest_step": {
            "half_of_series": _finite(smallest[len(smallest) // 2]) if smallest else None,
            "all_series": _finite(smallest[-1]) if smallest else None,
        },
        "problems": list(report.problems),
        "findings": [_entry(each) for each in _ordered(report)],
        "ended": [_entry(each) for each in report.ended],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def known_in(path: Path) -> list[Finding]:
    """The findings of a former run; none if there was none. Raises AlertsError."""
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, not {VERSION}")
        return [_finding(entry) for entry in content["findings"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        words = f"{type(error).__name__}: {error}"
        raise AlertsError(
            f"{path} is not what a former run has written ({words}); "
            "remove it, and every alarm is raised anew"
        ) from error


def as_alertmanager(report: AlertReport, now: datetime.datetime) -> str:
    """What is new and what has ended, as Alertmanager's API takes it (POST /api/v2/alerts).

    Labels say what it is about and never change, so that it is the same alert when it ends.
    """
    until = now + datetime.timedelta(days=STANDS_D)
    alerts = [
        _alert(each, ends)
        for those, ends in ((report.findings, until), (report.ended, now))
        for each in those
        if each.active and (each.new or ends is now)
    ]
    return json.dumps(alerts, indent=1) + "\n"


def _alert(each: Finding, ends: datetime.datetime) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": "BenchmarkStep" if each.what is What.SLOWER else "BenchmarkBroken",
            "severity": "warning" if each.state is State.ALARM else "info",
            "benchmark": each.series,
            "kind": each.kind.value,
            "machine": each.machine,
            "environment": each.environment,
            "what": each.what.value,
            "commit": each.commit,
        },
        "annotations": {
            "summary": f"{each.series}: {each.what.value} {_change(each)}".rstrip(),
            "description": f"{_where(each)}{f'; {each.why}' if each.why else ''}",
        },
        "startsAt": each.raised,
        "endsAt": ends.isoformat(timespec="seconds"),
    }


def _entry(each: Finding) -> dict[str, Any]:
    return {
        name: _finite(value) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(each).items()
    }


def _finding(entry: dict[str, Any]) -> Finding:
    numbers = {name: _number(entry[name]) for name in ("ratio", "before", "after")}
    numbers["probability"] = _number(entry.get("probability"))
    words: dict[str, Any] = {
        "kind": Kind(entry["kind"]),
        "what": What(entry["what"]),
        "state": State(entry["state"]),
    }
    return Finding(**entry | words | numbers)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _ordered(report: AlertReport) -> list[Finding]:
    """The worst first."""

    def rank(each: Finding) -> tuple[int, bool, float]:
        size = each.ratio if math.isfinite(each.ratio) else math.inf
        return ORDER.index(each.state), not each.new, -size

    return sorted(report.findings, key=rank)


def _change(each: Finding) -> str:
    if each.what in (What.FAILING, What.GONE):
        return each.what.value
    if each.before <= 0 or each.after <= 0:  # of which no share can be said
        return f"{each.before:.4g} → {each.after:.4g}"
    if not math.isfinite(each.ratio):
        return ""
    return f"{(each.ratio - 1) * 100:+.3g} %"


def _machine(each: Finding, report: AlertReport) -> str:
    """With its environment, if the report tells of several on this machine."""
    told = (*report.findings, *report.ended)
    environments = {other.environment for other in told if other.machine == each.machine}
    return f"{each.machine} in {each.environment}" if len(environments) > 1 else each.machine


def _where(each: Finding) -> str:
    if each.series == WHOLE:
        return f"every benchmark, since {each.commit[:8]}: does it build?"
    if each.what in (What.FAILING, What.GONE):
        return f"{each.what.value} since {each.commit[:8]}"
    if each.searched:
        sure = f"{min(each.probability, 0.9994) * 100:.3g} %, found among {each.searched} commits"
        return f"at {each.culprit[:8]} ({sure})" if each.culprit else f"no commit made it ({sure})"
    if each.first == each.last:
        return f"at {each.commit[:8]}, after {each.good[:8]}"
    return f"at {each.commit[:8]} or near it ({each.good[:8]}..{each.last[:8]})"


def _notes(report: AlertReport) -> list[str]:
    notes = [f"problem: {each}" for each in report.problems]
    if report.short:
        notes.append(
            f"{report.short} of {report.series} series are too short to say more than a clear step"
        )
    if report.smallest:
        middle = report.smallest[len(report.smallest) // 2]
        notes.append(
            "the smallest step that would be found within ten commits: "
            f"{(middle - 1) * 100:.2g} % for half of {len(report.smallest)} noisy series, "
            f"{(report.smallest[-1] - 1) * 100:.2g} % for all"
        )
    return notes
