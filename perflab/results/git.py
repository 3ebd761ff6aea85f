"""Asking git: the one module that starts it.

Git's answers are bytes. Names and messages may be in any encoding and hold any character but NUL,
so answers are split at NUL (`-z`) and never where Python sees an end of line. What goes back to git
keeps its bytes (surrogateescape); what people read goes through `readable`.

Rule: asks and hands over; what an answer means is for others. Settings of the user that change
git's output are overruled here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "CheckoutError",
    "commits_among",
    "line_of",
    "outside_hooks",
    "parts_of",
    "readable",
    "run_git",
    "start",
]

PLAIN = (
    "-c", "log.showSignature=false",
    "-c", "color.ui=false",
    "-c", "i18n.logOutputEncoding=UTF-8",
)  # fmt: skip
# What git tells its hooks, and what binds every git below one to the same repository.
OF_ONE_REPOSITORY = frozenset(
    (
        "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX",
    )
)  # fmt: skip
ENVIRONMENT = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
OFFLINE = {"GIT_NO_LAZY_FETCH": "1"}  # what a partial clone lacks is lacking, without a question
BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")  # a blank for the reader
# What no file of XML or UTF-8 can hold, and what a terminal obeys.
HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class CheckoutError(Exception):
    """Git cannot answer; the message says what was asked and what to do."""


def outside_hooks() -> dict[str, str]:
    """The environment without what binds a git to the repository whose hook this may be."""
    return {each: os.environ[each] for each in os.environ if each not in OF_ONE_REPOSITORY}


def start(
    root: Path, *arguments: str, stdin: bytes | None = None, captured: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder to its end, whatever its exit code.

    `captured`: else git talks to the person, shows its progress and asks for a password. With
    something to read it asks no other repository. Raises CheckoutError if it cannot be started.
    """
    environment = outside_hooks() | ENVIRONMENT | (OFFLINE if stdin is not None else {})
    try:
        if not captured:
            return subprocess.run(["git", *arguments], cwd=root)
        return subprocess.run(
            ["git", *PLAIN, *arguments],
            cwd=root,
            input=stdin or b"",
            capture_output=True,
            env=environment,
        )
    except OSError as error:
        if root.is_dir() and isinstance(error, FileNotFoundError):
            raise CheckoutError("git is not installed") from error
        raise CheckoutError(f"git cannot be started in {root}: {error.strerror}") from error


def run_git(root: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    """What git answers. Raises CheckoutError, in one line, if it says no."""
    done = start(root, *arguments, stdin=stdin)
    if done.returncode != 0:
        said = readable(done.stderr.decode("utf-8", "replace").strip())
        raise CheckoutError(f"git {' '.join(arguments)}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def line_of(root: Path, *arguments: str) -> str:
    """An answer of one line."""
    return _decoded(run_git(root, *arguments).removesuffix(b"\n"))


def parts_of(root: Path, *arguments: str) -> list[str]:
    """An answer whose parts each end with NUL."""
    answer = run_git(root, *arguments)
    return [_decoded(part) for part in answer.removesuffix(b"\0").split(b"\0")] if answer else []


def commits_among(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Which of the names (hashes, references, tags of tags) lead to a commit, and to which.

    Files, trees and what git does not have are left out.
    """
    asked = list(names)
    if not asked:
        return {}
    lines = "".join(f"{name}^{{commit}}\n" for name in asked)
    stdin = lines.encode("utf-8", "surrogateescape")
    told = run_git(root, "cat-file", "--batch-check=%(objectname)", stdin=stdin)
    answers = told.removesuffix(b"\n").split(b"\n")
    return {
        name: answer.decode()
        for name, answer in zip(asked, answers, strict=True)
        if re.fullmatch(rb"[0-9a-f]+", answer)
    }


def readable(text: str) -> str:
    """A text of git's on one line that every page, feed, file and terminal can hold."""
    return HARMFUL.sub(UNKNOWN, BREAKS.sub(" ", text))


def _decoded(answer: bytes) -> str:
    return answer.decode("utf-8", "surrogateescape")
