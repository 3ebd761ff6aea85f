"""Commands where git, or the results, cannot tell: one line, an exit code, and nothing is built."""

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from perflab import __main__ as command_line
from perflab.alerts import command as alerts
from perflab.culprit import command as bisect
from perflab.gate import command as gate
from perflab.gate.judge import GateVerdict, Judgement
from perflab.gate.record import Kind
from perflab.usage import BAD_USAGE
from tests.perflab.alerts.test_command import NAME, Project
from tests.perflab.results.test_checkout import git
from tests.perflab.synthetic import make_project

ROOT = Path(__file__).parents[2]
WHOLE = {
    "bench": ["bench"],
    "site": ["site"],
    "alerts": ["alerts"],
    "bisect": ["bisect", "instructions.encode_store", "HEAD~1", "HEAD"],
    "history status": ["history", "status"],
    "history unpack": ["history", "unpack"],
    "history merge": ["history", "merge", "."],
    "history fetch": ["history", "fetch"],
    "history pack": ["history", "pack"],
    "history prune": ["history", "prune"],
}
SOME = {"gate": ["gate", "HEAD~1", "HEAD"], "readiness": ["readiness", "--quick"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a history that it ships."""
    folder = tmp_path_factory.mktemp("repository") / "whole"
    make_project(folder, commits=3)
    git(folder, "add", "asv.conf.json", "suites")
    git(folder, "commit", "--quiet", "-m", "Add")
    return folder


def made(whole: Path, folder: Path, form: str) -> tuple[Path, str]:
    """A folder without a history, and a word of what is said of it."""
    if form == "shallow clone":
        git(folder, "clone", "--quiet", "--depth=1", f"file://{whole}", "here")
        return folder / "here", "is a shallow clone"
    if form == "archive in a repository":
        git(folder, "init", "--quiet")
        git(folder, "commit", "--quiet", "--allow-empty", "-m", "Another project")
    (folder / "here").mkdir()
    shutil.copy(whole / "asv.conf.json", folder / "here")
    if form == "no commit yet":
        git(folder / "here", "init", "--quiet")
        return folder / "here", "has no commit yet"
    return folder / "here", "is not a git repository of its own"


def run(root: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]) -> int:
    monkeypatch.setattr(command_line, "ROOT", root)
    monkeypatch.setattr(gate, "ROOT", root)
    monkeypatch.chdir(root)
    return command_line.main(arguments)


@pytest.mark.parametrize(
    ("form", "command"),
    [
        *itertools.product(("shallow clone",), WHOLE),
        *itertools.product(
            ("archive", "archive in a repository", "no commit yet"), [*WHOLE, *SOME]
        ),
    ],
)
def test_it_is_said_in_one_line_before_anything_is_built(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    form: str,
) -> None:
    root, told = made(whole, tmp_path, form)
    before = sorted(root.rglob("[!.]*"))
    assert run(root, monkeypatch, {**WHOLE, **SOME}[command]) in (2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert told in err
    assert "remove" not in err
    assert sorted(root.rglob("[!.]*")) == before
    assert not (root / ".asv").exists()


def test_a_shallow_clone_without_the_base_says_so(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, _ = made(whole, tmp_path, "shallow clone")
    assert run(root, monkeypatch, ["gate", "HEAD~1", "HEAD"]) == BAD_USAGE
    assert "a shallow clone may lack it" in capsys.readouterr().err
    assert not (root / ".asv").exists()


def test_a_branch_without_results_has_no_site(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "root"
    shutil.copytree(whole, root)
    git(root, "checkout", "--quiet", "--orphan", "new")
    git(root, "commit", "--quiet", "-m", "Begin anew")
    assert run(root, monkeypatch, ["site"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [err.strip()]
    assert "no commit of branch 'new' has results" in err
    assert not (root / ".asv" / "html").exists()


@pytest.fixture
def thirty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Thirty commits, each with a message of the same size."""
    project = Project(tmp_path / "project", 30)
    project.history([5.0] * 30, kind="exact")
    monkeypatch.setattr(gate, "ROOT", project.root)
    return project


def measured_until(project: Project, last: int, machine: str = "box") -> None:
    results = project.root / ".asv" / "results"
    for commit in project.commits[last + 1 :]:
        for path in (results / machine).glob(f"{commit[:8]}-*"):
            path.unlink()


@pytest.mark.parametrize(
    ("missing", "asked", "code"),
    [
        (0, [], 0),
        (alerts.BEHIND, [], 0),
        (alerts.BEHIND + 1, [], 2),
        (alerts.BEHIND + 1, ["--behind", "20"], 0),
        (1, ["--behind", "0"], 2),
    ],
)
def test_silence_is_not_green(
    thirty: Project,
    capsys: pytest.CaptureFixture[str],
    missing: int,
    asked: list[str],
    code: int,
) -> None:
    measured_until(thirty, 29 - missing)
    assert command_line.main(["alerts", *asked]) == code
    out = capsys.readouterr().out
    told = f"are {missing} commits behind the tip (at {thirty.commits[29 - missing][:8]}"
    assert (told in out) is (code == 2)
    assert thirty.filed()["exit_code"] == code


def test_a_machine_that_was_given_up_is_a_note(
    thirty: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    results = thirty.root / ".asv" / "results"
    shutil.copytree(results / "box", results / "old")
    measured_until(thirty, 3, "old")
    assert command_line.main(["alerts"]) == 0
    assert "note: the newest results of old, virtualenv-py3.11 are 26 commits behind" in (
        capsys.readouterr().out
    )
    assert command_line.main(["alerts", "--machine", "old"]) == 2
    assert command_line.main(["alerts", "--behind", "-1"]) == BAD_USAGE


def test_from_zero_is_no_percentage(thirty: Project, capsys: pytest.CaptureFixture[str]) -> None:
    thirty.history([0.0] * 28 + [3.0] * 2, kind="exact")
    assert command_line.main(["alerts"]) == 1
    out = capsys.readouterr().out
    assert "0 → 3" in out
    assert "%" not in out
    assert f"0 → 3  {NAME}" in out
    assert "%" not in (thirty.root / ".asv" / "alerts" / "alerts.md").read_text()


@pytest.mark.parametrize(("bad", "worse"), [(float("inf"), "from 0"), (0.0, "-100.00 %")])
def test_bisect_tells_what_begins_or_ends_at_zero(bad: float, worse: str) -> None:
    def judged(ratio: float) -> Judgement:
        return Judgement(
            name="x", kind=Kind.EXACT, unit="", verdict=GateVerdict.REGRESSION,
            ratio=ratio, low=ratio, high=ratio,
        )  # fmt: skip

    assert bisect._found(judged(bad)) == f" ({worse})"
