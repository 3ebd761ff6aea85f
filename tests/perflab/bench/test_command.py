"""Which commits get measured, what is said about it, and what an interrupt leaves behind.

asv itself is stood in for by tests/perflab/fake_asv.py; tests/e2e runs the real one.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from perflab.archive.archive import Archive, write_archive
from perflab.archive.form import ArchivedCommit, ArchivedValue
from perflab.archive.shipped import SHIPPED
from perflab.bench import command as history_module
from perflab.bench.command import BenchRequest, measure, publish
from perflab.results.asv_config import HEAD_CONFIG, MeasureError, alone

ROOT = Path(__file__).parents[3]


class Project:
    """A repository of four commits, with asv's configuration and the stand-in."""

    def __init__(self, root: Path, environment: str):
        self.root, self.environment = root, environment
        self.lines: list[str] = []
        shutil.copy(Path(__file__).parents[1] / "fake_asv.py", root / "asv.py")
        shutil.copy(ROOT / "asv.conf.json", root / "asv.conf.json")
        self.git("init", "--quiet", "--initial-branch=main")
        for subject in ("one", "two", "three", "four"):
            self.git("commit", "--quiet", "--allow-empty", "-m", subject)
        self.commits = self.git("rev-list", "HEAD").split()
        (root / "calls.json").write_text("[]")
        self.script()

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def script(self, **content: object) -> None:
        content["environment"] = self.environment
        (self.root / "script.json").write_text(json.dumps(content))

    def calls(self, command: str) -> list[list[str]]:
        calls = json.loads((self.root / "calls.json").read_text())
        return [call for call in calls if call[0] == command and "just-discover" not in call]

    def measured(self) -> set[str]:
        files = (self.root / ".asv" / "results").glob(f"*/*-{self.environment}.json")
        return {path.name[:8] for path in files}

    def measure(self, **request: Any) -> None:
        measure(self.root, BenchRequest(**request), self.lines.append)

    def short(self, *indices: int) -> set[str]:
        """The first digits of commits, the newest being 0."""
        return {self.commits[index][:8] for index in indices}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "asv.conf.json", root)
    environment = history_module._environment(root)
    assert environment.startswith("virtualenv-py")
    return Project(root, environment)


def test_the_newest_commits_that_lack_results_are_measured(project: Project) -> None:
    project.measure(commits="2")
    assert project.measured() == project.short(0, 1)
    project.measure(commits="1")
    assert project.measured() == project.short(0, 1, 2)
    project.measure()
    assert project.measured() == project.short(0, 1, 2, 3)
    project.measure()
    assert len(project.calls("run")) == 3
    assert len(project.calls("publish")) == 4
    assert any("none of 4 commits lacks results" in line for line in project.lines)


def test_one_asv_run_measures_all_commits_newest_first(project: Project) -> None:
    project.measure(commits="3")
    (call,) = project.calls("run")
    assert "--skip-existing" in call
    assert call[call.index("--bench") + 1] == history_module.SHORT
    headers = [line for line in project.lines if line.startswith("== commit ")]
    assert [header.split(" · ")[0] for header in headers] == [
        f"== commit {number} of 3: {commit[:8]} {subject}"
        for number, commit, subject in zip(
            (1, 2, 3), project.commits, ("four", "three", "two"), strict=False
        )
    ]


def test_what_the_repository_ships_is_not_measured_again_on_its_machine(project: Project) -> None:
    rows = {"baseline.A.time_x": ArchivedValue([1.0], [], "1", 1)}
    shipped = ArchivedCommit(
        commit_hash=project.commits[0],
        env_name=project.environment,
        date=1,
        params={"machine": "lab"},
        python="3.11",
        requirements={},
        results=rows,
    )
    write_archive(project.root / SHIPPED, Archive(entries={shipped.key: shipped}))
    for machine, measured in (("lab", 1), ("mine", 0)):
        project.lines.clear()
        project.measure(commits="1", machine=machine)
        (header,) = [line for line in project.lines if line.startswith("== commit ")]
        assert project.commits[measured][:8] in header
    assert f"{project.commits[0][:8]}-{project.environment}.json" in {
        path.name for path in (project.root / ".asv" / "results" / "lab").iterdir()
    }


def test_a_range_is_measured_whole(project: Project) -> None:
    project.measure(commits="HEAD~3..HEAD~1")
    assert project.measured() == project.short(1, 2)


def test_the_full_suite_fills_up_what_the_short_selection_left(project: Project) -> None:
    project.measure(commits="2")
    project.measure(commits="1", full=True)
    assert "--bench" not in project.calls("run")[-1]
    assert project.measured() == project.short(0, 1)
    project.measure(commits="1", full=True)
    assert len(project.calls("run")) == 3
    assert project.measured() == project.short(0, 1)


def test_failures_are_named_and_not_tried_again_unless_asked(project: Project) -> None:
    project.script(fail=project.commits[1:2])
    with pytest.raises(MeasureError, match=rf"{project.commits[1][:8]} three: every benchmark"):
        project.measure(commits="2")
    assert len(project.calls("publish")) == 1
    project.measure(commits="1")
    assert project.measured() == project.short(0, 1, 2)
    project.script()
    project.measure(commits="1", retry_failed=True)
    assert "--skip-existing-successful" in project.calls("run")[-1]
    assert project.measured() == project.short(0, 1, 2)


def test_no_environment_and_no_site_are_errors(project: Project) -> None:
    project.script(discover=1)
    with pytest.raises(MeasureError, match="4 newest commits"):
        project.measure()
    project.script(publish=1)
    with pytest.raises(MeasureError, match="could not publish"):
        project.measure()


def test_the_machine_is_noted_once_under_its_name(project: Project) -> None:
    project.measure(commits="1", machine="bench-box")
    project.measure(commits="1")
    assert len(project.calls("machine")) == 1
    assert {call[call.index("--machine") + 1] for call in project.calls("run")} == {"bench-box"}


def test_a_detached_head_without_main_is_measured_and_published(project: Project) -> None:
    project.git("checkout", "--quiet", "--detach")
    project.git("branch", "--quiet", "-D", "main")
    project.measure(commits="1")
    (call,) = project.calls("run")
    assert Path(call[call.index("--config") + 1]).name == HEAD_CONFIG
    assert not (project.root / HEAD_CONFIG).exists()
    assert (project.root / ".asv" / "html" / "index.html").read_text() == "HEAD"


def test_two_runs_at_once_are_refused(project: Project) -> None:
    with (
        alone(project.root),
        pytest.raises(MeasureError, match="another run"),
    ):
        project.measure()


def test_nothing_to_publish_is_said(project: Project) -> None:
    with pytest.raises(MeasureError, match="make bench"):
        publish(project.root, project.lines.append)


def test_a_site_that_cannot_be_published_leaves_the_old_one(project: Project) -> None:
    project.measure(commits="1")
    site = project.root / ".asv" / "html" / "index.html"
    site.write_text("old")
    project.script(publish=1)
    with pytest.raises(MeasureError, match="could not publish"):
        publish(project.root, project.lines.append)
    assert site.read_text() == "old"
    assert not (project.root / ".asv" / "publishing").exists()
    with alone(project.root, "publishing"), pytest.raises(MeasureError, match="run"):
        publish(project.root, project.lines.append)


def test_a_folder_without_git_is_told_before_anything_is_built(project: Project) -> None:
    project.measure(commits="1")
    shutil.rmtree(project.root / ".git")
    lines = len(project.lines)
    with pytest.raises(MeasureError, match=r"no clone of git.*clone it"):
        publish(project.root, project.lines.append)
    assert len(project.lines) == lines


def test_results_of_other_branches_alone_are_told(project: Project) -> None:
    project.measure(commits="1")
    calls = len(project.calls("publish"))
    project.git("commit", "--quiet", "--amend", "--allow-empty", "-m", "another four")
    project.git("branch", "--quiet", "other", "HEAD@{1}")
    with pytest.raises(MeasureError, match=r"no commit of branch main .* 1 measured"):
        publish(project.root, project.lines.append)
    assert len(project.calls("publish")) == calls


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupted(project: Project, command: str, how: int) -> None:
    """The command line itself, pointed at the project; only there is asv the stand-in."""
    program = (
        "import pathlib, sys; import perflab.__main__ as main;"
        "main.ROOT = pathlib.Path(sys.argv[1]); sys.exit(main.main(sys.argv[2:]))"
    )
    bench = subprocess.Popen(
        [sys.executable, "-c", program, str(project.root), command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pid = project.root / "child.pid"
    try:
        wait_for(lambda: pid.is_file() and pid.read_text() != "")
        family = psutil.Process(bench.pid).children(recursive=True)
        assert int(pid.read_text()) in [process.pid for process in family]
        bench.send_signal(how)
        output, _ = bench.communicate(timeout=30)
    finally:
        bench.kill()
    assert bench.returncode == 130, output
    assert "interrupted" in output
    assert not [process for process in family if process.is_running()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_finished_and_no_process(project: Project, how: int) -> None:
    project.script(hang=project.commits[1:2])
    interrupted(project, "bench", how)
    assert project.measured() == project.short(0)
    assert not (project.root / ".asv" / "commits.txt").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_of_publishing_leaves_the_old_site(project: Project, how: int) -> None:
    project.measure(commits="1")
    site = project.root / ".asv" / "html" / "index.html"
    site.write_text("old")
    project.script(publish="hang")
    interrupted(project, "site", how)
    assert site.read_text() == "old"
    assert not (project.root / ".asv" / "publishing").exists()
