"""What becomes of steps and failures: alarm, suspect, known, ended; and the exit code."""

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perflab.alerts.judge import (
    AlertReport,
    Finding,
    State,
    What,
    judge,
    measured_again,
    with_known,
)
from perflab.alerts.report import (
    AlertsError,
    as_alertmanager,
    as_json,
    as_markdown,
    as_table,
    known_in,
)
from perflab.alerts.series import read_history
from perflab.gate.judge import GateVerdict, Judgement
from perflab.gate.policy import Accepted, Policy, load_policy
from perflab.gate.record import Kind
from tests.perflab.histories import commits_of, write_commit, write_series, write_suite

NOW = "2026-11-23T18:00:00+00:00"
TODAY = datetime.date(2026, 11, 23)
POINTS = 100
COMMITS = commits_of(POINTS)
NAME = "a.B.track_c"
POLICY = load_policy()


def noisy(at: int = POINTS, ratio: float = 1.0) -> list[float]:
    noise = np.random.default_rng(1).standard_normal(POINTS) * 0.01
    return [1e-3 * (1 + each) * (ratio if n >= at else 1) for n, each in enumerate(noise)]


def read(folder: Path, values: Sequence[float | None], **entry: Any) -> AlertReport:
    return asked(folder, values, POLICY, 50, **entry)


def asked(
    folder: Path, values: Sequence[float | None], policy: Policy, window: int, **entry: Any
) -> AlertReport:
    write_series(folder, COMMITS, NAME, values, **entry)
    return judge(read_history(folder, COMMITS, {}), COMMITS, policy, TODAY, window)


def test_a_noisy_step_is_a_suspect_and_not_decided(tmp_path: Path) -> None:
    report = read(tmp_path, noisy(90, 1.08), kind="paired")
    (found,) = report.findings
    assert (found.what, found.state) == (What.SLOWER, State.SUSPECT)
    assert COMMITS.index(found.good) < 90 <= COMMITS.index(found.last)
    assert found.ratio == pytest.approx(1.08, abs=0.02)
    assert found.after / found.before == pytest.approx(1.08, abs=0.02)
    assert report.code == 2


def test_any_step_of_an_exact_figure_is_an_alarm(tmp_path: Path) -> None:
    report = read(tmp_path, [100.0] * (POINTS - 1) + [100.5], kind="exact")
    (found,) = report.findings
    assert (found.state, found.commit, found.good) == (State.ALARM, COMMITS[-1], COMMITS[-2])
    assert report.code == 1


def test_no_step_is_nothing(tmp_path: Path) -> None:
    report = read(tmp_path, noisy())
    assert (report.findings, report.code, report.series, report.short) == ((), 0, 1, 0)
    assert 1 < report.smallest[0] < 1.05


@pytest.mark.parametrize(
    ("better", "ratio", "what"),
    [
        ("lower", 1.1, What.SLOWER),
        ("lower", 0.9, What.FASTER),
        ("higher", 1.1, What.FASTER),
        ("higher", 0.9, What.SLOWER),
    ],
)
def test_the_direction_counts(tmp_path: Path, better: str, ratio: float, what: What) -> None:
    (found,) = read(tmp_path, noisy(90, ratio), better=better).findings
    assert found.what is what
    assert (found.ratio > 1) == (what is What.SLOWER)
    assert found.state is (State.SUSPECT if what is What.SLOWER else State.NOTED)


def test_what_is_over_small_or_far_behind_is_not_told(tmp_path: Path) -> None:
    values = noisy(70, 1.1)
    over = [value / (1.1 if n >= 85 else 1) for n, value in enumerate(values)]
    # That it became faster again is not news either.
    assert [each.state for each in read(tmp_path, over).findings] == [State.NOTED]
    assert asked(tmp_path, values, POLICY, 31, kind="paired").findings
    assert asked(tmp_path, values, POLICY, 20, kind="paired").findings == ()
    small = [5.0] * 90 + [5.05] * 10  # certain, and below the floor of 2 %
    assert read(tmp_path, small, kind="paired").findings == ()
    assert read(tmp_path, small, kind="exact").findings


def test_gaps_and_failures_on_the_way_do_not_matter(tmp_path: Path) -> None:
    values: list[float | None] = list(noisy(80, 1.1))
    for place in range(0, POINTS, 7):
        values[place] = None if place % 2 else math.nan
    report = read(tmp_path, values)
    assert [each.what for each in report.findings] == [What.SLOWER]
    for place in range(3, POINTS - 1, 3):
        (tmp_path / "box" / f"{COMMITS[place][:8]}-virtualenv-py3.11.json").unlink()
    again = judge(read_history(tmp_path, COMMITS, {}), COMMITS, POLICY, TODAY, 50)
    assert [each.what for each in again.findings] == [What.SLOWER]


@pytest.mark.parametrize(("value", "what"), [(None, What.FAILING), (math.nan, What.GONE)])
def test_newly_failing_is_never_nothing(tmp_path: Path, value: float | None, what: What) -> None:
    report = read(tmp_path, [*noisy()[:-2], value, value])
    (found,) = report.findings
    assert (found.what, found.commit, found.good) == (what, COMMITS[-2], COMMITS[-3])
    assert report.code == 2
    assert "failing" in as_table(report) or "no longer measured" in as_table(report)


def test_a_commit_that_does_not_build_is_one_finding(tmp_path: Path) -> None:
    write_suite(tmp_path, {"a.B.time_c": {}, "a.B.time_d": {}})
    for place, commit in enumerate(COMMITS[:5]):
        value = None if place == 4 else [1.0]
        write_commit(tmp_path, commit, {"a.B.time_c": value, "a.B.time_d": value})
    report = judge(read_history(tmp_path, COMMITS[:5], {}), COMMITS[:5], POLICY, TODAY, 50)
    assert [each.series for each in report.findings] == ["*"]
    assert "does it build?" in as_markdown(report)
    assert (report.short, report.code) == (2, 2)


def test_the_policy_accepts(tmp_path: Path) -> None:
    line = Accepted(NAME, 1.2, "worth it", datetime.date(2026, 12, 1))
    policy = replace(POLICY, accepted=(line,))
    report = asked(tmp_path, noisy(90, 1.08), policy, 50)
    assert [(each.state, each.why) for each in report.findings] == [(State.ACCEPTED, "worth it")]
    assert report.code == 0
    # When the line ends, it is news.
    known = with_known(report, [], COMMITS, NOW).findings
    late = with_known(read(tmp_path, noisy(90, 1.08)), known, COMMITS, "later")
    assert (late.findings[0].state, late.findings[0].new, late.code) == (State.SUSPECT, True, 2)


def through_a_file(report: AlertReport, folder: Path) -> list[Finding]:
    path = folder / "alerts.json"
    path.write_text(as_json(report, NOW))
    return known_in(path)


def test_an_alarm_is_raised_once_and_its_end_is_told(tmp_path: Path) -> None:
    exact = [100.0] * 95 + [101.0] * 5
    first = with_known(read(tmp_path, exact, kind="exact"), [], COMMITS, NOW)
    assert (first.code, first.findings[0].raised) == (1, NOW)
    known = through_a_file(first, tmp_path)
    again = with_known(read(tmp_path, exact, kind="exact"), known, COMMITS, "later")
    assert (again.code, again.findings[0].new, again.findings[0].raised) == (0, False, NOW)
    mended = read(tmp_path, [*exact[:-1], 100.0], kind="exact")
    ended = with_known(mended, through_a_file(again, tmp_path), COMMITS, "later")
    assert [each.commit for each in ended.ended] == [COMMITS[95]]
    assert ended.code == 0


def test_a_place_that_moves_a_little_is_the_same_alarm(tmp_path: Path) -> None:
    report = with_known(read(tmp_path, noisy(90, 1.1)), [], COMMITS, NOW)
    known = [replace(report.findings[0], commit=COMMITS[86])]
    assert not with_known(report, known, COMMITS, "later").findings[0].new
    far = [replace(report.findings[0], commit=COMMITS[60])]
    assert with_known(report, far, COMMITS, "later").findings[0].new
    rewritten = [replace(report.findings[0], commit="e" * 40)]
    assert with_known(report, rewritten, COMMITS, "later").findings[0].new


def judgement(verdict: GateVerdict, ratio: float = 1.07, why: str = "") -> Judgement:
    return Judgement(
        name="cpu.x", verdict=verdict, kind=Kind.PAIRED, unit="seconds", ratio=ratio, why=why
    )


@pytest.mark.parametrize(
    ("found", "state", "code", "words"),
    [
        (judgement(GateVerdict.REGRESSION), State.ALARM, 1, "measured again by cpu.x: +7.0 %"),
        (judgement(GateVerdict.UNCHANGED, 1.001), State.DISMISSED, 0, "unchanged (+0.1 %)"),
        (judgement(GateVerdict.IMPROVEMENT, 0.9), State.DISMISSED, 0, "improvement (-10.0 %)"),
        (judgement(GateVerdict.UNDECIDED), State.SUSPECT, 2, "undecided (+7.0 %)"),
        (judgement(GateVerdict.FAILED, math.nan, "it broke"), State.SUSPECT, 2, "again: it broke"),
        (None, State.SUSPECT, 2, "no value"),
    ],
)
def test_a_suspect_that_was_measured_again(
    tmp_path: Path, found: Judgement | None, state: State, code: int, words: str
) -> None:
    report = with_known(read(tmp_path, noisy(90, 1.08)), [], COMMITS, NOW)
    after = measured_again(report.findings[0], found, "cpu.x")
    report = replace(report, findings=(after,))
    assert (after.state, report.code) == (state, code)
    assert words in after.why
    # The next run knows, and neither raises it again nor calls it a suspect once more.
    again = with_known(
        read(tmp_path, noisy(90, 1.08)), through_a_file(report, tmp_path), COMMITS, "later"
    )
    assert (again.findings[0].state, again.code) == (state, 0)
    # A suspect of a former run that is confirmed now is news.
    if state is State.SUSPECT:
        late = measured_again(again.findings[0], judgement(GateVerdict.REGRESSION), "cpu.x")
        assert replace(again, findings=(late,)).code == 1


def test_alertmanagers_payload_has_what_is_new_and_what_ended(tmp_path: Path) -> None:
    report = with_known(read(tmp_path, noisy(90, 1.08), kind="paired"), [], COMMITS, NOW)
    moment = datetime.datetime.fromisoformat(NOW)
    (alert,) = json.loads(as_alertmanager(report, moment))
    assert alert["labels"]["benchmark"] == NAME
    assert alert["labels"]["alertname"] == "BenchmarkStep"
    assert all(isinstance(value, str) for value in alert["labels"].values())
    assert alert["startsAt"] == NOW
    assert alert["endsAt"] > NOW
    assert "+" in alert["annotations"]["summary"]
    known = with_known(report, through_a_file(report, tmp_path), COMMITS, "later")
    assert json.loads(as_alertmanager(known, moment)) == []
    over = with_known(read(tmp_path, noisy()), through_a_file(report, tmp_path), COMMITS, "later")
    (ended,) = json.loads(as_alertmanager(over, moment))
    assert (ended["labels"], ended["endsAt"]) == (alert["labels"], NOW)


def test_markdown_says_the_answer_first_and_calls_nobody(tmp_path: Path) -> None:
    report = with_known(read(tmp_path, noisy(90, 1.08)), [], COMMITS, NOW)
    finding = replace(report.findings[0], why="<b>@all</b> | x")
    text = as_markdown(replace(report, findings=(finding,)))
    assert text.startswith("### Benchmark alerts: not everything could be read or decided (1 new ")
    assert "@all" not in text
    assert "<b>" not in text
    assert f"`{NAME}`" in text


@pytest.mark.parametrize(
    "text", ["", "{", '{"version": 9, "findings": []}', '{"version": 1}', "[" * 100_000]
)
def test_a_broken_file_of_known_alarms_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts.json"
    path.write_text(text)
    with pytest.raises(AlertsError, match="remove it"):
        known_in(path)
    assert known_in(tmp_path / "none.json") == []
