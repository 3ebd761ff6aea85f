"""The commits of the published branch, as git tells them: subject, author, date, tags.

asv stores a commit's date and hash; the rest is asked of the repository that asv itself reads.
Subjects, names and dates are whatever somebody once wrote: bytes in any encoding, control
characters, numbers that are no dates. None of them costs more than itself.
"""

from __future__ import annotations

import os
import subprocess
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from perflab.results.history import LATEST_MS, PublishedCommit

__all__ = ["outside_hooks", "read_commits"]

FIELDS = ("%H", "%an", "%ct", "%s")
OF_ONE_REPOSITORY = frozenset(
    (
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX",
    )
)  # fmt: skip
NOT_SHOWN = {"Cc", "Cs", "Zl", "Zp"}  # kinds of characters: control, surrogate, ends of lines


def outside_hooks() -> dict[str, str]:
    """The environment without what git tells its hooks, which binds each git to one repository."""
    return {name: value for name, value in os.environ.items() if name not in OF_ONE_REPOSITORY}


def read_commits(
    repository: Path, branch: str, tags: Mapping[str, str] | None = None
) -> list[PublishedCommit]:
    """Every commit of a branch by first parents, oldest first; `tags` are names to hashes.

    asv measures and orders first parents only (`git rev-list --first-parent`). A commit whose date
    is none, or after the year 9998, gets that of the commit before. Raises CalledProcessError or
    OSError if git cannot be asked.
    """
    command = [
        "git", "log", "-z", "--first-parent", "--reverse", "--no-show-signature",
        "--encoding=UTF-8", f"--format={'%x00'.join(FIELDS)}", branch, "--",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=repository, check=True, capture_output=True, env=outside_hooks()
    )
    named: dict[str, list[str]] = {}
    for tag, commit in (tags or {}).items():
        named.setdefault(commit, []).append(tag)
    cells = done.stdout.decode("utf-8", "replace").split("\0")
    found: list[PublishedCommit] = []
    for at in range(0, len(cells) - len(FIELDS) + 1, len(FIELDS)):
        commit, author, seconds, subject = cells[at : at + len(FIELDS)]
        found.append(
            PublishedCommit(
                hash=commit,
                subject=_shown(subject),
                author=_shown(author),
                date_ms=_date_ms(seconds, found[-1].date_ms if found else 0),
                tags=tuple(sorted(named.get(commit, ()))),
            )
        )
    return found


def _date_ms(seconds: str, before: int) -> int:
    """git prints nothing for what is no date, and any number for what is a number."""
    known = seconds.isdigit() and int(seconds) * 1000 < LATEST_MS
    return int(seconds) * 1000 if known else before


def _shown(text: str) -> str:
    """Text as pages and feeds can have it: one line, no control characters."""
    if text.isprintable():
        return text
    return "".join(
        " " if unicodedata.category(each) in NOT_SHOWN or each in "\ufffe\uffff" else each
        for each in text
    )
