"""Read what asv has stored: which benchmarks exist, and what each commit's file says of them.

Rule: reads files and decides nothing about better or worse.

asv keeps `results/benchmarks.json` (the suite as it was last discovered) and one file per machine,
commit and environment. A null among a benchmark's values is a failure; NaN says that it does not
apply to that commit. A record of another `version` than the suite's is stale: asv drops it too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["RecordedResult", "StoredResults", "current_versions", "setup_caches", "stored", "suite"]


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
    """Version of every benchmark of the suite, by name; empty before the first discovery."""
    return {name: entry["version"] for name, entry in suite(results).items()}


def setup_caches(results: Path) -> dict[str, str | None]:
    """The key of the record that each benchmark reads, by the benchmark's name; None without."""
    return {name: entry.get("setup_cache_key") for name, entry in suite(results).items()}


def suite(results: Path) -> dict[str, dict[str, Any]]:
    """What asv last discovered, by the benchmark's name; empty before the first discovery."""
    path = results / "benchmarks.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: entry for name, entry in content.items() if name != "version"}


def stored(path: Path) -> StoredResults:
    """A commit's file; an absent one holds nothing."""
    if not path.is_file():
        return StoredResults({}, {})
    content = json.loads(path.read_text(encoding="utf-8"))
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
