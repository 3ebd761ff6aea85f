"""p2pcore as commits have it, each built and installed into a directory of its own.

A commit's whole tree is taken from git, built by its own build backend and installed without its
dependencies: these are the running environment's, the same for every commit that is compared. A
directory is there whole or not at all, and is found again by the commit's hash.

Rule: changes neither the checkout nor the environment it runs in.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

from perflab.results.checkout import Commit
from perflab.results.git import CheckoutError, run_git

__all__ = ["BuildError", "build", "forget_old", "same_core", "take_out"]

BUILD_S = 300  # a hundred times what it takes when nothing else runs
KEPT = 16  # builds of 1 MB each
REQUIREMENTS = ("Requires-Dist", "Requires-Python")


class BuildError(Exception):
    """A commit does not build or install; the message has the last words of who tried."""


def build(root: Path, commit: Commit, store: Path) -> Path:
    """The directory below `store` that holds the commit's p2pcore package, made if need be.

    Raises:
        BuildError: git, the build backend or pip refused.
    """
    place = store / commit.hash
    if place.is_dir():
        place.touch()
        return place
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store, prefix="making-") as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "target")
        take_out(root, commit, source)
        _install(commit, source, target)
        if not (target / "p2pcore" / "__init__.py").is_file():
            raise BuildError(f"{commit}: it builds, but brings no package p2pcore")
        if not place.is_dir():  # another gate may have been faster
            target.rename(place)
    forget_old(store, KEPT)
    return place


def same_core(root: Path, commits: Sequence[Commit], builds: Sequence[Path]) -> bool:
    """Whether these builds install the same files, beside the same pinned packages."""
    pairs = zip(commits, builds, strict=True)
    first, *others = [(_installed(place), _pins(root, commit)) for commit, place in pairs]
    return all(each == first for each in others)


def _installed(place: Path) -> tuple[dict[str, bytes], set[tuple[str, str]]]:
    """What is there to import, by its path, and what it requires."""
    files, needs = {}, set()
    for path in place.rglob("*"):
        if path.name == "METADATA":
            fields = HeaderParser().parsestr(path.read_text(encoding="utf-8"))
            needs |= {(name, said) for name, said in fields.items() if name in REQUIREMENTS}
        elif path.is_file() and not path.parent.name.endswith((".dist-info", "__pycache__")):
            files[str(path.relative_to(place))] = path.read_bytes()
    return files, {(name, said) for name, said in needs if "extra ==" not in said}


def _pins(root: Path, commit: Commit) -> object:
    """The packages that asv installs beside the commit's p2pcore; None without a configuration."""
    try:
        configuration = run_git(root, "show", f"{commit.hash}:asv.conf.json")
    except CheckoutError:
        return None
    try:
        return json.loads(configuration)["matrix"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return configuration  # comments, say: the same only where every byte is


def take_out(root: Path, commit: Commit, source: Path) -> None:
    """The commit's whole tree, in a new directory. Raises BuildError."""
    try:
        packed = run_git(root, "archive", commit.hash)
    except CheckoutError as error:
        raise BuildError(f"{commit}: {error}") from None
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(source, filter=_within)
    except tarfile.TarError as error:  # a commit without a single file, say
        raise BuildError(f"{commit}: its tree cannot be taken out: {error}") from None


def _within(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """A commit may have links that lead out of its tree: these are not needed to build it."""
    try:
        return tarfile.data_filter(member, folder)
    except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
        return None


def _install(commit: Commit, source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The build backend is the environment's: what is built differs by the commit alone.
    command += ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(target)]
    try:
        done = subprocess.run(
            [*command, str(source)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BUILD_S,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{commit}: not built within {BUILD_S} s") from None
    except OSError as error:
        raise BuildError(f"{commit}: Python cannot be started: {error}") from error
    if done.returncode:
        raise BuildError(f"{commit} does not build:\n{done.stdout.strip()[-2000:]}")


def forget_old(store: Path, most: int) -> None:
    """Keep so many directories below `store`: those that were used last."""
    builds = [each for each in store.iterdir() if not each.name.startswith("making-")]
    builds.sort(key=lambda each: each.stat().st_mtime, reverse=True)
    for each in builds[most:]:
        shutil.rmtree(each, ignore_errors=True)
