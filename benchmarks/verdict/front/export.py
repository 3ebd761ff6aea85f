"""Everything measured as one table, for tools of one's own: a compressed CSV file."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

from benchmarks.verdict.front.data import iso
from benchmarks.verdict.front.model import Model

__all__ = ["COLUMNS", "EXPORT", "write_export"]

EXPORT = "results.csv.gz"
COLUMNS = (
    "machine", "environment", "commit", "committed", "benchmark", "case", "kind", "unit",
    "value", "low", "high",
)  # fmt: skip
LEVEL = 1  # of gzip: a third larger than the best, in a fifth of its time


def write_export(model: Model, folder: Path) -> None:
    """One row a value; lower is better, and empty cells are not known."""
    commits = [(each.hash, iso(each.date_ms)) for each in model.history.commits]
    suite = {each.name: each for each in model.suite}
    # No name and time within, so that the same data make the same file.
    with (
        (folder / EXPORT).open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=LEVEL, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text)
        table.writerow(COLUMNS)
        for (where, name, case), series in model.history.series.items():
            place, benchmark = model.history.places[where], suite[name]
            about = (name, benchmark.case(case), benchmark.kind, benchmark.unit)
            table.writerows(
                (place.machine, place.environment, *commits[at], *about, value, low, high)
                for at, value, low, high in zip(
                    series.at, series.values, series.low, series.high, strict=True
                )
            )
