"""Older versions of p2pcore, to be run beside this one: from wheels, made of commits."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.processes import PATIENCE_S, PYTHON

ROOT = Path(__file__).parents[2]
OLDER = "07ecbebf02ab3b00a7162c544e99e327e5e545cd"
"""The last commit that knows nothing of names: no listing, schema 1 on disk."""


def tree_of(commit: str, folder: Path, *parts: str) -> None:
    """These parts of a commit, in a folder; skips the test where the clone does not have it."""
    git = ["git", "-C", str(ROOT), "archive", commit, *parts]
    done = subprocess.run(git, capture_output=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        pytest.skip(f"{commit[:7]} is not in this clone, which may be a shallow one")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")


def installed_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, built and laid out below a folder; what it needs is here."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=PATIENCE_S)
    (wheel,) = folder.glob("*.whl")
    installed = folder / "installed"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(installed)
    return installed


def program(tree: Path) -> list[str]:
    """The command line of that tree, with what this environment has installed."""
    start = f"import sys; sys.path.insert(0, {str(tree)!r}); from p2pcore.cli import main"
    return [*PYTHON, "-c", f"{start}; sys.exit(main())"]
