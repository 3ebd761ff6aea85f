"""A window of a real Prometheus becomes a run: what it says is what was scraped, gaps are told."""

import argparse
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perflab.production.field_command import add_arguments, field_main
from perflab.production.field_record import FIELD, FieldRecordError, read_field
from perflab.production.window import TimeWindow, WindowError, iso, month_of, so_far, window_of
from perflab.readiness.single_run_report import filed_run
from perflab.report.form import RunReport
from tests.perflab.production.made_clients import BEGIN_S, MadeClient, openmetrics
from tests.perflab.served_blocks import blocks, served

HOUR = f"{BEGIN_S}..{BEGIN_S + 3600}"
CLIENTS = [
    MadeClient(instance="a:1", end_s=3600, slow=lambda at: 0.02 if at > 1800 else 0.0),
    MadeClient(instance="b:1", end_s=3600, restarts_s=1200),
    MadeClient(instance="c:1", begin_s=600, end_s=2400),  # deployed, and taken away
    MadeClient(
        job="gappy",
        instance="a:1",
        end_s=3600,
        unseen=lambda at: 1200 < at <= 1800,
        failing=lambda at: 0.04,
    ),
    MadeClient(job="failing", instance="a:1", end_s=3600, failing=lambda at: 0.04),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("field")
    (folder / "hour.om").write_text("\n".join(openmetrics(CLIENTS)) + "\n")
    with served(blocks(folder, folder / "hour.om")) as found:
        yield found


def filed(root: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return field_main(parser.parse_args(arguments), root)


def report_of(root: Path) -> RunReport:
    (directory,) = (root / ".asv" / "field").glob("*/*")
    report, page = filed_run(directory)
    assert "<svg" in page
    return report


def test_a_window_is_filed_with_what_was_scraped(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filed(tmp_path, url, "--window", HOUR, "--name", "eu") == 0
    report = report_of(tmp_path)
    assert (report.kind, report.scenario, report.state) == ("field", "eu", "met")
    assert report.versions == {"p2pcore": "0.1.0", "prometheus": report.versions["prometheus"]}
    (step,) = report.steps
    asked = 10 * (3600 + 3600 + 1800)  # of one of them what came up before a restart is lost
    assert asked * 0.995 < step.evidence["asked_per_s"] * 3600 < asked * 1.001
    assert step.evidence["success_share"] == 1.0
    # All took 3 ms, or 300 ms: between the bounds around them.
    assert 1.6 < step.evidence["latency_p50_ms"] < 3.2
    assert 1.6 < step.evidence["latency_p99_ms"] < 3.2
    assert step.facts["P99"] == "between 1.6 and 3.2 ms"
    assert step.facts["P99.9"] == "between 204.8 and 409.6 ms"
    assert step.facts["b:1"].endswith("restarts: 1")
    assert step.facts["c:1"].startswith("from 540 to 24")  # it lacks nothing of its own life
    assert "99.8" in step.facts["complete"]
    assert not step.events
    titles = [chart.title.partition(" of ")[0] for chart in step.charts]
    assert titles == ["Throughput and errors over time", "Latency over time", "Latency spectrum"]
    ended = step.charts[0].lines[0]
    assert len(ended.x) == 60  # four scrapes in each
    assert min(y for y in ended.y if y is not None) > 15
    told = capsys.readouterr().out
    assert "no commit" in told
    assert filed(tmp_path, url, "--window", HOUR, "--name", "eu") == 2
    assert "this window is filed" in capsys.readouterr().err


def test_a_window_with_gaps_is_filed_and_no_verdict_rests_on_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filed(tmp_path, url, "--window", HOUR, "--job", "gappy") == 2
    report = report_of(tmp_path)
    assert report.state == "unmeasured"
    assert report.said.startswith("only 83.")
    (step,) = report.steps
    (gap,) = step.events
    begin, end = (float(part) for part in gap.partition(" s:")[0].split(" to "))
    assert 1200 <= begin < 1260 < 1740 < end <= 1800
    assert not step.usable
    assert gap in capsys.readouterr().out
    directory = tmp_path / "again"
    arguments = ("--least-complete", "0.8", "--out", str(directory))
    assert filed(tmp_path, url, "--window", HOUR, "--job", "gappy", *arguments) == 1


def test_an_objective_that_was_not_kept_is_told(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filed(tmp_path, url, "--window", HOUR, "--job", "failing") == 1
    assert "NOT KEPT success: 4.000% of the operations were bad" in capsys.readouterr().out
    report = report_of(tmp_path)
    assert report.state == "not met"
    assert report.steps[0].errors.keys() == {"retrieve: quorum"}


def test_a_job_that_is_not_there_is_told_with_those_that_are(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert filed(tmp_path, url, "--window", HOUR, "--job", "other") == 2
    told = capsys.readouterr().err
    assert "has no p2pcore_operations_total of job 'other'" in told
    assert "its jobs with it: failing, gappy, p2pcore" in told
    before = f"{BEGIN_S - 7200}..{BEGIN_S - 3600}"
    assert filed(tmp_path, url, "--window", before) == 2
    assert "no job has it" in capsys.readouterr().err
    assert not (tmp_path / ".asv").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--window", "2h..1h"], "'2h' is no time like 2026-11-28T10:00"),
        (["--window", "1h", "--name", "../up"], "--name is letters"),
        (["--window", "1h", "--name", "a", "--job", 'a"b'], "--job is letters"),
        (["--window", "1h", "--least-complete", "2"], "--least-complete is 0 to 1, not 2"),
        (["--window", "1h", "--hold", "none"], "--hold none: there are the sets"),
        (["--window", "1h", "--token-file", "absent"], "absent"),
    ],
)
def test_bad_options_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert filed(tmp_path, "http://127.0.0.1:9", *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:9090", "is no address like http://HOST:PORT"),
        ("http://host:port", "is no address like"),
        ("http://me:word@127.0.0.1:9", "use --token-file"),
        ("http://127.0.0.1:9", "Connection refused"),
    ],
)
def test_an_address_without_a_prometheus_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, words: str
) -> None:
    assert filed(tmp_path, url, "--window", "1h") == 2
    assert words in capsys.readouterr().err


class _Other(http.server.BaseHTTPRequestHandler):
    """A server that is no Prometheus, or one behind a door."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] == "Bearer secret":
            self._say(422, {"status": "error", "error": "query processing would load too many"})
        elif self.path.startswith("/door"):
            self._say(401, {})
        else:
            self._say(200, {"hello": "world"})

    def _say(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_what_another_server_says_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("secret\n")
    with http.server.HTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        for more, words in (
            ([base], "what answers there is no Prometheus"),
            ([f"{base}/door"], "it wants to know who asks: --token-file"),
            ([base, "--token-file", str(tmp_path / "token")], "would load too many"),
        ):
            assert filed(tmp_path, *more, "--window", "1h") == 2
            assert words in capsys.readouterr().err
        server.shutdown()
        thread.join()


def test_windows() -> None:
    now = 1_800_000_000.0
    assert window_of("1d12h", now) == TimeWindow(begin_s=now - 129_600, end_s=now)
    asked = window_of("2026-10-01T02:00+02:00..2026-10-01T01:00", now)
    assert asked == TimeWindow(begin_s=BEGIN_S, end_s=BEGIN_S + 3600)
    for text, words in (
        (f"{now:.0f}..{now + 60:.0f}", f"the window ends at {iso(now + 60)}, and now is"),
        ("59s", "a window is of 60 s to 31 days, not of 59 s"),
        ("32d", "31 days"),
        ("yesterday", "is no window"),
        ("2026-10-01..2026-09-01", "not of -2,592,000 s"),
        ("..", "is no time"),
    ):
        with pytest.raises(WindowError) as caught:
            window_of(text, now)
        assert words in str(caught.value)


def test_months() -> None:
    begin = float(BEGIN_S)
    whole = TimeWindow(begin_s=begin, end_s=begin + 31 * 86_400)
    assert month_of("2026-10") == whole
    assert so_far(whole, begin + 40 * 86_400) == whole
    assert so_far(whole, begin + 3900).seconds == 3900
    assert so_far(whole, begin + 4199).seconds == 3900  # whole steps of five minutes
    with pytest.raises(WindowError, match="no five minutes of it have passed"):
        so_far(whole, begin + 299)
    for text in ("2026-13", "oct", "1969-12", "9999-12"):
        with pytest.raises(WindowError, match="is no month like 2026-11"):
            month_of(text)


def test_a_file_that_is_no_window_is_refused(tmp_path: Path) -> None:
    (tmp_path / FIELD).write_text('{"format": "p2pcore-load"}')
    with pytest.raises(FieldRecordError):
        read_field(tmp_path)
