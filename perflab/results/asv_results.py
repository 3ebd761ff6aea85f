"""Read what asv has stored: which benchmarks exist, and what each commit's file says of them.

All who read asv's files read them here: its JSON, its two versions, its rows. What they make of a
row, and whether a torn file ends them or is told, is theirs.

Rule: reads files and decides nothing about better or worse.

asv keeps `results/benchmarks.json` (the suite as it was last discovered) and one file per machine,
commit and environment. A null among a benchmark's values is a failure; NaN says that it does not
apply to that commit. A record of another `version` than the suite's is stale: asv drops it too.
"""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = [
    "INFINITE",
    "LARGEST",
    "LATEST_MS",
    "LIST",
    "MACHINE",
    "UNREADABLE",
    "VERSION",
    "RecordedResult",
    "ResultsError",
    "Row",
    "StoredResults",
    "columns_of",
    "current_versions",
    "finite",
    "label",
    "loads",
    "modern",
    "moment",
    "number",
    "read_content",
    "result_files",
    "setup_caches",
    "stored",
    "suite",
    "words",
]

HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # two of them may be a whole one
LAST_MS = 253_402_300_799_000  # the last second of the year 9999: what Python and browsers can show
LATEST_MS = 253_370_764_800_000
"""The year 9999 begins. Python's dates end with it; git and JavaScript know later ones."""
LARGEST = 1e150
"""Of values: sums of their squares stay finite. asv adds up, and never ends if that overflows."""
LIST, MACHINE = "benchmarks.json", "machine.json"
VERSION = 2  # of asv's results, and of its list of benchmarks
INFINITE = ("Infinity", "-Infinity")
CONSTANTS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
UNREADABLE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
    OSError,
)  # fmt: skip
"""What a file of another form, or a torn one, may raise while it is taken apart."""


class ResultsError(ValueError):
    """A file of asv's that cannot be used: which and why."""


def loads(data: bytes, *, half_texts: bool = False) -> Any:
    """JSON as Python writes it; NaN and the infinities are the texts that stand there. Raises
    ValueError for what is nested too deeply, and without `half_texts` for texts that no file could
    hold again."""
    import msgspec

    try:
        return msgspec.json.decode(data.replace(b"NaN", b'"NaN"'))  # as nearly always, and quick
    except (msgspec.DecodeError, RecursionError):
        pass  # NaN within a text, something infinite, or no JSON at all
    try:
        found = json.loads(data.decode(), parse_constant=str)
    except RecursionError:
        raise ValueError("too many brackets within brackets") from None
    if HALF_CHARACTER.search(data) and not half_texts:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it has a text with half a character") from None
    return found


def number(value: Any) -> Any:
    """A stored value with numbers in the place of their texts."""
    return CONSTANTS.get(value, value) if isinstance(value, str) else value


def read_content(path: Path, *, half_texts: bool = False) -> dict[str, Any]:
    """All of a file, results or the list of benchmarks, in version 2. Raises OSError or ValueError,
    in words for the reader."""
    content = modern(loads(path.read_bytes(), half_texts=half_texts))
    version = content.get("version") if isinstance(content, dict) else None
    if version != VERSION:
        raise ValueError(
            f"version {version!r} of asv's form; 1 and {VERSION} are read, and `asv update` brings "
            "older ones there"
        )
    assert isinstance(content, dict)
    return content


def modern(content: Any) -> Any:
    """A file of version 1 in version 2, as `asv update` would bring it there; all else as it is.
    Raises ValueError."""
    if not isinstance(content, dict) or content.get("version") != 1:
        return content
    entries = [each for name, each in content.items() if name != "version"]
    if "results" not in content and entries and all(isinstance(each, dict) for each in entries):
        return {**content, "version": VERSION}  # the list of benchmarks, which has only got more
    try:
        if "result_columns" in content or "results" not in content:
            raise ValueError("it has not what belongs there")
        from asv.results import Results

        return {**Results.update_to_2(content), "version": VERSION}
    except Exception as error:  # asv trusts what it reads
        told = f"version 1 of asv's form, and not whole: {words(error)}"
        raise ValueError(f"{told}; `asv update` may say more") from None


def result_files(results: Path) -> Iterator[Path]:
    """asv's files of results, by machine and name; a folder without machine.json has none."""
    for folder in sorted(path for path in results.glob("*") if path.is_dir()):
        if (folder / MACHINE).is_file():
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
            yield from (
                folder / name
                for name in names
                if name.endswith(".json") and name not in (MACHINE, LIST)
            )


def label(path: Path) -> str:
    """What a file is called in words for the reader: its name may be no text of Unicode."""
    name = f"{path.parent.name}/{path.name}"
    return name.encode("utf-8", "backslashreplace").decode()


def words(error: Exception) -> str:
    """What is wrong with a file that raised this."""
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


class Row:
    """What a file says of one benchmark, by asv's columns; it cuts trailing empty ones off."""

    def __init__(self, cells: list[Any], columns: Mapping[str, int]) -> None:
        self.cells, self.columns = cells, columns

    def __call__(self, column: str) -> Any:
        place = self.columns.get(column, len(self.cells))
        return self.cells[place] if place < len(self.cells) else None

    def listed(self, column: str) -> list[Any]:
        found = self(column)
        return found if isinstance(found, list) else []


def columns_of(content: Mapping[str, Any]) -> dict[str, int]:
    """Where each column of a file's rows stands."""
    return {name: place for place, name in enumerate(content["result_columns"])}


def moment(ms: float) -> datetime:
    """A time in milliseconds since 1970, of whatever is stored as one the nearest that there is."""
    return datetime.fromtimestamp(min(max(ms if ms == ms else 0, 0), LAST_MS) / 1000, UTC)


def finite(value: Any) -> float | None:
    """A stored value as a number; NaN stays: it does not apply. None for all else, the infinite
    ones too: measuring failed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return None if math.isinf(found) else found


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """One benchmark in one commit's file."""

    version: str
    """Of the benchmark when it was measured."""
    values: tuple[float | None, ...]
    """One for each combination of parameters; empty when asv stored none at all."""
    seconds: float
    """How long measuring it took."""
    params: tuple[tuple[str, ...], ...] = ()
    """The values of each parameter, as Python writes them; their product is in `values`."""
    numbers: tuple[float | None, ...] = ()
    """asv's "number" of each value; for times beside a ruler, how slow the machine was."""

    @property
    def failed(self) -> bool:
        """True when a value is missing; NaN, "does not apply", is not missing."""
        return not self.values or None in self.values


@dataclass(frozen=True, slots=True)
class StoredResults:
    """One commit's file."""

    records: Mapping[str, RecordedResult]
    """By the benchmark's name."""
    shared_seconds: Mapping[str, float]
    """What was done once for several benchmarks: "<build>", and "<setup_cache KEY>" for the record
    that they share."""
    commit: str = ""
    """All 40 digits."""
    environment: str = ""
    """asv's name for Python and libraries."""

    def lacking(self, versions: Mapping[str, str]) -> list[str]:
        """Names without a record of the current version."""
        return [
            name
            for name, version in versions.items()
            if name not in self.records or self.records[name].version != version
        ]

    def failed(self, versions: Mapping[str, str]) -> list[str]:
        """Names whose current record misses a value."""
        gone = set(self.lacking(versions))
        return [name for name in versions if name not in gone and self.records[name].failed]

    @property
    def seconds(self) -> float:
        """What the commit cost altogether."""
        measuring = (record.seconds for record in self.records.values())
        return sum(self.shared_seconds.values()) + sum(measuring)


def current_versions(results: Path) -> dict[str, str]:
    """Version of every benchmark of the suite, by name; empty before the first discovery. Raises
    ResultsError."""
    return {name: str(entry.get("version")) for name, entry in suite(results).items()}


def setup_caches(results: Path) -> dict[str, str | None]:
    """The key of the record that each benchmark reads, by the benchmark's name; None without."""
    return {name: entry.get("setup_cache_key") for name, entry in suite(results).items()}


def suite(results: Path) -> dict[str, dict[str, Any]]:
    """What asv last discovered, by the benchmark's name; empty before the first discovery.

    Raises ResultsError.
    """
    path = results / LIST
    if not path.is_file():
        return {}
    content = _content(path, "`make bench` lists the benchmarks anew")
    found = {name: entry for name, entry in content.items() if name != "version"}
    for name, entry in found.items():
        if not isinstance(entry, dict):
            raise ResultsError(f"{path}: of {name} it has nothing that asv would write")
    return found


def _content(path: Path, remedy: str) -> dict[str, Any]:
    """Of whatever version: what is of another lacks what is asked of it."""
    try:
        content = modern(loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: not whole, or no JSON ({error}); {remedy}") from None
    if not isinstance(content, dict):
        raise ResultsError(f"{path}: no JSON object; {remedy}")
    return content


def stored(path: Path) -> StoredResults:
    """A commit's file; an absent one holds nothing. Raises ResultsError."""
    if not path.is_file():
        return StoredResults({}, {})
    content = _content(path, "without it, its commit is measured again")
    try:
        return _stored(content)
    except UNREADABLE as error:
        raise ResultsError(f"{path}: not as asv writes results: {words(error)}") from None


def _stored(content: Mapping[str, Any]) -> StoredResults:
    columns = columns_of(content)
    return StoredResults(
        {name: _recorded(Row(cells, columns)) for name, cells in content["results"].items()},
        {name: number(seconds) for name, seconds in content.get("durations", {}).items()},
        content.get("commit_hash", ""),
        content.get("env_name", ""),
    )


def _recorded(row: Row) -> RecordedResult:
    return RecordedResult(
        version=row("version") or "",
        values=tuple(map(number, row("result") or ())),
        seconds=number(row("duration")) or 0.0,
        params=tuple(tuple(values) for values in row("params") or ()),
        numbers=tuple(row.listed("stats_number")),
    )
