"""Everything measured as one table, for tools of one's own: a compressed CSV file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from perflab.results.history import History, Series
from perflab.results.suite import Benchmark
from perflab.site.data import iso

__all__ = ["COLUMNS", "EXPORT", "write_export"]

EXPORT = "results.csv.gz"
COLUMNS = (
    "commit", "committed", "machine", "environment", "benchmark", "case", "kind", "unit",
    "value", "low", "high",
)  # fmt: skip
LEVEL = 1  # of gzip: a third larger than the best, in a fifth of its time


def write_export(history: History, benchmarks: Sequence[Benchmark], folder: Path) -> None:
    """One row a value, as it was measured; empty cells are not known."""
    commits = [f"{each.hash},{iso(each.date_ms)}," for each in history.commits]
    suite = {each.name: each for each in benchmarks}
    folder.mkdir(parents=True, exist_ok=True)
    # No name and no time within, so that the same data make the same file.
    with (
        (folder / EXPORT).open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=file, mtime=0) as packed,
    ):
        packed.write(_line(COLUMNS).encode() + b"\n")
        for (where, name, case), series in history.series.items():
            place, benchmark = history.places[where], suite[name]
            # Only these may need quotes; the csv module would look through each row for them.
            told = (name, benchmark.case(case), benchmark.kind, benchmark.unit)
            about = _line((place.machine, place.environment, *told))
            rows = [
                f"{commits[at]}{about},{value},{_cell(low)},{_cell(high)}\n"
                for at, value, low, high in _points(series, turned=benchmark.higher_is_better)
            ]
            packed.write("".join(rows).encode("utf-8", "replace"))


def _points(
    series: Series, *, turned: bool
) -> Iterator[tuple[int, float, float | None, float | None]]:
    """Commit, value and its bounds; `turned`: the series has one over each."""
    rows = zip(series.at, series.values, series.low, series.high, strict=True)
    if not turned:
        yield from rows
        return
    for at, value, low, high in rows:
        yield at, 1 / value, high and 1 / high, low and 1 / low


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else str(value)
