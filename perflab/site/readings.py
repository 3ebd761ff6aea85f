"""What people read: a figure's value, unit and change in the words they use for it.

The suite stores what grows when things get worse, because asv knows one direction. Where people
think the other way round (operations per second, not seconds per operation), `figures.toml` says
so, and value, change and "higher is better" are turned here; better and worse stay what they are.

Rule: words and figures; decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import field

from perflab.results.suite import Benchmark
from perflab.tables import Table, Text, read_table

__all__ = [
    "FIGURES",
    "FigureReading",
    "Headline",
    "Named",
    "Readings",
    "ReadingsError",
    "TargetLine",
    "load_readings",
    "number",
]

FIGURES = Path(__file__).with_name("figures.toml")
SCALES = {
    "seconds": ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")),
    "bytes": ((1.0, "bytes"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")),
}
DIGITS = 4
NO_RATIO = "from 0"  # or from below it: growth of memory may be
FROM_NOTHING, TO_NOTHING = "from ∞", "to ∞"  # per second, where one took no time


class ReadingsError(ValueError):
    """A table of figures that cannot be used; one line with the file, the entry, the value."""


@dataclass(frozen=True, kw_only=True)
class FigureReading:
    """How one benchmark is read."""

    unit: str
    """What the value is in once it is turned."""
    inverted: bool = False

    @property
    def better(self) -> str:
        return "higher" if self.inverted else "lower"

    def value(self, stored: float) -> float:
        """The figure as people think of it; infinite where nothing was left to turn."""
        if not self.inverted:
            return stored
        return 1 / stored if stored else math.inf

    def text(self, stored: float) -> str:
        """With its unit, scaled: "1.234 ms"."""
        value = self.value(stored)
        if not math.isfinite(value):
            return "∞"
        scales = SCALES.get(self.unit, ((1.0, self.unit),))
        fitting = [each for each in scales if abs(value) >= each[0] or (not value and each[0] == 1)]
        scale, unit = fitting[-1] if fitting else scales[0]
        return f"{number(value / scale)} {unit}".strip()

    def change(self, ratio: float) -> str:
        """A change in percent, of what people read: "+12.3 %"."""
        if self.inverted:
            if ratio == 0 or math.isinf(ratio):
                return TO_NOTHING if ratio == 0 else FROM_NOTHING
            ratio = 1 / ratio
        if not math.isfinite(ratio) or ratio < 0:
            return NO_RATIO
        if ratio >= 10:
            return f"× {number(ratio)}"
        text = f"{ratio * 100 - 100:+.{1 if abs(ratio - 1) < 0.995 else 0}f} %"
        return "0 %" if text in ("+0.0 %", "-0.0 %") else text.replace("-", "\N{MINUS SIGN}")


class InverseReading(Table, frozen=True):
    """Benchmarks of which people read the inverse."""

    match: Text
    unit: Text
    """Of the inverse."""


class Named(Table, frozen=True):
    """What people call the figures of some benchmarks."""

    match: Text
    text: Text
    """A parameter's name in braces stands for its value: "Messages of a {operation}"."""


class Headline(Table, frozen=True):
    """A figure on the front page."""

    benchmark: Text
    title: Text
    case: list[str | int | float] = field(default_factory=list)
    """Its parameters, as people write them."""
    card: bool = False
    """One of the cards that are seen first."""


class TargetLine(Table, frozen=True):
    """A target of readiness that benchmarks ask the same question as."""

    match: Text
    target: Text
    """Its name."""


class Readings(Table, frozen=True):
    """The whole of figures.toml."""

    rate: list[InverseReading] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    headline: list[Headline] = field(default_factory=list)
    target: list[TargetLine] = field(default_factory=list)

    def title(self, benchmark: Benchmark, case: int) -> str:
        """What people call a figure; what asv calls it where no line knows better."""
        values = [value.strip("'\"").replace("_", " ") for value in benchmark.cases[case]]
        known = dict(zip(benchmark.param_names, values, strict=False))
        for each in self.named:
            if fnmatchcase(benchmark.name, each.match):
                try:
                    text = each.text.format_map(known)
                except (LookupError, ValueError):  # it knows other parameters
                    break
                return text[:1].upper() + text[1:]
        return benchmark.title(case)

    def of(self, benchmark: Benchmark) -> FigureReading:
        for each in self.rate:
            if fnmatchcase(benchmark.name, each.match):
                return FigureReading(unit=each.unit, inverted=True)
        return FigureReading(unit=benchmark.unit, inverted=benchmark.higher_is_better)

    def card(self, benchmark: Benchmark, case: int) -> bool:
        """Whether it is to be seen first."""
        wanted = benchmark.name, benchmark.case(case)
        cards = (each for each in self.headline if each.card)
        return wanted in ((each.benchmark, ", ".join(map(str, each.case))) for each in cards)

    def headline_cases(self, suite: Sequence[Benchmark]) -> list[tuple[Benchmark, int, str]]:
        """What the front page shows: benchmark, combination, title.

        A suite of which nothing is listed shows its first benchmark, so that none is left out.
        """
        known = {each.name: each for each in suite}
        found = []
        for headline in self.headline:
            benchmark = known.get(headline.benchmark)
            if benchmark is None:
                continue
            cases = [benchmark.case(index) for index in range(len(benchmark.cases))]
            case = ", ".join(map(str, headline.case))
            if case in cases:
                found.append((benchmark, cases.index(case), headline.title))
        listed = {benchmark.suite for benchmark, _, _ in found}
        for benchmark in suite:
            if benchmark.suite not in listed:
                listed.add(benchmark.suite)
                found.append((benchmark, 0, benchmark.title(0)))
        order = list(dict.fromkeys(each.suite for each in suite))
        return sorted(found, key=lambda each: order.index(each[0].suite))


def load_readings(path: Path = FIGURES) -> Readings:
    """Read the table. Raises ReadingsError."""
    return read_table(path, Readings, ReadingsError)


def number(value: float) -> str:
    """A few digits, as people write them."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10 ** (DIGITS - 1):
        return f"{value:,.0f}"
    if abs(value) >= 1e-4:
        return f"{value:.{DIGITS}g}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    return f"{mantissa}e{int(exponent)}"
