"""Writes histories in asv's form: what a test wants to have been measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENVIRONMENT = "virtualenv-py3.11"
COLUMNS = ["result", "params", "version", "started_at", "duration"]


def commits_of(count: int) -> list[str]:
    """Made-up hashes, oldest first."""
    return [f"{number:08x}".ljust(40, "0") for number in range(count)]


def write_suite(results: Path, benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
    """What asv discovered: parameters, and whatever else the test gives."""
    content = {
        name: {"name": name, "version": "1", "unit": "seconds", "params": [], **entry}
        for name, entry in benchmarks.items()
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / "benchmarks.json").write_text(json.dumps({**content, "version": 2}))


def write_commit(
    results: Path,
    commit: str,
    values: Mapping[str, Sequence[float | None] | None],
    params: Mapping[str, Sequence[Sequence[str]]] | None = None,
    machine: str = "box",
    version: str = "1",
) -> Path:
    """One commit's file: the values for each choice of parameters, or None where all failed."""
    folder = results / machine
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))
    rows = {
        name: [list(found) if found is not None else None, (params or {}).get(name, []), version]
        for name, found in values.items()
    }
    path = folder / f"{commit[:8]}-{ENVIRONMENT}.json"
    content = {
        "version": 2,
        "commit_hash": commit,
        "env_name": ENVIRONMENT,
        "result_columns": COLUMNS,
        "results": rows,
    }
    path.write_text(json.dumps(content))
    return path


def write_series(
    results: Path, commits: Sequence[str], name: str, values: Sequence[float | None], **entry: Any
) -> None:
    """One benchmark without parameters over all commits."""
    write_suite(results, {name: entry})
    for commit, value in zip(commits, values, strict=True):
        write_commit(results, commit, {name: [value]})
