"""Read what asv has stored: which benchmarks exist, and what each commit's file says of them.

Rule: reads files and decides nothing about better or worse.

asv keeps `results/benchmarks.json` (the suite as it was last discovered) and one file per machine,
commit and environment. A null among a benchmark's values is a failure; NaN says that it does not
apply to that commit. A record of another `version` than the suite's is stale: asv drops it too.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = [
    "UNUSABLE",
    "RecordedResult",
    "ResultsError",
    "StoredResults",
    "current_versions",
    "finite",
    "loads",
    "moment",
    "setup_caches",
    "stored",
    "suite",
]

HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # two of them may be a whole one
LAST_MS = 253_402_300_799_000  # the last second of the year 9999: what Python and browsers can show
UNUSABLE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError,
    OSError,
)  # fmt: skip
"""What a file of another form, or a torn one, may raise while it is taken apart."""


class ResultsError(ValueError):
    """A file of asv's that cannot be used: which and why."""


def loads(data: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """JSON as Python writes it, as `json.loads`. Raises ValueError for texts that no file could
    hold again, and for what is nested too deeply."""
    try:
        found = json.loads(data, parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("brackets within brackets, too many to be read") from None
    if HALF_CHARACTER.search(data):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it has a text with half a character") from None
    return found


def moment(ms: float) -> datetime:
    """A time in milliseconds since 1970, of whatever is stored as one the nearest that there is."""
    return datetime.fromtimestamp(min(max(ms if ms == ms else 0, 0), LAST_MS) / 1000, UTC)


def finite(value: Any) -> float | None:
    """A stored value as a number; NaN stays: it does not apply. None for all else, the infinite
    ones too: measuring failed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isinf(number) else number


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
    path = results / "benchmarks.json"
    if not path.is_file():
        return {}
    content = _content(path, "`make bench` lists the benchmarks anew")
    found = {name: entry for name, entry in content.items() if name != "version"}
    for name, entry in found.items():
        if not isinstance(entry, dict):
            raise ResultsError(f"{path}: of {name} it has nothing that asv would write")
    return found


def _content(path: Path, remedy: str) -> dict[str, Any]:
    try:
        content = loads(path.read_bytes())
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
    except UNUSABLE as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ResultsError(f"{path}: not as asv writes results: {words}") from None


def _stored(content: Mapping[str, Any]) -> StoredResults:
    columns = content["result_columns"]
    records = {}
    for name, cells in content["results"].items():
        # asv cuts trailing empty columns off a row.
        row = dict(zip(columns, cells, strict=False))
        records[name] = RecordedResult(
            version=row.get("version") or "",
            values=tuple(row.get("result") or ()),
            seconds=row.get("duration") or 0.0,
            params=tuple(tuple(values) for values in row.get("params") or ()),
        )
    return StoredResults(
        records,
        content.get("durations", {}),
        content.get("commit_hash", ""),
        content.get("env_name", ""),
    )
