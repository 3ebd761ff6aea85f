"""Git questions, asked of real small repositories."""

import subprocess
from pathlib import Path

import pytest

from perflab.results.checkout import (
    CheckoutError,
    Source,
    branch_to_publish,
    commit_of,
    history,
    is_shallow,
    source_of,
    uncommitted,
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three commits on main, the second of them a merge of a side branch."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "First")
    git(folder, "checkout", "--quiet", "-b", "side")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "Aside")
    git(folder, "checkout", "--quiet", "main")
    git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "Last: with  blanks")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def subjects(folder: Path, revisions: str = "HEAD") -> list[str]:
    return [commit.subject for commit in history(folder, revisions)]


def test_history_follows_first_parents_newest_first(repository: Path) -> None:
    assert subjects(repository) == ["Last: with  blanks", "Merge", "First"]
    assert subjects(repository, "HEAD~2..HEAD") == ["Last: with  blanks", "Merge"]
    assert subjects(repository, "HEAD^!") == ["Last: with  blanks"]
    newest = history(repository)[0]
    assert newest.hash == git(repository, "rev-parse", "HEAD")
    assert str(newest) == f"{newest.hash[:8]} Last: with  blanks"


def test_a_commit_without_a_message_is_still_a_commit(repository: Path) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", "")
    assert subjects(repository)[0] == ""


@pytest.mark.parametrize("revisions", ["nowhere..HEAD", "--all", "HEAD~9"])
def test_unknown_revisions_are_named(repository: Path, revisions: str) -> None:
    with pytest.raises(CheckoutError, match=revisions):
        history(repository, revisions)


def test_main_is_published_wherever_head_lies_on_it(repository: Path) -> None:
    assert branch_to_publish(repository, "main") == "main"
    git(repository, "checkout", "--quiet", "HEAD~1")
    assert branch_to_publish(repository, "main") == "main"


def test_another_branch_is_published_under_its_own_name(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "-b", "feature/x")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "More")
    assert branch_to_publish(repository, "main") == "feature/x"
    git(repository, "checkout", "--quiet", "--detach")
    assert branch_to_publish(repository, "main") == "HEAD"


def test_a_clone_without_main_publishes_head(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    git(clone, "checkout", "--quiet", "--detach")
    git(clone, "branch", "--quiet", "-D", "main")
    assert branch_to_publish(clone, "main") == "HEAD"
    assert len(history(clone)) == 3


def test_a_shallow_clone_is_told_apart(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    assert is_shallow(clone)
    assert not is_shallow(repository)
    assert subjects(clone) == ["Last: with  blanks"]


def test_uncommitted_files_are_listed(repository: Path) -> None:
    (repository / "core").mkdir()
    (repository / "core" / "a.py").write_text("1")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Add")
    assert uncommitted(repository, "core") == []
    (repository / "core" / "a.py").write_text("2")
    (repository / "elsewhere.py").write_text("3")
    assert uncommitted(repository, "core") == ["core/a.py"]


def test_outside_a_repository_git_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="not a git repository"):
        history(tmp_path)


def test_one_commit_by_its_name(repository: Path) -> None:
    assert commit_of(repository, "main~1").subject == "Merge"
    assert commit_of(repository, git(repository, "rev-parse", "side")).subject == "Aside"
    for revision in ("nowhere", "side..main", "--all", ""):
        with pytest.raises(CheckoutError, match="git knows no commit"):
            commit_of(repository, revision)


def test_the_source_is_what_git_keeps_and_no_copy_that_lies_in_a_clone(repository: Path) -> None:
    for folder in (repository, repository / ".venv"):
        (folder / "p2pcore").mkdir(parents=True)
        (folder / "p2pcore" / "__init__.py").touch()
    assert source_of(repository) == Source()
    git(repository, "add", "p2pcore")
    git(repository, "commit", "--quiet", "-m", "A package")
    commit = git(repository, "rev-parse", "HEAD")
    assert source_of(repository) == Source(commit)
    (repository / "p2pcore" / "__init__.py").write_text("changed")
    (repository / "notes").write_text("of no weight")
    assert source_of(repository) == Source(commit, ("p2pcore/__init__.py",))
    assert source_of(repository / ".venv") == Source()
    assert source_of(repository / "nowhere") == Source()
