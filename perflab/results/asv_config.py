"""asv.conf.json: what of it others need, and one measuring run at a time in a checkout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perflab.forms import document, shown

__all__ = [
    "CONFIG",
    "HEAD_CONFIG",
    "MACHINES",
    "AsvConfigError",
    "MeasureError",
    "alone",
    "configuration",
    "configured_branch",
    "html_dir",
    "known_machines",
    "prefer_this_python",
    "results_dir",
]

CONFIG = "asv.conf.json"
MACHINES = ".asv-machine.json"
HEAD_CONFIG = ".asv-head.conf.json"
"""Lives beside the real one while asv runs: asv works in the folder of its configuration."""


class MeasureError(Exception):
    """Nothing, or not everything, could be measured; the message says what and what to do."""


class AsvConfigError(MeasureError, ValueError):
    """A file of asv's settings that cannot be used: which, and why."""


def configuration(root: Path) -> dict[str, Any]:
    """asv's configuration. Raises AsvConfigError."""
    return _read(root / CONFIG)


def configured_branch(root: Path) -> str:
    """The first branch of asv's configuration. Raises AsvConfigError."""
    branches = configuration(root).get("branches")
    if not isinstance(branches, list) or not branches or not isinstance(branches[0], str):
        raise AsvConfigError(f"{CONFIG}: branches is a list of names, not {shown(branches)}")
    return branches[0]


def known_machines() -> dict[str, dict[str, Any]]:
    """What asv knows of machines, by name; nothing before its first run. Raises AsvConfigError."""
    path = Path.home() / MACHINES
    found = _read(path) if path.is_file() else {}
    return {name: about for name, about in found.items() if isinstance(about, dict)}


def _read(path: Path) -> dict[str, Any]:
    try:
        return document(path, dict[str, Any], AsvConfigError)
    except OSError as error:
        raise AsvConfigError(f"{path} cannot be read: {error.strerror}") from error


def _setting(root: Path, key: str) -> str:
    value = configuration(root).get(key)
    if not isinstance(value, str):
        raise AsvConfigError(f"{CONFIG}: {key} is a text, not {shown(value)}")
    return value


def results_dir(root: Path) -> Path:
    """Where asv keeps its results."""
    return root / _setting(root, "results_dir")


def html_dir(root: Path) -> Path:
    """Where the site is built."""
    return root / _setting(root, "html_dir")


def prefer_this_python() -> None:
    """asv takes the first python3.N on the PATH, which may be a version manager's placeholder."""
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )


@contextlib.contextmanager
def alone(root: Path, doing: str = "measuring") -> Iterator[None]:
    """Two runs in one checkout would swap each other's installed commits, silently."""
    import fcntl

    folder = root / ".asv"
    folder.mkdir(exist_ok=True)
    with (folder / ("lock" if doing == "measuring" else f"{doing}.lock")).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasureError(f"another run is {doing} in this checkout; wait for it") from None
        yield
