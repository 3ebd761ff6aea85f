"""What this checkout's git history offers to measure and to publish.

Rule: asks git (`verdict.git`) and changes nothing, neither branches nor the working tree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from perflab.results.commits import read_tags
from perflab.results.git import (
    CheckoutError,
    commits_among,
    line_of,
    parts_of,
    readable,
    run_git,
    start,
)

__all__ = [
    "CheckoutError",
    "Commit",
    "Source",
    "branch_to_publish",
    "commit_of",
    "has_branch",
    "history",
    "is_repository",
    "is_shallow",
    "known_commits",
    "require",
    "source_of",
    "tagged",
    "uncommitted",
]


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as a person reads it."""

    hash: str
    """All 40 digits."""
    subject: str
    """First line of the message, as `readable`."""

    def __str__(self) -> str:
        return f"{self.hash[:8]} {self.subject}"


@dataclass(frozen=True, slots=True)
class Source:
    """Which code runs, as far as git keeps it."""

    commit: str = ""
    """All 40 digits; "" where it is not git's."""
    uncommitted: tuple[str, ...] = ()
    """Files of the code, and of what measures it, that differ from that commit."""


def require(root: Path, *, whole: bool) -> None:
    """Say in one line, before anything is built, that git cannot tell what a command needs.

    `whole`: it needs the history down to the first commit. Raises CheckoutError for a folder
    without a repository of its own (an archive, perhaps unpacked within another repository), one
    without a commit, and a shallow clone.
    """
    if not is_repository(root):
        raise CheckoutError(
            f"{root} is not a git repository of its own (an unpacked archive is none): nothing "
            "says which commit it is; use a clone"
        )
    run_git(root, "rev-parse", "--git-dir")  # if it is damaged, or another user's, git says so
    if not _succeeds(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        raise CheckoutError(f"the repository in {root} has no commit yet")
    if whole and is_shallow(root):
        raise CheckoutError(
            f"{root} is a shallow clone, which lacks the older commits: git fetch --unshallow"
        )


def is_repository(folder: Path) -> bool:
    """Whether a repository of its own lies there: a checkout, or a bare one."""
    bare = (folder / "objects").is_dir() and (folder / "HEAD").is_file()
    return bare or (folder / ".git").exists()


def has_branch(root: Path, name: str) -> bool:
    """Whether the repository has a branch of this name."""
    return _succeeds(root, "show-ref", "--verify", "--quiet", f"refs/heads/{name}")


def history(root: Path, revisions: str = "HEAD") -> list[Commit]:
    """Commits of a revision or of a range such as `a..b`, along first parents, newest first.

    Merged branches count as the one commit that merged them, as in asv. Raises CheckoutError
    when git does not know the revisions.
    """
    require(root, whole=False)
    if revisions.startswith("-"):
        raise CheckoutError(f"'{revisions}' is an option, not a range of commits such as a..b")
    told = parts_of(root, "log", "-z", "--first-parent", "--format=%H%x00%s", revisions, "--")
    return [Commit(hash, readable(text)) for hash, text in zip(told[::2], told[1::2], strict=True)]


def commit_of(root: Path, revision: str) -> Commit:
    """The one commit that a revision names. Raises CheckoutError when git knows none."""
    require(root, whole=False)
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    if not _succeeds(root, *asked):
        hint = "; a shallow clone may lack it" if is_shallow(root) else ""
        raise CheckoutError(f"git knows no commit '{revision}'{hint}")
    (commit,) = history(root, f"{line_of(root, *asked)}^!")
    return commit


def source_of(directory: Path) -> Source:
    """The commit of the p2pcore package that lies in a directory.

    One in an environment is not git's, even if the environment lies in a clone; nor is anything
    where there is no git.
    """
    try:
        if not _succeeds(directory, "ls-files", "--error-unmatch", "p2pcore/__init__.py"):
            return Source()
        commit = line_of(directory, "rev-parse", "HEAD")
        return Source(commit, tuple(uncommitted(directory, "p2pcore", "benchmarks")))
    except CheckoutError:
        return Source()


def is_shallow(root: Path) -> bool:
    """Whether the clone holds only the newest part of its history."""
    return line_of(root, "rev-parse", "--is-shallow-repository") == "true"


def tagged(root: Path) -> set[str]:
    """The commits that have a tag; tags of files and trees name none."""
    return set(read_tags(root).values())


def known_commits(root: Path, hashes: Iterable[str]) -> set[str]:
    """Which of them the repository has, on whichever branch."""
    return set(commits_among(root, hashes))


def uncommitted(root: Path, *paths: str) -> list[str]:
    """Files below the paths that differ from HEAD, and so are not what gets measured."""
    told = iter(parts_of(root, "status", "--porcelain", "-z", "--", *paths))
    found = []
    for each in told:
        found.append(readable(each[3:]))
        if each[0] in "RC":
            next(told)  # what it was called before
    return found


def branch_to_publish(root: Path, configured: str) -> str:
    """The branch whose history the site shall show for what is checked out.

    asv publishes nothing but the commits of the branches in its configuration, and fails when one
    of them does not exist: in a continuous-integration clone with a detached HEAD, say. So it is
    the configured branch if HEAD lies on it, else the branch that HEAD is on, else HEAD itself.
    """
    if not has_branch(root, configured):
        return _current_branch(root)
    head = line_of(root, "rev-parse", "HEAD")
    told = run_git(root, "rev-list", "--first-parent", f"refs/heads/{configured}")
    on_branch = told.decode().split()
    return configured if head in on_branch else _current_branch(root)


def _current_branch(root: Path) -> str:
    if _succeeds(root, "symbolic-ref", "--quiet", "HEAD"):
        return line_of(root, "symbolic-ref", "--short", "HEAD")
    return "HEAD"


def _succeeds(root: Path, *arguments: str) -> bool:
    return start(root, *arguments).returncode == 0
