"""A repository for asv to publish: the branch and the tags of commits, nothing else.

Stock asv asks git once for every tag and takes each answer for a commit with a date. A tag of a
blob or a tree, a tag whose name is another thing's, or not UTF-8, or a commit without a date ends
it with a traceback. The copy is a bare repository that borrows all objects, so it costs
milliseconds whatever the size of the history.

Rule: reads the repository and writes into its own folder; never changes the repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from perflab.results.asv_results import LATEST_MS
from perflab.results.git import CheckoutError, run_git, start

__all__ = ["BranchError", "Branches", "copy_branches"]

DETACHED = "HEAD"
UNSAFE = re.compile(r"[^\w.+@/-]|^-")  # asv splits the names of branches as a shell does


class BranchError(Exception):
    """There is no branch to publish; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Branches:
    """What was copied."""

    path: Path
    """The bare repository."""
    names: list[str]
    """Of the branches in it, in the order asked for."""
    commits: set[str]
    """Those of the branches by first parents, and those with a tag."""
    tagged: set[str]
    shallow: bool
    """Older commits are not there."""
    left_out: list[str] = field(default_factory=list)
    """A line for each tag or branch that asv could not take."""


def copy_branches(repository: Path, branches: Sequence[str], folder: Path) -> Branches:
    """Make the repository `folder`. A branch "HEAD" is a detached one.

    Raises BranchError if there is no git repository, or none of the branches.
    """
    if not (repository / ".git").exists() and not (repository / "objects").is_dir():
        raise BranchError(
            f"{repository} is no repository of git, whose commits the site is about: clone it"
        )
    _borrow(repository, folder)
    left_out: list[str] = []
    tips = _tips(repository, branches, left_out)
    names = {UNSAFE.sub("_", name): tip for name, tip in tips.items()}
    for name, tip in names.items():
        if name == DETACHED:
            (folder / "HEAD").write_text(f"{tip}\n")
        else:
            _git(folder, "update-ref", f"refs/heads/{name}", tip)
    if DETACHED not in names:
        _git(folder, "symbolic-ref", "HEAD", f"refs/heads/{next(iter(names))}")
    tags = _Tags(repository, folder, set(names))
    tagged = tags.copy(left_out)
    commits = set(tagged)
    for tip in tips.values():
        commits |= set(_git(folder, "rev-list", "--first-parent", tip, "--").decode().split())
    return Branches(
        path=folder,
        names=list(names),
        commits=commits,
        tagged=tagged,
        shallow=(folder / "shallow").is_file(),
        left_out=left_out,
    )


def _borrow(repository: Path, folder: Path) -> None:
    """An empty repository with the objects of another one."""
    told = _git(repository, "rev-parse", "--show-object-format", "--git-path", "objects")
    kind, objects = told.decode("utf-8", "surrogateescape").splitlines()
    command = ["init", "--quiet", "--bare", "--template=", f"--object-format={kind}"]
    _git(folder.parent, *command, str(folder))
    lines = f"{(repository / objects).resolve()}\n".encode("utf-8", "surrogateescape")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_bytes(lines)
    shallow = _git(repository, "rev-parse", "--git-path", "shallow")
    ends = repository / shallow.decode("utf-8", "surrogateescape").rstrip("\n")
    if ends.is_file():
        (folder / "shallow").write_bytes(ends.read_bytes())


def _tips(repository: Path, branches: Sequence[str], left_out: list[str]) -> dict[str, str]:
    tips = {}
    for name in branches:
        wanted = name if name == DETACHED else f"refs/heads/{name}"
        done = start(repository, "rev-parse", "--verify", "--quiet", f"{wanted}^{{commit}}")
        if done.returncode == 0:
            tips[name] = done.stdout.decode().strip()
        else:
            left_out.append(f"branch {name!r}: git knows none")
    if not tips:
        raise BranchError(f"git knows no branch {' or '.join(map(repr, branches))}")
    return tips


@dataclass(frozen=True)
class _Tags:
    """Those of a repository, and which of them a copy can have."""

    repository: Path
    folder: Path
    branches: set[str]

    def copy(self, left_out: list[str]) -> set[str]:
        """Copy those that asv can take; the commits that they name."""
        objects = dict(self._objects())
        commits = self._peeled(objects)
        dated = self._dated(set(commits.values()))
        chosen: dict[bytes, str] = {}
        for name in objects:
            why = self._unfit(name, commits.get(name), dated)
            if why:
                left_out.append(f"tag {name.decode('utf-8', 'replace')!r}: {why}")
            else:
                chosen[name] = commits[name]
        self._write({name: objects[name] for name in chosen})
        for name in self._read_otherwise(chosen):
            left_out.append(f"tag {name.decode()!r}: git reads this name otherwise")
            _git(self.folder, "update-ref", "-d", f"refs/tags/{name.decode()}")
            del chosen[name]
        return set(chosen.values())

    def _objects(self) -> Iterator[tuple[bytes, bytes]]:
        """Names without refs/tags/, and what they point to."""
        told = _git(
            self.repository, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"
        )
        for line in told.split(b"\n"):
            if line:
                target, _, name = line.partition(b" ")
                yield name.removeprefix(b"refs/tags/"), target

    def _peeled(self, objects: Mapping[bytes, bytes]) -> dict[bytes, str]:
        """The commits that tags name, however many other tags lie between."""
        asked = [target + b"^{commit}" for target in objects.values()]
        found = _looked_up(self.repository, asked)
        return {
            name: commit for name, commit in zip(objects, found, strict=True) if commit is not None
        }

    def _dated(self, commits: set[str]) -> set[str]:
        """The commits with a date that asv and Python can read."""
        if not commits:
            return set()
        command = ["log", "--no-walk", "--stdin", "--no-show-signature", "--format=%H %at"]
        told = _git(self.repository, *command, said="\n".join(sorted(commits)).encode())
        lines = (line.split() for line in told.decode().splitlines())
        return {line[0] for line in lines if len(line) == 2 and int(line[1]) * 1000 < LATEST_MS}

    def _unfit(self, name: bytes, commit: str | None, dated: set[str]) -> str | None:
        """Why asv cannot have a tag; None if it can."""
        if commit is None:
            return "it names no commit"
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return "its name is not UTF-8"
        if len(text.splitlines()) > 1 or text != text.strip():
            return "its name has an end of line or begins or ends with a blank"
        if text.startswith("-"):
            return "its name is an option of git"
        if text in self.branches:
            return "a branch has the same name"
        return None if commit in dated else "its commit has no date, or one after the year 9998"

    def _write(self, objects: Mapping[bytes, bytes]) -> None:
        lines = [b"create refs/tags/%b\0%b\0" % each for each in objects.items()]
        _git(self.folder, "update-ref", "--stdin", "-z", said=b"".join(lines))

    def _read_otherwise(self, chosen: Mapping[bytes, str]) -> list[bytes]:
        """The names for which git has another meaning, such as "HEAD" or 40 digits."""
        found = _looked_up(self.folder, [name + b"^{commit}" for name in chosen])
        return [
            name for name, each in zip(list(chosen), found, strict=True) if chosen[name] != each
        ]


def _looked_up(repository: Path, names: Iterable[bytes]) -> list[str | None]:
    """The object that each expression names, or None."""
    told = _git(repository, "cat-file", "--batch-check", said=b"".join(n + b"\n" for n in names))
    lines = (line.split(b" ") for line in told.splitlines())
    return [line[0].decode() if line[-1].isdigit() else None for line in lines]


def _git(repository: Path, *arguments: str, said: bytes = b"") -> bytes:
    try:
        return run_git(repository, *arguments, stdin=said)
    except CheckoutError as error:
        raise BranchError(str(error)) from error
