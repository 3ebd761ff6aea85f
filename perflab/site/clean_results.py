"""A copy of asv's results that stock asv can publish, and what that copy lacks.

`asv publish` trusts its files. One infinite value and its detection of steps never ends; a torn
machine.json, a file that is not UTF-8, a date that is none or two benchmarks that share a file
name end it with a traceback, or draw one's values in the other's graph. So each file is read
here first. What is whole is copied to the byte; a bad value becomes a failure; a file or benchmark
that cannot be used stays behind. Each of these is a line of words.

Rule: reads results and writes into its own folder; our own pages read the results themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perflab.results.asv_results import (
    INFINITE,
    LARGEST,
    LATEST_MS,
    LIST,
    MACHINE,
    UNREADABLE,
    VERSION,
    Row,
    columns_of,
    label,
    loads,
    modern,
    read_content,
    result_files,
    words,
)
from perflab.results.history import ELSEWHERE
from perflab.results.suite import MAX_CASES, count_cases, read_entries

__all__ = ["Copied", "copy_results"]

MACHINE_VERSION = 1  # of asv's form
STATS = (
    "stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75", "stats_number", "stats_repeat"
)  # fmt: skip
COLUMNS = {"result", "params", "version", "started_at", "duration", "samples", "profile", *STATS}
NEEDED = ("params", "requirements", "commit_hash", "date", "python", "env_name", "results")
LONGEST = 200
"""Bytes of a file's or folder's name that asv makes of a text; file systems take 255."""
IN_A_PATH = re.compile(r'[<>:"/\\^|?*\x00-\x1f]')  # what asv writes as "_"


@dataclass(kw_only=True)
class Copied:
    """What came of it."""

    files: int = 0
    """Result files in the copy."""
    left_out: list[str] = field(default_factory=list)
    """A line for each thing that the copy lacks."""
    elsewhere: int = 0
    """Measured commits that are on no published branch."""


def copy_results(results: Path, folder: Path, commits: Collection[str]) -> Copied:
    """Copy what asv can take of the results of these commits into `folder`.

    Raises SuiteError if the list of benchmarks cannot be read.
    """
    copied = Copied()
    folder.mkdir(parents=True)
    suite = _copy_suite(results, folder, copied.left_out)
    elsewhere: set[str] = set()
    for path in result_files(results):
        try:
            content = read_content(path)
            commit = content["commit_hash"]
            if commit not in commits:
                elsewhere.add(commit)
                continue
            data = _cleaned(path, content, suite, copied.left_out)
        except UNREADABLE as error:
            copied.left_out.append(f"{label(path)}: {words(error)}")
            continue
        target = folder / path.parent.name
        _copy_machine(path.parent, target, copied.left_out)
        (target / path.name).write_bytes(data)
        copied.files += 1
    copied.elsewhere = len(elsewhere)
    if elsewhere:
        copied.left_out.append(ELSEWHERE.format(len(elsewhere)))
    return copied


def _copy_suite(results: Path, folder: Path, left_out: list[str]) -> set[str]:
    """The names of the benchmarks that asv gets."""
    entries = read_entries(results, left_out)
    paths: dict[str, str] = {}
    for name, entry in list(entries.items()):
        path = IN_A_PATH.sub("_", name)
        why = _unfit(name, path, count_cases(entry)) or (
            path in paths and f"asv has one file for it and {paths[path]}"
        )
        if why:
            left_out.append(f"benchmark {name!r} in asv's own pages: {why}")
            del entries[name]
        paths.setdefault(path, name)
        entry["unit"] = str(entry.get("unit") or "")
        entry.setdefault("param_names", [])
    content = json.dumps({**entries, "version": VERSION})
    (folder / LIST).write_text(content, encoding="utf-8")
    return set(entries)


def _unfit(name: str, path: str, cases: int) -> str | None:
    """Why asv cannot publish a benchmark; None if it can."""
    if "(" in name:
        return "its name has a bracket, behind which asv looks for parameters"
    if name == "summary" or name.startswith(".") or len(path.encode()) > LONGEST:
        return f"its name cannot name a file of at most {LONGEST} bytes, or is asv's own"
    if cases > MAX_CASES:
        return f"it has {cases:,} combinations of parameters, more than {MAX_CASES:,}"
    return None


def _copy_machine(source: Path, target: Path, left_out: list[str]) -> None:
    """asv ends if one of these cannot be read, and needs the folder's name in it."""
    if target.is_dir():
        return
    target.mkdir()
    about: dict[str, Any] = {"machine": source.name, "version": MACHINE_VERSION}
    try:
        found = json.loads((source / MACHINE).read_text(encoding="utf-8"))
        if found["version"] != MACHINE_VERSION or found["machine"] != source.name:
            raise ValueError(f"not of version {MACHINE_VERSION}, or of another machine")
        about = found
    except UNREADABLE as error:
        left_out.append(f"{label(source / MACHINE)}: {words(error)}: only the name is used")
    (target / MACHINE).write_text(json.dumps(about), encoding="utf-8")


def _cleaned(
    path: Path, content: dict[str, Any], suite: Collection[str], left_out: list[str]
) -> bytes:
    """The file as asv can take it. Raises one of UNREADABLE if nothing of it can be used."""
    _check(content, path)
    data = path.read_bytes()
    said = _mend(content, suite)
    left_out += [f"{label(path)}: {each}" for each in said]
    if said or loads(data)["version"] != VERSION:
        content = modern(json.loads(data))  # as Python has it, with NaN
        _mend(content, suite)
        data = json.dumps(content).encode()
    return data


def _check(content: Mapping[str, Any], path: Path) -> None:
    """Raises ValueError or KeyError where asv would end with a traceback, or skip the file."""
    missing = [name for name in NEEDED if name not in content]
    if missing:
        raise KeyError(missing[0])
    params, date = content["params"], content["date"]
    if not isinstance(content["env_name"], str | None) or content["env_name"] == "NaN":
        raise ValueError(f"its env_name is {content['env_name']!r}")
    if content["commit_hash"][:8] != path.name[:8]:
        raise ValueError(f"it is not named after its commit, {content['commit_hash']}")
    if params["machine"] != path.parent.name:
        raise ValueError(f"it is of machine '{params['machine']}', not of its folder's")
    for name, value in (*params.items(), *(content.get("env_vars") or {}).items()):
        if not isinstance(value, str | int | float | None) or name.startswith("."):
            raise ValueError(f"asv cannot tell places by {name} = {value!r}")
        if len(f"env-{name}-{value}".encode()) > LONGEST:
            raise ValueError(f"{name} is longer than {LONGEST} bytes")
    if not _is_time(date):
        raise ValueError(f"its date is {date!r}: not from 1970 to 9998")
    strange = set(content["result_columns"]) - COLUMNS
    if strange:
        raise ValueError(f"asv does not know the columns {sorted(strange)}")
    if not isinstance(content.get("durations", {}), dict):
        raise ValueError("its durations are no table")


def _mend(content: dict[str, Any], suite: Collection[str]) -> list[str]:
    """Take out of a file what asv cannot take; what that was."""
    columns = columns_of(content)
    rows, said = content["results"], []
    if not isinstance(content.get("env_vars", {}), dict):
        content["env_vars"] = {}
        said.append("its env_vars are no table")
    for name, cells in list(rows.items()):
        try:
            row = _AsvRow(cells, columns)
            said += [f"{name}: {each}" for each in row.mend(name in suite)]
        except UNREADABLE as error:
            said.append(f"{name}: {words(error)}")
            del rows[name]
    return said


class _AsvRow(Row):
    """A row that asv shall be able to take."""

    def __init__(self, cells: list[Any], columns: Mapping[str, int]) -> None:
        if not isinstance(cells, list):
            raise ValueError("its row is no list")
        super().__init__(cells, columns)

    def clear(self, column: str) -> None:
        if self(column) is not None:
            self.cells[self.columns[column]] = None

    def mend(self, published: bool) -> list[str]:
        """What was taken out. Raises ValueError if the whole row has to go."""
        values = self("result")
        if not isinstance(values, list | None):
            raise ValueError("its values are no list")
        if published:
            self._check_params()
        said = []
        bad = [at for at, value in enumerate(values or ()) if not _usable(value)]
        for at in bad:
            assert values is not None
            values[at] = None
        if bad:
            said.append(f"{len(bad)} of {len(values or ())} values infinite or no numbers")
        if not self._fitting() or self._too_sure():
            for column in STATS:
                self.clear(column)
            said.append("its statistics are no lists of numbers, or surer than asv can weigh")
        started = self("started_at")
        if started is not None and not _is_time(started):
            self.clear("started_at")
            said.append(f"it was started at {started!r}")
        return said

    def _check_params(self) -> None:
        params = self("params")
        if not isinstance(params, list) or not all(isinstance(each, list) for each in params):
            raise ValueError("its parameters are no list of lists")
        if not all(isinstance(value, str) for each in params for value in each):
            raise ValueError("a value of its parameters is no text")

    def _fitting(self) -> bool:
        """Statistics of one length, all numbers; infinite ones are of too few samples."""
        found = [stats for stats in map(self, STATS) if stats is not None]
        return all(
            isinstance(stats, list)
            and len(stats) == len(found[0])
            and all(_usable(each) or type(each) is float or each in INFINITE for each in stats)
            for stats in found
        )

    def _too_sure(self) -> bool:
        """Intervals so narrow that asv's weights overflow."""
        bounds = zip(self(STATS[0]) or (), self(STATS[1]) or (), strict=False)
        numbers = ((a, b) for a, b in bounds if type(a) is type(b) is float)
        return any(0 < abs(b - a) < 2 / LARGEST for a, b in numbers)


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < LATEST_MS


def _usable(value: Any) -> bool:
    """Whether asv can calculate with a value; None is a failure, NaN does not apply."""
    if value is None or value == "NaN" or value != value:
        return True
    return type(value) in (int, float) and abs(value) <= LARGEST
