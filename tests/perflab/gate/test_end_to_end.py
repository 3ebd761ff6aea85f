"""Edits become commits in a clone, the real gate judges them, and what is wrong is told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from perflab.gate import end_to_end
from perflab.gate.command import judged
from perflab.gate.end_to_end import Tried, main, table, try_edits
from perflab.gate.judge import GateOutcome
from perflab.gate.policy import load_policy
from perflab.gate.seeded_defects import DEFECTS, NEUTRAL
from perflab.results.checkout import CheckoutError, Commit
from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parents[3]
BYTES = "counts.bytes.store.8"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """This checkout's core under git."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "p2pcore", folder / "p2pcore", ignore=shutil.ignore_patterns("__pyc*"))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "The core")
    return folder


def of_bytes(
    root: Path, commits: tuple[Commit, Commit], wanted: Callable[[str], bool]
) -> GateOutcome:
    """The gate, of one benchmark."""
    return judged(root, commits, lambda name: wanted(name) and name == BYTES, load_policy(), 60.0)


def test_an_edit_is_committed_and_judged_and_the_repository_left_alone(repository: Path) -> None:
    before = git(repository, "for-each-ref")
    [heavy] = [edit for edit in DEFECTS if edit.name == "200 bytes more per frame"]
    [tried] = try_edits(repository, of_bytes, (heavy,))
    assert tried.code == 1
    assert list(tried.blamed) == [BYTES]
    # The other benchmarks that must be blamed were not measured here.
    assert tried.missing == [name for name in heavy.must if name != BYTES]
    assert not tried.right
    assert git(repository, "for-each-ref") == before
    assert git(repository, "status", "--porcelain") == ""
    assert not (repository / ".asv").exists()


def an_edit(**changes: object) -> Tried:
    fields = {
        "name": "an edit", "expected": "found", "code": 1, "blamed": {BYTES: 1.25}, "missing": [],
        "misplaced": [], "problems": [], "seconds": 3.2,
    }  # fmt: skip
    return Tried(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, 0, f"| an edit | found | regression | `{BYTES}` +25 % | 3 |"),
        ({"missing": ["x"], "code": 0}, 1, "**pass: wrong** | `counts.bytes.store.8` +25 %, **mi"),
        ({"misplaced": ["y"]}, 1, "**misplaced** `y`"),
        ({"problems": ["z: no valgrind"]}, 2, "**z: no valgrind**"),
    ],
)
def test_the_table_and_the_exit_code_say_what_is_wrong(
    changes: dict[str, object], code: int, words: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(end_to_end, "try_edits", lambda *_: [an_edit(**changes)])
    assert main(ROOT, of_bytes, tmp_path) == code
    assert words in capsys.readouterr().out
    assert json.loads((tmp_path / "end-to-end.json").read_text())[0]["name"] == "an edit"


def test_only_the_first_three_are_named() -> None:
    blamed = {f"counts.bytes.{number}": 1.0 + number for number in range(5)}
    text = table([an_edit(blamed=blamed)])
    assert "`counts.bytes.2` +200 %, and 2 more" in text
    assert "counts.bytes.3" not in text


def test_git_says_why_it_can_not(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError):
        try_edits(tmp_path, of_bytes, NEUTRAL)
