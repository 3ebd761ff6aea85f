"""Where a suite's things lie: this repository's, or those of any project that asv is set up for.

asv's configuration is read as asv reads it: comments, its defaults, paths from its own folder. The
commits are those of a clone: the path in `repo`, the mirror that asv itself makes of an address, or
one that is named. Nothing is cloned here.

Rule: reads a configuration and looks for folders; changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perflab.forms import shown
from perflab.results.asv_config import CONFIG, AsvConfigError, configured_branch, results_dir
from perflab.results.checkout import branch_to_publish, has_branch, is_repository

__all__ = ["Project", "own_project", "read_project"]

DEFAULTS = {"results_dir": "results", "html_dir": "html", "benchmark_dir": "benchmarks"}
GIT = (None, "git")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project and its suite."""

    name: str
    folder: Path
    """Where the configuration lies, and what is filed and kept beside it."""
    repository: Path
    """A clone, or a bare repository."""
    results: Path
    html: Path
    benchmarks: Path
    """The suite's source, which may not be there."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The whole configuration."""
    choose: Callable[[], str]
    to_publish: str = "perflab site"
    """The command that makes the site, in words for people."""
    to_measure: str = "asv run"
    """The command that measures."""

    @property
    def branch(self) -> str:
        """The branch whose commits are looked at. Raises CheckoutError or AsvConfigError."""
        return self.choose()

    @property
    def filed(self) -> Path:
        """The folder of alerts and locks."""
        return self.folder / ".asv"


def own_project(root: Path) -> Project:
    """This repository, whose configuration is in its root. Raises AsvConfigError."""
    return Project(
        name="p2pcore",
        folder=root,
        repository=root,
        results=results_dir(root),
        html=root / ".asv" / "html",
        benchmarks=root / "benchmarks",
        choose=lambda: branch_to_publish(root, configured_branch(root)),
        to_publish="make site",
        to_measure="make bench",
    )


def read_project(config: Path, clone: Path | None = None) -> Project:
    """The project that a configuration of asv describes. Raises AsvConfigError."""
    path = config / CONFIG if config.is_dir() else config
    settings = _settings(path)
    folder = path.parent.resolve()
    name = _text(path, settings, "project")
    repository = _repository(path, folder, name, _text(path, settings, "repo"), clone)
    branches = settings.get("branches") or [None]
    if not isinstance(branches, list) or not isinstance(branches[0], str | None):
        raise AsvConfigError(f"{path}: branches is a list of names, not {shown(branches)}")
    places = {
        key: folder / _text(path, DEFAULTS | settings, key)
        for key in ("results_dir", "html_dir", "benchmark_dir")
    }
    return Project(
        name=name,
        folder=folder,
        repository=repository,
        results=places["results_dir"],
        html=places["html_dir"],
        benchmarks=places["benchmark_dir"],
        settings=settings,
        choose=lambda: _branch(path, repository, branches[0]),
    )


def _branch(path: Path, repository: Path, configured: str | None) -> str:
    if configured is None:  # asv takes the one that is checked out
        return branch_to_publish(repository, "")
    if not has_branch(repository, configured):
        raise AsvConfigError(
            f"{path}: there is no branch '{configured}' in {repository}; asv would not find it "
            "either: fetch it, or name another in `branches`"
        )
    return configured


def _settings(path: Path) -> dict[str, Any]:
    """asv's configuration is no JSON: it may have comments."""
    from asv import util

    if not path.is_file():
        raise AsvConfigError(f"{path}: there is no such file; --config names a suite's {CONFIG}")
    try:
        found = util.load_json(str(path), js_comments=True)
    except Exception as error:  # of json5, which has errors of its own, or of asv
        told = str(error).strip().splitlines()
        raise AsvConfigError(f"{path}: {told[-1] if told else 'not as asv reads it'}") from None
    if not isinstance(found, dict):
        raise AsvConfigError(f"{path} is an object, not {shown(found)}")
    if found.get("dvcs") not in GIT:
        raise AsvConfigError(f"{path}: dvcs is git, not {shown(found['dvcs'])}")
    return found


def _text(path: Path, settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    if not isinstance(value, str) or not value:
        raise AsvConfigError(f"{path}: {key} is a text, not {shown(value)}")
    return value


def _repository(path: Path, folder: Path, name: str, repo: str, clone: Path | None) -> Path:
    if clone is not None:
        if not is_repository(clone):
            raise AsvConfigError(f"--repo: {clone} is no repository of git")
        return clone.resolve()
    for place in (folder / repo, folder / name):
        if is_repository(place):
            return place.resolve()
    raise AsvConfigError(
        f"{path}: repo is '{repo}', and no clone of it is here: name one by --repo, or make the "
        f"one that asv would: git clone --mirror {repo} {folder / name}"
    )
