"""Git as it is: what real repositories hold that no well-behaved client writes."""

import ast
import os
import subprocess
from pathlib import Path

import pytest

from perflab.gate.builds import build
from perflab.results.asv_results import LATEST_MS
from perflab.results.checkout import branch_to_publish, commit_of, history, tagged, uncommitted
from perflab.results.commits import read_commits, read_tags
from perflab.results.git import CheckoutError, commits_among, readable, run_git
from tests.perflab.results.test_checkout import git

ROOT = Path(__file__).parents[3]
STRANGE = ("Speed up\u2028the codec", "a\fb", "a\x85b", "a\vb\x1cc", "a\x1fb", "a\rb", "\x1b[2Jb")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "First")
    return folder


def raw_commit(
    folder: Path, subject: bytes, name: bytes = b"Ann", when: bytes = b"1795800000 +0000"
) -> str:
    """A commit as git's own commands would not make it, on top of HEAD; its hash."""
    head, tree = git(folder, "rev-parse", "HEAD"), git(folder, "rev-parse", "HEAD^{tree}")
    who = b"%b <a@localhost> %b" % (name, when)
    content = b"tree %b\nparent %b\nauthor %b\ncommitter %b\n\n%b\n" % (
        tree.encode(), head.encode(), who, who, subject,
    )  # fmt: skip
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
    made = subprocess.run(command, cwd=folder, input=content, check=True, capture_output=True)
    found = made.stdout.decode().strip()
    git(folder, "update-ref", "HEAD", found)
    return found


@pytest.mark.parametrize("subject", STRANGE)
def test_no_character_of_a_subject_makes_two_commits_of_one(repository: Path, subject: str) -> None:
    made = [raw_commit(repository, subject.encode()), raw_commit(repository, b"Last")]
    first = git(repository, "rev-list", "--max-parents=0", "HEAD")
    assert [each.hash for each in history(repository)] == [*reversed(made), first]
    published = read_commits(repository, "main")
    assert [each.hash for each in published] == [first, *made]
    for told in (history(repository)[1].subject, published[1].subject):
        assert told == readable(subject)
        assert len(told.splitlines()) == 1
        assert told.isprintable()


def test_bytes_that_are_no_text_are_shown_and_cost_nothing(repository: Path) -> None:
    made = raw_commit(repository, b"Gr\xf6sse", b"J\xfcrg\x01\x1b")
    assert commit_of(repository, "HEAD").subject == "Gr\N{REPLACEMENT CHARACTER}sse"
    found = read_commits(repository, "main")[-1]
    assert (found.hash, found.author.count("\N{REPLACEMENT CHARACTER}")) == (made, 3)
    (found.subject + found.author).encode()


@pytest.mark.parametrize("when", [b"soon", b"", b"99999999999999999 +0000", b"-5 +0000"])
def test_a_date_that_is_none_is_that_of_the_commit_before(repository: Path, when: bytes) -> None:
    made = raw_commit(repository, b"Then", when=b"1795800000 +0000")
    raw_commit(repository, b"Whenever", when=when)
    _, then, whenever = read_commits(repository, "main")
    assert then.hash == made
    assert whenever.date_ms in (then.date_ms, 0)  # git itself makes 0 of some
    assert 0 <= whenever.date_ms < LATEST_MS


def test_tags_of_files_and_trees_name_no_commit(repository: Path) -> None:
    (repository / "file").write_text("a key")
    blob = git(repository, "hash-object", "-w", "file")
    git(repository, "tag", "keyfile", blob)
    git(repository, "tag", "tree", "HEAD^{tree}")
    git(repository, "tag", "-a", "-m", "of a file", "signed-keyfile", blob)
    git(repository, "tag", "v1")
    git(repository, "tag", "-a", "-m", "of a tag", "v2", "v1")
    git(repository, "tag", "-a", "-m", "of a tag of a tag", "v3", "v2")
    git(repository, "update-ref", os.fsdecode(b"refs/tags/gr\xf6sse"), "HEAD")
    head = git(repository, "rev-parse", "HEAD")
    names = {"v1", "v2", "v3", os.fsdecode(b"gr\xf6sse")}
    assert read_tags(repository) == dict.fromkeys(names, head)
    assert tagged(repository) == {head}
    assert read_commits(repository, "main")[0].tags == (
        "gr\N{REPLACEMENT CHARACTER}sse", "v1", "v2", "v3",
    )  # fmt: skip


def test_what_git_has_is_told_from_what_it_has_not(repository: Path) -> None:
    head, tree = git(repository, "rev-parse", "HEAD"), git(repository, "rev-parse", "HEAD^{tree}")
    assert commits_among(repository, [head, tree, "f" * 40, "7".rjust(40, "0")]) == {head: head}
    assert commits_among(repository, []) == {}


def test_names_of_files_and_branches_keep_their_bytes(repository: Path) -> None:
    (repository / "a b\n-> c.py").write_text("1")
    git(repository, "add", ".")
    git(repository, "mv", "a b\n-> c.py", "d.py")
    git(repository, "commit", "--quiet", "-m", "Add")
    git(repository, "mv", "d.py", "e\u2028f.py")
    (repository / os.fsdecode(b"gr\xf6sse.py")).write_text("2")
    assert sorted(uncommitted(repository)) == ["e f.py", "gr\N{REPLACEMENT CHARACTER}sse.py"]
    branch = os.fsdecode(b"gr\xf6sse")
    git(repository, "update-ref", f"refs/heads/{branch}", "HEAD")
    git(repository, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    git(repository, "commit", "--quiet", "-m", "More")
    assert branch_to_publish(repository, "main") == branch
    assert history(repository, branch)[0].subject == "More"


def test_settings_of_the_user_change_no_answer(repository: Path) -> None:
    for name, value in (
        ("log.showSignature", "true"),
        ("color.ui", "always"),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
        ("status.short", "true"),
        ("status.branch", "true"),
        ("log.decorate", "full"),
    ):
        git(repository, "config", name, value)
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "Größe")
    assert [each.subject for each in history(repository)] == ["Größe", "First"]
    assert uncommitted(repository) == []


def test_a_link_that_leaves_the_tree_stops_no_build(repository: Path, tmp_path: Path) -> None:
    """Neither one to a file of the machine nor one to the folder above."""
    package = repository / "p2pcore"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (repository / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "p2pcore"\nversion = "1"\n'
    )
    (repository / "out").symlink_to("../../../../etc")
    (repository / "absolute").symlink_to("/etc/hostname")
    (repository / "within").symlink_to("p2pcore/__init__.py")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "Link")
    place = build(repository, commit_of(repository, "HEAD"), tmp_path / "builds")
    assert (place / "p2pcore" / "__init__.py").is_file()


def test_what_git_says_no_to_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError) as told:
        run_git(tmp_path, "log")
    assert len(str(told.value).splitlines()) == 1
    with pytest.raises(CheckoutError, match="cannot be started in"):
        run_git(tmp_path / "nowhere", "log")


def test_git_is_started_in_one_module() -> None:
    """Every place that reads git's lines by itself reads some of them wrongly."""
    found = []
    ours = (path for tree in ("benchmarks", "perflab") for path in (ROOT / tree).rglob("*.py"))
    for path in sorted(ours):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.List | ast.Tuple) and node.elts:
                first = node.elts[0]
                if isinstance(first, ast.Constant) and first.value == "git":
                    found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"perflab/results/git.py"}
