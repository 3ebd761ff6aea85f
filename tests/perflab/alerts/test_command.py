"""`python -m perflab alerts`: exit codes, files, the webhook, and measuring again.

asv is stood in for: STAND_IN takes each commit's values from a file, round by round.
"""

import json
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from perflab.__main__ import main
from perflab.alerts.command import WebhookError, post
from perflab.gate import command as gate
from perflab.gate.judge import GateOutcome, GateVerdict, Judgement
from perflab.gate.record import Kind, Measured
from perflab.gate.remeasure import gate_metric
from perflab.results import judging
from tests.perflab.histories import write_series
from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parents[3]
NAME = "baseline.Cpu.track_cpu_seconds"
STAND_IN = """
import json, sys
from pathlib import Path
arguments = sys.argv[1:]
config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
place = Path(config["results_dir"]) / arguments[arguments.index("--machine") + 1]
place.mkdir(parents=True)
values = json.loads(Path("values.json").read_text())
calls = Path("calls.json")
calls.write_text(json.dumps([*json.loads(calls.read_text()), arguments]))
for commit in Path(arguments[-1].removeprefix("HASHFILE:")).read_text().split():
    row = {"baseline.Cpu.track_cpu_seconds": [[values[commit].pop(0)], [], "1"]}
    content = {"commit_hash": commit, "env_name": "e", "results": row}
    content["result_columns"] = ["result", "params", "version"]
    (place / (commit[:8] + "-e.json")).write_text(json.dumps(content))
Path("values.json").write_text(json.dumps(values))
"""


class Project:
    """A repository of so many commits, with asv's configuration and results."""

    def __init__(self, root: Path, commits: int) -> None:
        self.root = root
        root.mkdir()
        shutil.copy(ROOT / "asv.conf.json", root)
        (root / "asv.py").write_text(STAND_IN)
        (root / "calls.json").write_text("[]")
        git(root, "init", "--quiet", "--initial-branch=main")
        for number in range(commits):
            git(root, "commit", "--quiet", "--allow-empty", "-m", f"Commit {number}")
        self.commits = git(root, "rev-list", "--reverse", "HEAD").split()

    def history(self, values: Sequence[float | None], **entry: Any) -> None:
        shutil.rmtree(self.root / ".asv" / "results", ignore_errors=True)
        write_series(self.root / ".asv" / "results", self.commits, NAME, values, **entry)

    def filed(self, name: str = "alerts.json") -> Any:
        return json.loads((self.root / ".asv" / "alerts" / name).read_text(encoding="utf-8"))


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Three commits, the last of which sends a message more."""
    return _project(tmp_path, monkeypatch, 3, [5.0, 5.0, 6.0], kind="exact")


@pytest.fixture
def stepped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Thirty commits; from the 25th on it takes a tenth more."""
    values = [(1 + n % 5 / 1000) * (1.1 if n >= 25 else 1.0) for n in range(30)]
    return _project(tmp_path, monkeypatch, 30, values, kind="paired")


def _project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, commits: int, values: Sequence[float], kind: str
) -> Project:
    project = Project(folder / "project", commits)
    project.history(values, kind=kind)
    monkeypatch.setattr(gate, "ROOT", project.root)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return project


def run(*arguments: str) -> int:
    return main(["alerts", *arguments])


def test_an_alarm_is_one_and_the_second_time_nothing(
    three: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert run() == 1
    assert "alerts: slower (1 new alarm)" in capsys.readouterr().out
    assert "+20 %" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert three.filed()["findings"][0]["commit"] == three.commits[2]
    assert len(three.filed("alertmanager.json")) == 1
    assert run() == 0
    assert "nothing new (1 known)" in capsys.readouterr().out
    assert three.filed("alertmanager.json") == []


def test_nothing_and_what_is_far_behind_are_zero(three: Project) -> None:
    three.history([5.0, 5.0, 5.0], kind="exact")
    assert run() == 0
    three.history([5.0, 6.0, 6.0], kind="exact")
    assert run("--window", "1") == 0


def test_what_cannot_be_read_or_decided_is_two(
    three: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--machine", "nowhere") == 2
    assert "no results of machine 'nowhere'" in capsys.readouterr().out
    three.history([5.0, 5.0, None], kind="exact")
    assert run() == 2
    (three.root / ".asv" / "alerts" / "alerts.json").write_text("{")
    assert run() == 2
    assert "remove it" in capsys.readouterr().err
    shutil.rmtree(three.root / ".asv")
    assert run() == 2
    assert "make bench" in capsys.readouterr().out
    (three.root / "asv.conf.json").unlink()
    assert run() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--window", "0"), "--window takes a number of commits from 1 on, not 0"),
        (("--webhook", "ftp://127.0.0.1/"), "not 'ftp://127.0.0.1/'"),
        (("--webhook", "localhost"), "--webhook takes an http or https address"),
        (("--budget", "soon"), "--budget takes a time"),
        (("--power", "0"), "--power takes a number of series"),
    ],
)
def test_bad_usage_is_three(
    three: Project, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 3
    assert words in capsys.readouterr().err


def test_arguments_that_cannot_be_read_are_three() -> None:
    with pytest.raises(SystemExit) as end:
        run("--windw", "3")
    assert end.value.code == 3


class Listener(ThreadingHTTPServer):
    """Answers as told, and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.code = 200
        self.got: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v2/alerts"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.code)
        self.end_headers()
        self.wfile.write(b"no room" if self.server.code >= 400 else b"")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_webhook_is_told_once(three: Project, listener: Listener) -> None:
    assert run("--webhook", listener.url) == 1
    assert run("--webhook", listener.url) == 0
    ((path, kind, alerts_told),) = listener.got
    assert (path, kind) == ("/api/v2/alerts", "application/json")
    assert [each["labels"]["benchmark"] for each in alerts_told] == [NAME]


def test_an_alarm_that_could_not_be_told_is_raised_again(
    three: Project, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.code = 503
    assert run("--webhook", listener.url) == 2
    assert "answered 503 Service Unavailable: no room" in capsys.readouterr().err
    listener.code = 200
    assert run("--webhook", listener.url) == 1
    assert len(listener.got) == 2


def test_a_webhook_that_is_silent_or_away_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(WebhookError, match=r"did not answer within 0\.1 s"):
            post(url, "[]", timeout_s=0.1)
    with pytest.raises(WebhookError, match="count as not raised"):
        post(url, "[]")


def test_a_suspect_is_not_decided_until_it_was_measured_again(
    stepped: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 2
    assert "1 new suspect" in capsys.readouterr().out
    assert json.loads((stepped.root / "calls.json").read_text()) == []


@pytest.mark.parametrize(
    ("slower", "code", "state"), [(1.1, 1, "alarm"), (1.0, 0, "dismissed"), (None, 2, "suspect")]
)
def test_asv_measures_again_what_the_gate_does_not(
    stepped: Project, slower: float | None, code: int, state: str
) -> None:
    rounds = [1 + n / 1000 for n in range(20)]
    values = {
        commit: rounds if place < 25 else [slower and slower * each for each in rounds]
        for place, commit in enumerate(stepped.commits)
    }
    (stepped.root / "values.json").write_text(json.dumps(values))
    assert run("--confirm") == code
    (found,) = stepped.filed()["findings"]
    assert found["state"] == state
    calls = json.loads((stepped.root / "calls.json").read_text())
    assert {call[call.index("--bench") + 1] for call in calls} == {
        r"^baseline\.Cpu\.track_cpu_seconds$"
    }
    assert len(calls) > 8 if slower else len(calls) == 1
    # The published results stay as they were, and nothing is left behind.
    assert not list(stepped.root.glob(".asv-again*"))
    assert not (stepped.root / ".asv" / "again").exists()
    assert len(list((stepped.root / ".asv" / "results" / "box").glob("*-*.json"))) == 30
    assert run() == 0


def test_a_budget_that_is_over_leaves_a_suspect(
    stepped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {commit: [1.0] * 20 for commit in stepped.commits}
    (stepped.root / "values.json").write_text(json.dumps(values))
    monkeypatch.setattr("perflab.alerts.command.budget_s", lambda _: 0.0)
    assert run("--confirm") == 2
    assert "undecided" in stepped.filed()["findings"][0]["why"]


def test_another_run_in_this_checkout_leaves_a_suspect(stepped: Project) -> None:
    from perflab.results.asv_config import alone

    with alone(stepped.root):
        assert run("--confirm") == 2
    assert "another run is measuring" in stepped.filed()["findings"][0]["why"]


@pytest.mark.parametrize(
    ("series", "metric"),
    [
        ("hotpath.Encode.track_seconds('encode_store')", "cpu.encode_store"),
        ("counts.MembershipBytes.track_bytes('join', 8)", "events.bytes.join.8"),
        ("counts.MembershipBytes.track_bytes('join', 32)", None),
        ("hotpath.Encode.track_seconds('gone')", None),
        ("baseline.Clock.track_seconds('store', 64)", None),
    ],
)
def test_what_the_gate_measures_too(series: str, metric: str | None) -> None:
    assert gate_metric(series) == metric


def test_the_gate_measures_again_what_it_can(
    stepped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = stepped.root / ".asv" / "results"
    values = [(1 + n % 5 / 1000) * (1.1 if n >= 25 else 1.0) for n in range(30)]
    name = "hotpath.Encode.track_seconds"
    shutil.rmtree(results)
    write_series(results, stepped.commits, name, values, kind="paired")
    for path in (results / "box").glob("*-*.json"):
        content = json.loads(path.read_text())
        content["results"][name][1] = [["'encode_store'"]]
        path.write_text(json.dumps(content))
    suite = json.loads((results / "benchmarks.json").read_text())
    suite[name]["params"] = [["'encode_store'"]]
    (results / "benchmarks.json").write_text(json.dumps(suite))
    asked = []

    def compare(root: Path, commits: Any, metric: str, *_: object) -> GateOutcome:
        asked.append((metric, *(stepped.commits.index(each.hash) for each in commits)))
        found = Judgement(
            name=metric, verdict=GateVerdict.REGRESSION, kind=Kind.PAIRED, unit="seconds", ratio=1.1
        )
        side = Measured(commit="")
        return GateOutcome(
            base=side, head=side, judgements=(found,), problems=(), undecided_allowed=0,
            false_alarms=0.01, expired=(),
        )  # fmt: skip

    monkeypatch.setattr(gate, "compare", compare)
    assert run("--confirm") == 1
    ((metric, good, last),) = asked
    assert isinstance(good, int)
    assert isinstance(last, int)
    assert metric == "cpu.encode_store"
    assert good < 25 <= last


def test_long_work_says_how_far_it_is(
    stepped: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judging, "PROGRESS_S", float("inf"))
    assert run() == 2
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(judging, "PROGRESS_S", 0.0)
    assert run() == 0
    assert "== 0 of 1 series read, " in capsys.readouterr().err


def test_power_prints_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from perflab.alerts import power

    monkeypatch.setattr(power, "MODELS", power.MODELS[:1])
    monkeypatch.setattr(power, "HISTORY", 60)
    monkeypatch.setattr(power, "BOUND_SERIES", 100)
    assert run("--power", "2") == 0
    assert "| 1 % independent | 0.0 % | 100.0 % |" in capsys.readouterr().out
