"""What this checkout's git history offers to measure and to publish.

Rule: asks git and changes nothing, neither branches nor the working tree.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CheckoutError",
    "Commit",
    "Source",
    "branch_to_publish",
    "commit_of",
    "history",
    "is_shallow",
    "source_of",
    "tagged",
    "uncommitted",
]


class CheckoutError(Exception):
    """Git cannot answer; the message says what was asked and what to do."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as a person reads it."""

    hash: str
    """All 40 digits."""
    subject: str
    """First line of the message."""

    def __str__(self) -> str:
        return f"{self.hash[:8]} {self.subject}"


@dataclass(frozen=True, slots=True)
class Source:
    """Which code runs, as far as git keeps it."""

    commit: str = ""
    """All 40 digits; "" where it is not git's."""
    uncommitted: tuple[str, ...] = ()
    """Files of the code, and of what measures it, that differ from that commit."""


def history(root: Path, revisions: str = "HEAD") -> list[Commit]:
    """Commits of a revision or of a range such as `a..b`, along first parents, newest first.

    Merged branches count as the one commit that merged them, as in asv. Raises CheckoutError
    when git does not know the revisions.
    """
    if revisions.startswith("-"):
        raise CheckoutError(f"'{revisions}' is an option, not a range of commits such as a..b")
    lines = _git(root, "log", "--first-parent", "--format=%H %s", revisions, "--").splitlines()
    return [Commit(line[:40], line[41:]) for line in lines]


def commit_of(root: Path, revision: str) -> Commit:
    """The one commit that a revision names. Raises CheckoutError when git knows none."""
    asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    if not _succeeds(root, *asked):
        hint = "; a shallow clone may lack it" if is_shallow(root) else ""
        raise CheckoutError(f"git knows no commit '{revision}'{hint}")
    found = _git(root, *asked)
    return Commit(found, _git(root, "log", "-1", "--format=%s", found, "--"))


def source_of(directory: Path) -> Source:
    """The commit of the p2pcore package that lies in a directory.

    One in an environment is not git's, even if the environment lies in a clone; nor is anything
    where there is no git.
    """
    try:
        if not _succeeds(directory, "ls-files", "--error-unmatch", "p2pcore/__init__.py"):
            return Source()
        commit = _git(directory, "rev-parse", "HEAD")
        return Source(commit, tuple(uncommitted(directory, "p2pcore", "benchmarks")))
    except (CheckoutError, OSError):
        return Source()


def is_shallow(root: Path) -> bool:
    """Whether the clone holds only the newest part of its history."""
    return _git(root, "rev-parse", "--is-shallow-repository") == "true"


def tagged(root: Path) -> set[str]:
    """The commits that have a tag."""
    lines = _git(root, "for-each-ref", "--format=%(objectname) %(*objectname)", "refs/tags")
    return {name for line in lines.splitlines() for name in line.split()}


def uncommitted(root: Path, *paths: str) -> list[str]:
    """Files below the paths that differ from HEAD, and so are not what gets measured."""
    lines = _git(root, "status", "--porcelain", "--", *paths).splitlines()
    return [line.strip().split(" ", 1)[-1].strip() for line in lines]


def branch_to_publish(root: Path, configured: str) -> str:
    """The branch whose history the site shall show for what is checked out.

    asv publishes nothing but the commits of the branches in its configuration, and fails when one
    of them does not exist: in a continuous-integration clone with a detached HEAD, say. So it is
    the configured branch if HEAD lies on it, else the branch that HEAD is on, else HEAD itself.
    """
    if not _succeeds(root, "show-ref", "--verify", "--quiet", f"refs/heads/{configured}"):
        return _current_branch(root)
    head = _git(root, "rev-parse", "HEAD")
    on_branch = _git(root, "rev-list", "--first-parent", f"refs/heads/{configured}").splitlines()
    return configured if head in on_branch else _current_branch(root)


def _current_branch(root: Path) -> str:
    if _succeeds(root, "symbolic-ref", "--quiet", "HEAD"):
        return _git(root, "symbolic-ref", "--short", "HEAD")
    return "HEAD"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CheckoutError("git is not installed") from error
    if done.returncode != 0:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise CheckoutError(f"git {' '.join(arguments)}: {reason}")
    # rstrip alone: the two status columns of `git status` may begin with a blank.
    return done.stdout.rstrip()


def _succeeds(root: Path, *arguments: str) -> bool:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True)
    return done.returncode == 0
