"""A month of a real Prometheus, and of filed windows: budgets, breaches, when and how long."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from perflab.production.field_record import HeldObjective, write_field
from perflab.production.sla import Month, SlaStep, judge_month, windows_of
from perflab.production.sla_command import add_arguments, sla_main
from perflab.production.window import TimeWindow
from perflab.report.sla import long
from perflab.report.sla_form import SlaReport
from tests.perflab.production.made_clients import BEGIN_S, MadeClient, made_field, openmetrics
from tests.perflab.served_blocks import blocks, served

DAY_S, MONTH_S = 86_400, 31 * 86_400
OUTAGE = (4 * DAY_S + 10 * 3600, 4 * DAY_S + 12 * 3600)  # on the 5th, from 10:00 to 12:00


def outage(at_s: float) -> float:
    return 0.5 if OUTAGE[0] < at_s <= OUTAGE[1] else 0.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sla")
    month = [
        MadeClient(instance="a:1", end_s=MONTH_S, scrape_s=150, rate=4, failing=outage),
        MadeClient(
            job="weak", instance="a:1", end_s=MONTH_S, scrape_s=150, rate=4,
            failing=lambda at: 0.02, unseen=lambda at: 10 * DAY_S < at <= 11 * DAY_S,
        ),
    ]  # fmt: skip
    (folder / "month.om").write_text("\n".join(openmetrics(month, (0.2,))) + "\n")
    with served(blocks(folder, folder / "month.om")) as found:
        yield found


def made(folder: Path, *arguments: str, root: Path | None = None) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args([*arguments, "--output", str(folder)])
    return sla_main(options, root or folder)


def test_a_month_with_an_outage_that_its_budget_has_room_for(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made(tmp_path, url, "--month", "2026-10") == 0
    stem = tmp_path / "sla-p2pcore-2026-10"
    report = json.loads(Path(f"{stem}.json").read_text())
    assert (report["state"], report["over"]) == ("met", True)
    assert report["measured"] > 0.999
    median, failed = report["objectives"]
    assert (median["target"], median["state"], median["bad"]) == ("median latency", "met", 0)
    assert failed["operations"] == pytest.approx(4 * MONTH_S, rel=0.001)
    assert failed["bad"] == pytest.approx(4 * 7200 * 0.5, rel=0.01)
    assert failed["spent"] == pytest.approx(14_400 / (0.01 * 4 * MONTH_S), rel=0.01)
    (breach,) = failed["breaches"]
    assert breach["began"] == "2026-10-05T10:00:00+00:00"
    assert breach["ended"] == "2026-10-05T12:00:00+00:00"
    assert breach["worst"] == pytest.approx(0.5, rel=0.01)
    page, told = (Path(f"{stem}.{kind}").read_text() for kind in ("html", "md"))
    assert told in capsys.readouterr().out
    for text in (page, told):
        assert "Service levels of p2pcore in 2026-10: kept" in text
        assert "2026-10-05 10:00" in text
        assert "13.4%" in text
    assert "| 2 h |" in told
    assert page.count("<svg") == 2
    assert "lost in a blackout" in told  # not held here


def test_a_month_that_did_not_keep_its_objective(url: str, tmp_path: Path) -> None:
    arguments = ("--month", "2026-10", "--job", "weak")
    assert made(tmp_path, url, *arguments) == 1
    report = json.loads((tmp_path / "sla-weak-2026-10.json").read_text())
    _, failed = report["objectives"]
    assert failed["state"] == "not met"
    assert failed["spent"] == pytest.approx(2, rel=0.01)
    assert failed["spent_up"].startswith("2026-10-1")  # the 16th, and a day that was not measured
    first, second = failed["breaches"]
    assert first["ended"][:13] == second["began"][:13].replace("12T", "11T") == "2026-10-11T00"
    ((begin, end),) = report["unmeasured"]
    assert (begin[:13], end[:13]) == ("2026-10-11T00", "2026-10-12T00")
    # With more lacking than may, nothing is said to be kept, or not.
    assert made(tmp_path, url, *arguments, "--least-complete", "0.99") == 2
    report = json.loads((tmp_path / "sla-weak-2026-10.json").read_text())
    assert {each["state"] for each in report["objectives"]} == {"unmeasured"}


def test_a_month_of_filed_windows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    field = tmp_path / ".asv" / "field" / "eu"
    write_field(made_field(), field / "first")
    write_field(made_field(begin_s=BEGIN_S + 50, failed=0.5), field / "overlaps")
    write_field(made_field(begin_s=BEGIN_S + 200, failed=5.0), field / "bad")
    write_field(made_field(begin_s=BEGIN_S - 5000, failed=5.0), field / "september")
    month = ("--month", "2026-10", "--name", "eu")
    assert made(tmp_path / "out", *month, root=tmp_path) == 2  # four minutes of a month
    assert made(tmp_path / "out", *month, "--least-complete", "0", root=tmp_path) == 1
    assert "3 filed windows of eu" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "sla-eu-2026-10.json").read_text())
    median, failed = report["objectives"]
    assert failed["operations"] == 25_000  # the first 150 s once, and then 100
    assert failed["bad"] == 15_000 * 0.005 + 10_000 * 0.05
    (breach,) = failed["breaches"]
    assert (breach["began"], breach["seconds"]) == ("2026-10-01T00:03:20+00:00", 100)
    # These windows have no bucket that ends at 200 ms.
    assert (median["state"], median["reason"]) == ("unmeasured", "no operation was measured")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--month", "2026-10"], "no window of that month is filed there"),
        (["http://127.0.0.1:9", "--month", "2026-10"], "Connection refused"),
        (["--month", "2199-01"], "it begins at 2199-01-01T00:00:00+00:00, and no five minutes"),
        (["--month", "October"], "is no month like 2026-11"),
        (["--name", "../up"], "--name is letters"),
        (["--least-rate", "0"], "--least-rate above 0"),
    ],
)
def test_what_cannot_be_reported_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert made(tmp_path, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_another_job_is_told(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert made(tmp_path, url, "--month", "2026-10", "--job", "other") == 2
    assert "has no operations of job 'other'" in capsys.readouterr().err


def judged(steps: list[SlaStep]) -> SlaReport:
    held = [HeldObjective(target="errors", budget=0.01, within_s=None)]
    month = Month(
        month="2026-10", name="it", source="here", over=True, asked_s=5000, command="",
        window=TimeWindow(begin_s=0, end_s=1000), objectives=held, left_out=[], least_rate=1.0,
        least_complete=0.5,
    )  # fmt: skip
    return judge_month(month, steps)


def step(number: int, operations: float, bad: float) -> SlaStep:
    begin_s = 100.0 * number
    return SlaStep(begin_s=begin_s, end_s=begin_s + 100, operations=operations, bad=(bad,))


def test_breaches_are_neighbouring_steps_with_enough_traffic() -> None:
    report = judged(
        [step(0, 1000, 11), step(1, 1000, 500), step(2, 1000, 10), step(3, 99, 99), step(4, 100, 2)]
    )
    (errors,) = report.objectives
    assert [(each.seconds, each.bad, each.worst) for each in errors.breaches] == [
        (200, 511, 0.5),
        (100, 2, 0.02),
    ]
    assert errors.breached_s == 300
    assert report.unmeasured == [("1970-01-01T00:08:20+00:00", "1970-01-01T00:16:40+00:00")]


def test_a_month_without_a_step_is_unmeasured() -> None:
    report = judged([])
    assert (report.state, report.measured, report.charts) == ("unmeasured", 0, [])


def test_of_overlapping_steps_the_first_counts() -> None:
    assert windows_of([step(2, 1, 0), step(0, 1, 0), step(0, 2, 0)]) == [
        step(0, 1, 0),
        step(2, 1, 0),
    ]


def test_times_in_words() -> None:
    assert [long(each) for each in (0, 59, 7200, 90_061)] == ["0 s", "59 s", "2 h", "1 d 1 h"]
