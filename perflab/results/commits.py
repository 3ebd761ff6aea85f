"""The commits of the published branch, as git tells them: subject, author, date, tags.

asv stores a commit's date and hash; the rest is asked of the repository that asv itself reads. No
commit stops the site: a subject or name that is no text is made one (`git.readable`), and a date
that is none is that of the commit before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from perflab.results.asv_results import LATEST_MS
from perflab.results.git import commits_among, parts_of, readable, run_git
from perflab.results.history import PublishedCommit

__all__ = ["read_commits", "read_tags"]

FIELDS = "%H%x00%an%x00%ct%x00%s"


def read_commits(
    repository: Path, branch: str, tags: Mapping[str, str] | None = None
) -> list[PublishedCommit]:
    """Every commit of a branch by first parents, oldest first; `tags` are names to hashes (None:
    those that git has).

    asv measures and orders first parents only (`git rev-list --first-parent`). Raises
    CheckoutError if git cannot be asked.
    """
    named: dict[str, list[str]] = {}
    for tag, commit in (read_tags(repository) if tags is None else tags).items():
        named.setdefault(commit, []).append(readable(tag))
    command = ("log", "-z", "--first-parent", "--reverse", f"--format={FIELDS}", branch, "--")
    told = parts_of(repository, *command)
    rows = list(zip(told[::4], told[1::4], told[2::4], told[3::4], strict=True))
    dates = _dates(seconds for _, _, seconds, _ in rows)
    return [
        PublishedCommit(
            hash=commit,
            subject=readable(subject),
            author=readable(author),
            date_ms=date_s * 1000,
            tags=tuple(sorted(named.get(commit, ()))),
        )
        for (commit, author, _, subject), date_s in zip(rows, dates, strict=True)
    ]


def read_tags(repository: Path) -> dict[str, str]:
    """Names of tags and their commits; tags of files and trees are left out."""
    # A reference's name has no control character, so that lines are lines.
    listed = run_git(repository, "for-each-ref", "--format=%(refname)", "refs/tags")
    names = [name.decode("utf-8", "surrogateescape") for name in listed.split(b"\n") if name]
    found = commits_among(repository, names)
    return {name.removeprefix("refs/tags/"): commit for name, commit in found.items()}


def _dates(told: Iterator[str]) -> Iterator[int]:
    """Seconds since 1970, of commits in order."""
    last = 0
    for text in told:
        if text.isascii() and text.isdigit() and len(text) <= len(str(LATEST_MS)):
            last = int(text) if int(text) * 1000 < LATEST_MS else last
        yield last
