"""What git lets people write reaches neither asv nor our pages as something they choke on."""

import subprocess
from pathlib import Path

import pytest

from perflab.results.commits import read_commits
from perflab.site.clean_branch import BranchError, copy_branches
from tests.perflab.site.test_offline import git

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def commit(
    folder: Path, subject: bytes = b"One", name: bytes = b"Ann", date: bytes = b"1700000000 +0000"
) -> str:
    """A commit on main, made of raw bytes as no porcelain would."""
    tip = subprocess.run(
        ["git", "rev-parse", "--verify", "-q", "main"], cwd=folder, capture_output=True
    ).stdout
    parent = b"parent " + tip if tip else b""
    body = b"tree %b\n%bauthor %b <a@x> %b\ncommitter %b <a@x> %b\n\n%b\n" % (
        EMPTY_TREE.encode(), parent, name, date, name, date, subject
    )  # fmt: skip
    made = written(folder, "commit", body)
    git(folder, "update-ref", "refs/heads/main", made)
    return made


def written(folder: Path, kind: str, data: bytes) -> str:
    command = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
    done = subprocess.run(command, cwd=folder, input=data, check=True, capture_output=True)
    return done.stdout.decode().strip()


def tag(folder: Path, name: bytes, target: str) -> None:
    command = ["git", "update-ref", b"refs/tags/" + name, target]
    subprocess.run(command, cwd=folder, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    written(folder, "tree", b"")
    return folder


def test_tags_that_would_end_asv_stay_behind_and_are_told(repository: Path, tmp_path: Path) -> None:
    first, undated = commit(repository), commit(repository, date=b"yesterday")
    late, last = commit(repository, date=b"99999999999999 +0000"), commit(repository)
    blob = written(repository, "blob", b"a key")
    tag(repository, b"v1", first)
    git(repository, "tag", "-a", "-m", "of a tag", "v2", "v1")
    git(repository, "tag", "-a", "-m", "of a tag of a tag", "v3", "v2")
    aside = git(repository, "commit-tree", EMPTY_TREE, "-m", "Aside")
    tag(repository, b"aside", aside)
    git(repository, "tag", "-a", "-m", "of a blob", "deep", blob)
    for name, target in (
        (b"keyfile", blob), (b"tree", EMPTY_TREE), (b"undated", undated), (b"late", late),
        (b"main", first), (b"HEAD", first), (b"@", first), (b"-n", first), (last.encode(), first),
        ("two\u2028lines".encode(), first), (b"gr\xf6sse", first),
    ):  # fmt: skip
        tag(repository, name, target)
    copy = copy_branches(repository, ["main"], tmp_path / "copy")
    kept = git(copy.path, "tag", "-l").split()
    assert kept == ["aside", "v1", "v2", "v3"]
    assert copy.tagged == {first, aside}
    assert copy.commits == {first, undated, late, last, aside}
    said = {line.split(": ")[0]: line.split(": ")[1] for line in copy.left_out}
    assert len(said) == 12
    assert {said[f"tag '{name}'"] for name in ("keyfile", "tree", "deep")} == {"it names no commit"}
    assert "no date" in said["tag 'undated'"]
    assert "no date" in said["tag 'late'"]
    assert "branch" in said["tag 'main'"]
    assert "otherwise" in said["tag 'HEAD'"]
    assert "not UTF-8" in said["tag 'gr\ufffdsse'"]
    assert "end of line" in said["tag 'two\\u2028lines'"]
    assert git(copy.path, "for-each-ref", "refs/heads", "--format=%(refname)") == "refs/heads/main"


def test_the_copy_has_the_branches_asked_for(repository: Path, tmp_path: Path) -> None:
    first, last = commit(repository), commit(repository)
    git(repository, "update-ref", "refs/heads/it's", first)
    copy = copy_branches(repository, ["it's", "gone", "main"], tmp_path / "copy")
    assert copy.names == ["it_s", "main"]
    assert copy.left_out == ["branch 'gone': git knows none"]
    assert copy.commits == {first, last}
    git(repository, "checkout", "-q", "--detach", "main")
    detached = copy_branches(repository, ["HEAD"], tmp_path / "detached")
    assert git(detached.path, "rev-list", "--all").split() == [last, first]
    with pytest.raises(BranchError, match="no branch 'gone'"):
        copy_branches(repository, ["gone"], tmp_path / "none")
    (tmp_path / "plain").mkdir()
    with pytest.raises(BranchError, match="no repository of git"):
        copy_branches(tmp_path / "plain", ["main"], tmp_path / "of nothing")


def test_a_shallow_clone_is_copied_with_its_end(repository: Path, tmp_path: Path) -> None:
    for _ in range(3):
        last = commit(repository)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repository}", str(shallow))
    copy = copy_branches(shallow, ["main"], tmp_path / "copy")
    assert (copy.commits, copy.shallow) == ({last}, True)
    whole = copy_branches(repository, ["main"], tmp_path / "whole")
    assert (len(whole.commits), whole.shallow) == (3, False)


def test_a_hook_of_git_does_not_lead_into_the_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commit(repository)
    tag(repository, b"v1", made)
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "-b", "main", str(other))
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    copy = copy_branches(repository, ["main"], tmp_path / "copy")
    assert [each.hash for each in read_commits(copy.path, "main")] == [made]
    monkeypatch.delenv("GIT_DIR")
    assert git(other, "for-each-ref") == ""


def test_subjects_names_and_dates_are_what_somebody_wrote(repository: Path) -> None:
    written_down = [
        (b"plain", b"Ann", b"1700000000 +0000"),
        ("Speed up\u2028the\x85codec".encode(), b"A\x1fB", b"1700000100 +0000"),
        (b"form\x0cfeed \x1b[31mred", b"\x01", b"not a date"),
        (b"Gr\xf6\xdfe", b"J\xfcrgen", b"99999999999999999999 +0000"),
        (b"", b"", b"1700000200 +0000"),
        ("größer \U0001f600".encode(), "Jürgen".encode(), b"-5 +0000"),
    ]
    hashes = [commit(repository, *each) for each in written_down]
    found = read_commits(repository, "main", {"v1": hashes[1]})
    assert [each.hash for each in found] == hashes
    assert [each.subject for each in found] == [
        "plain", "Speed up the codec", "form feed \ufffd[31mred", "Gr\ufffd\ufffde", "",
        "größer \U0001f600",
    ]  # fmt: skip
    assert [each.author for each in found] == [
        "Ann", "A B", "\ufffd", "J\ufffdrgen", "", "Jürgen"
    ]  # fmt: skip
    seconds = [each.date_ms // 1000 - 1_700_000_000 for each in found]
    assert seconds == [0, 100, 100, 100, 200, 200]  # no date: that of the commit before
    assert [each.tags for each in found] == [(), ("v1",), (), (), (), ()]
