"""The commits of the published branch, as git tells them: subject, author, date, tags.

asv stores a commit's date and hash; the rest is asked of the repository that asv itself reads.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from perflab.results.history import PublishedCommit

__all__ = ["read_commits"]

FIELDS = "%H%x1f%an%x1f%ct%x1f%s"


def read_commits(
    repository: Path, branch: str, tags: Mapping[str, str] | None = None
) -> list[PublishedCommit]:
    """Every commit of a branch by first parents, oldest first; `tags` are names to hashes.

    asv measures and orders first parents only (`git rev-list --first-parent`). Raises
    CalledProcessError or OSError if git cannot be asked.
    """
    command = ["git", "log", "--first-parent", "--reverse", f"--format={FIELDS}", branch, "--"]
    done = subprocess.run(command, cwd=repository, check=True, capture_output=True)
    named: dict[str, list[str]] = {}
    for tag, commit in (tags or {}).items():
        named.setdefault(commit, []).append(tag)
    found = []
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        commit, author, seconds, subject = line.split("\x1f", 3)
        found.append(
            PublishedCommit(
                hash=commit,
                subject=subject,
                author=author,
                date_ms=int(seconds) * 1000,
                tags=tuple(sorted(named.get(commit, ()))),
            )
        )
    return found
