"""Made-up projects of others with an asv suite, of the forms that public ones have.

Everything follows from the seed. asv's files are written as asv of that time wrote them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["entry", "git", "make_repository", "noisy", "write_config", "write_old", "write_result"]

FIRST_DATE_S = 1_600_000_000
COLUMNS = ("result", "params", "version", "started_at", "duration")


def git(folder: Path, *arguments: str, **environment: str) -> str:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


def make_repository(folder: Path, commits: int, *, package: str = "pkg") -> list[str]:
    """A repository of so many commits, a day apart; their hashes, oldest first."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    for number in range(commits):
        (folder / package).mkdir(exist_ok=True)
        (folder / package / "code.py").write_text(f"step = {number}\n")
        git(folder, "add", "-A")
        date = f"{FIRST_DATE_S + number * 86_400} +0000"
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        git(folder, "commit", "--quiet", "-m", f"Change {number} of the code", **dates)
    return git(folder, "rev-list", "--reverse", "HEAD").split()


def write_config(folder: Path, **settings: object) -> Path:
    """A configuration of asv, with comments as people write them."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": 1, "project": "pkg", "dvcs": "git", **settings}, indent=1)
    path = folder / "asv.conf.json"
    path.write_text("{\n    // of a project that is not ours\n" + text.removeprefix("{"))
    return path


def entry(name: str, *, unit: str = "seconds", version: str = "1", **more: Any) -> dict[str, Any]:
    """A benchmark of asv's list."""
    kind = name.rpartition(".")[2].partition("_")[0]
    about = {"name": name, "type": kind, "unit": unit, "version": version}
    return {**about, "params": [], "param_names": [], **more}


def noisy(
    seed: int, count: int, level: float, *, steps: Mapping[int, float] | None = None
) -> list[float]:
    """A figure over commits with noise of 1 %; `steps`: from there on so many times more."""
    drawn = random.Random(seed)
    factor, found = 1.0, []
    for number in range(count):
        factor *= (steps or {}).get(number, 1.0)
        found.append(level * factor * drawn.gauss(1, 0.01))
    return found


def write_result(
    results: Path,
    commit: str,
    values: Mapping[str, Sequence[float | None]],
    suite: Mapping[str, Mapping[str, Any]],
    *,
    machine: str = "box",
    python: str = "3.11",
    requirements: Mapping[str, str] | None = None,
) -> None:
    """A file of today's form: each benchmark's values, in the order of its parameters."""
    needs = dict(requirements or {})
    environment = "-".join([f"virtualenv-py{python}", *(a + b for a, b in needs.items())])
    _write(results, machine, commit, environment, {
        "version": 2,
        "commit_hash": commit,
        "env_name": environment,
        "date": FIRST_DATE_S * 1000,
        "params": {"machine": machine, "python": python, "os": "Linux", **needs},
        "python": python,
        "requirements": needs,
        "env_vars": {},
        "result_columns": list(COLUMNS),
        "results": {
            name: [list(row), about["params"], about["version"], FIRST_DATE_S * 1000, 1.0]
            for name, row in values.items()
            for about in [suite[name]]
        },
        "durations": {},
    }, suite)  # fmt: skip


def write_old(
    results: Path,
    commit: str,
    values: Mapping[str, Any],
    suite: Mapping[str, Mapping[str, Any]],
    *,
    machine: str = "oldbox",
) -> None:
    """A file of asv's form 1: what asv wrote until 2019. No version of benchmarks, no env_vars."""
    _write(results, machine, commit, "conda-py3.6-numpy", {
        "version": 1,
        "commit_hash": commit,
        "env_name": "conda-py3.6-numpy",
        "date": FIRST_DATE_S * 1000,
        "params": {"machine": machine, "python": "3.6", "numpy": ""},
        "python": "3.6",
        "requirements": {"numpy": ""},
        "results": dict(values),
        "profiles": {},
    }, suite, form=1)  # fmt: skip


def _write(
    results: Path,
    machine: str,
    commit: str,
    environment: str,
    content: object,
    suite: Mapping[str, Mapping[str, Any]],
    *,
    form: int = 2,
) -> None:
    folder = results / machine
    folder.mkdir(parents=True, exist_ok=True)
    about = {"machine": machine, "os": "Linux", "version": 1}
    (folder / "machine.json").write_text(json.dumps(about))
    (folder / f"{commit[:8]}-{environment}.json").write_text(json.dumps(content))
    (results / "benchmarks.json").write_text(json.dumps({**suite, "version": form}))
