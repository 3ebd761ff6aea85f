"""`python -m perflab gate`: exit codes for everything that can go wrong, and real commits.

asv returns 1 for "slower" and for nine other things; each of them is tried here.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from perflab.__main__ import main
from perflab.gate import builds, paired_rounds
from perflab.gate import command as gate
from perflab.gate import run as gate_run
from perflab.gate.instructions import unavailable
from perflab.gate.seeded_defects import DEFECTS, apply
from perflab.results.checkout import commit_of
from tests.perflab.results.test_checkout import git
from tests.processes import PATIENCE_S

ROOT = Path(__file__).parents[3]
BROKEN = "__version__ = '0.1.0'\nraise ImportError('broken on purpose')\n"
BUILDS = Path(".asv", "gate", "builds")
NO_BACKEND = "[build-system]\nrequires = []\nbuild-backend = 'nowhere.to.be.found'\n"
HEAVY = next(edit for edit in DEFECTS if edit.name == "200 bytes more per frame")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's core under git: `good`, `heavy` with 200 bytes more per frame, `unbuildable`,
    `uninstallable` for want of its build backend, `broken`, which cannot be imported, `moved`,
    whose hybrid clock has another place, `older`, whose client has no batches, `documented` and
    `repinned`, whose core is that of `good` to the byte. A gate has built `good` and `heavy`."""
    folder = tmp_path_factory.mktemp("gate") / "repository"
    folder.mkdir()
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "p2pcore", folder / "p2pcore", ignore=shutil.ignore_patterns("__pyc*"))
    git(folder, "init", "--quiet", "--initial-branch=good")
    (folder / ".git" / "info" / "exclude").write_text(".asv/\n", encoding="utf-8")
    commit(folder, "Good")
    pins = (folder / "pyproject.toml").read_text(encoding="utf-8")
    repinned = pins.replace('"msgspec>=0.19"', '"msgspec>=0.20"')
    for branch, file, content in (
        ("unbuildable", folder / "pyproject.toml", "[build-system\n"),
        ("uninstallable", folder / "pyproject.toml", NO_BACKEND),
        ("broken", folder / "p2pcore" / "__init__.py", BROKEN),
        ("documented", folder / "README.md", "Other words.\n"),
        ("repinned", folder / "pyproject.toml", repinned),
    ):
        git(folder, "checkout", "--quiet", "-b", branch, "good")
        file.write_text(content, encoding="utf-8")
        commit(folder, branch.capitalize())
    git(folder, "checkout", "--quiet", "-b", "heavy", "good")
    apply(HEAVY, folder)
    commit(folder, "Heavy")
    git(folder, "checkout", "--quiet", "-b", "moved", "good")
    move(folder, "p2pcore.versions", "p2pcore.elsewhere")
    git(folder, "checkout", "--quiet", "-b", "older", "good")
    records = folder / "p2pcore" / "aio" / "records.py"
    text = records.read_text(encoding="utf-8")
    records.write_text(text.replace("def store_many(", "def later_many("), encoding="utf-8")
    commit(folder, "Older")
    git(folder, "checkout", "--quiet", "good")
    for name in ("good", "heavy"):
        builds.build(folder, commit_of(folder, name), folder / BUILDS)
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which the gate takes for its own."""
    folder = shutil.copytree(made, tmp_path / "repository", symlinks=True)
    monkeypatch.setattr(gate, "ROOT", folder)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def commit(folder: Path, subject: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", subject)


def move(folder: Path, old: str, new: str) -> None:
    """A module of the core gets another name; whoever imports it follows."""
    before, after = (folder.joinpath(*name.split(".")).with_suffix(".py") for name in (old, new))
    before.rename(after)
    for file in (folder / "p2pcore").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if old in text:
            file.write_text(text.replace(old, new), encoding="utf-8")
    commit(folder, "Moved")


def run(*arguments: str) -> int:
    return main(["gate", *arguments])


BYTES = ("--only", "counts.bytes.store.8")


def test_a_real_regression_is_found_filed_and_told(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    place = tmp_path / "files"
    assert run("good", "heavy", *BYTES, "--output", str(place)) == 1
    told = capsys.readouterr().out
    assert "gate: regression (1 regression)" in told
    assert "::error title=gate::counts.bytes.store.8" in told
    assert "To repeat one line here" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    verdict = json.loads((place / "verdict.json").read_text(encoding="utf-8"))
    entry = verdict["benchmarks"]["counts.bytes.store.8"]
    assert entry["head"] - entry["base"] == 6 * 200
    assert "msgspec " in verdict["about"]["packages"]
    assert ElementTree.parse(place / "junit.xml").getroot().get("failures") == "1"
    # The same files, judged again without measuring.
    assert run(str(place / "base.json"), str(place / "head.json")) == 1
    assert run(str(place / "head.json"), str(place / "base.json")) == 0


OF_ONE_GATE = {"machine": "lab-1", "cores": "2", "python": "3.11.7", "coin": "1"} | {
    "packages": "msgspec 0.22.0, uvloop 0.23.0"
}


@pytest.mark.parametrize(
    ("what", "other", "words"),
    [
        ("machine", "lab-2", "machine lab-1 and lab-2"),
        ("cores", "4", "cores 2 and 4"),
        ("python", "3.13.1", "python 3.11.7 and 3.13.1"),
        ("coin", "2", "coin 1 and 2"),
        ("coin", None, "coin 1 and none"),
        ("packages", "msgspec 0.21.0, uvloop 0.23.0", "packages msgspec 0.22.0 and msgspec 0.21.0"),
        ("packages", "msgspec 0.22.0", "packages uvloop 0.23.0 and none"),
    ],
)
def test_files_of_two_gates_are_no_pair(
    tmp_path: Path, what: str, other: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / name) for name in ("base.json", "head.json")]
    for file, value in zip(files, (OF_ONE_GATE[what], other), strict=True):
        about = {name: said for name, said in {**OF_ONE_GATE, what: value}.items() if said}
        metrics = {"counts.it": {"kind": "exact", "unit": "messages", "stages": [[6]]}}
        content = {"format": 1, "commit": "c" * 40, "about": about, "metrics": metrics}
        Path(file).write_text(json.dumps(content), encoding="utf-8")
    assert run(files[0], files[0]) == 0
    assert run(*files) == 3
    error = capsys.readouterr().err
    assert "different gates" in error
    assert words in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("branch", "words"),
    [
        ("unbuildable", "does not build"),
        ("uninstallable", "No module named 'nowhere'"),
        ("broken", "broken on purpose"),
    ],
)
def test_a_commit_that_cannot_be_measured_is_two(
    repository: Path, branch: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("good", branch, *BYTES) == 2
    assert words in capsys.readouterr().out
    assert not list((repository / BUILDS).glob("making-*"))


ONE_PART = ("--only", "cpu.clock", "--budget", "60s")


@pytest.mark.parametrize("sides", [("moved", "good"), ("good", "moved")])
def test_a_part_that_has_moved_away_from_the_ruler_is_two(
    repository: Path, sides: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*sides, *ONE_PART) == 2
    told = capsys.readouterr().out
    assert "cpu.clock" in told
    assert "has no versions.HybridClock; if it has moved" in told
    assert "alias" in told


def test_counts_of_a_machine_that_has_moved_are_two(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "checkout", "--quiet", "-b", "renamed", "good")
    move(repository, "p2pcore.wire.codec", "p2pcore.wire.elsewhere")
    assert run("renamed", "good", *BYTES) == 2
    assert "in base: " in capsys.readouterr().out


def test_what_there_was_no_time_for_is_two(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("good", "heavy", "--only", "cpu.clock", "--budget", "1s") == 2
    assert "cpu.clock" in capsys.readouterr().out


def test_a_feature_that_base_lacks_is_new(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("older", "good", "--only", "counts.bytes.store*.8") == 0
    assert "gate: pass (1 unchanged, 1 new)" in capsys.readouterr().out


def test_the_same_core_passes_at_once_and_says_why(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tmp_path / "files"
    assert run("good", "documented", "--output", str(files)) == 0
    told = capsys.readouterr().out
    assert "gate: pass (both commits have the same core and the same pins" in told
    assert "counting" not in told
    assert "timing" not in told
    verdict = json.loads((files / "verdict.json").read_text(encoding="utf-8"))
    assert (verdict["same_core"], verdict["benchmarks"]) == (True, {})
    assert "nothing to measure" in (files / "verdict.md").read_text(encoding="utf-8")
    assert run(str(files / "base.json"), str(files / "head.json")) == 0


@pytest.mark.parametrize("other", ["repinned", "heavy"])
def test_other_pins_or_another_core_are_measured(
    repository: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("good", other, *BYTES)
    assert "counting operations" in capsys.readouterr().out


def test_the_pins_of_asv_are_pins(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What asv installs beside the core is in its configuration."""
    for version in ("0.21.0", "0.22.0"):
        matrix = {"matrix": {"req": {"msgspec": [version]}}}
        (repository / "asv.conf.json").write_text(json.dumps(matrix), encoding="utf-8")
        commit(repository, f"Pin {version}")
    assert run("good~1", "good", *BYTES) == 0
    assert "counting operations" in capsys.readouterr().out
    (repository / "asv.conf.json").write_text(json.dumps(matrix | {"show": 1}), encoding="utf-8")
    commit(repository, "Show")
    assert run("good~1", "good", *BYTES) == 0
    assert "counting operations" not in capsys.readouterr().out


def test_no_interpreter_is_two(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(repository / "no-python"))
    assert run("documented", "repinned", *BYTES) == 2  # neither is built yet


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("good", "nowhere"), "git knows no commit 'nowhere'"),
        (("good..good", "good"), "git knows no commit 'good..good'"),
        (("good", "heavy", "--only", "nothing.*"), "no benchmark matches"),
        (("good", "heavy", "--budget", "soon"), "--budget takes a time"),
        (("good", "heavy", "--budget", "0s"), "--budget takes a time"),
        (("good", "heavy", "--policy", "none.toml"), "'none.toml' cannot be read"),
        (("none.json", "none.json"), "no file of measurements"),
        (("good",), "two commits, BASE and HEAD"),
    ],
)
def test_bad_usage_is_three(
    repository: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 3
    assert words in capsys.readouterr().err


def test_arguments_that_cannot_be_read_are_three() -> None:
    with pytest.raises(SystemExit) as end:
        run("good", "heavy", "--nonsense")
    assert end.value.code == 3


def test_a_bug_of_ours_is_two(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(gate_run, "build", explode)
    assert run("good", "heavy", *BYTES) == 2


def test_an_interrupt_keeps_what_was_measured(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(paired_rounds, "decide", interrupt)
    place = tmp_path / "files"
    assert run("good", "good", "--anyway", "--only", "cpu.clock", "--output", str(place)) == 130
    kept = json.loads((place / "base.json").read_text(encoding="utf-8"))
    assert kept["subject"] == "Good"


def test_a_suite_that_does_not_import_is_two(tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("__pyc*")
    )
    broken = tmp_path / "benchmarks" / "micro" / "catalogue.py"
    broken.write_text("raise ImportError('broken on purpose')\n", encoding="utf-8")
    command = [sys.executable, "-m", "perflab", "gate", "HEAD", "HEAD"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "broken on purpose" in done.stderr


def test_no_machine_file_is_needed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(repository / "empty"))
    assert run("good", "good", "--anyway", *BYTES) == 0
    assert not (repository / "empty" / ".asv-machine.json").exists()


def test_builds_are_found_again_and_the_oldest_forgotten(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "KEPT", 1)
    store = tmp_path / "store"
    good, heavy = (commit_of(repository, name) for name in ("good", "heavy"))
    first = builds.build(repository, good, store)
    stamp = (first / "p2pcore" / "__init__.py").stat().st_mtime_ns
    assert builds.build(repository, good, store) == first
    assert (first / "p2pcore" / "__init__.py").stat().st_mtime_ns == stamp
    builds.build(repository, heavy, store)
    assert [each.name for each in store.iterdir()] == [heavy.hash]


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_gate_that_is_killed_leaves_no_process(repository: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code = (
        "import pathlib, sys\n"
        "from perflab.__main__ import main\n"
        "from perflab.gate import command\n"
        f"command.ROOT = pathlib.Path({str(repository)!r})\n"
        "main(['gate', 'good', 'good', '--anyway', '--only', 'instructions.*'])\n"
    )
    environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}
    gate = subprocess.Popen([sys.executable, "-c", code], env=environment)
    try:
        # With its first mark, callgrind's child has begun to count; the other side's may not have.
        while gate.poll() is None and not (marked := list(scratch.glob("*/count.1"))):
            time.sleep(0.05)
        started = psutil.Process(gate.pid).children(recursive=True)
    finally:
        gate.kill()
        gate.wait()
    assert started
    assert psutil.wait_procs(started, PATIENCE_S)[1] == []
    # Whoever ends by itself, for nobody reads what it says, fills the file that callgrind opened.
    assert [each.with_name("count").stat().st_size for each in marked] == [0] * len(marked)
