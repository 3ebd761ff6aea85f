"""A small picture of a series, with its scale: the least and the largest value beside the curve.

Rule: draws; chooses nothing but the scale.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from perflab.results.history import Series
from perflab.site.readings import FigureReading

__all__ = ["Spark", "draw_spark"]

POINTS = 60
WIDTH, HEIGHT, EDGE = 120.0, 30.0, 3.0


@dataclass(frozen=True, kw_only=True)
class Spark:
    """The picture, and what its edges mean."""

    drawing: str
    """SVG elements, of 120 by 30."""
    top: str
    """The largest value drawn; "" where all are equal."""
    bottom: str
    points: int


def draw_spark(series: Series, reading: FigureReading, changed: Collection[int]) -> Spark:
    """The last points; a line stands at each commit that changed the figure."""
    stored = series.values[-POINTS:]
    places = [
        (column, reading.value(value), value)
        for column, value in enumerate(stored)
        if math.isfinite(reading.value(value))
    ]
    if not places:
        return Spark(drawing="", top="", bottom="", points=0)
    lowest, highest = min(places, key=_read), max(places, key=_read)
    low, high = lowest[1], highest[1]
    step = (WIDTH - 2 * EDGE) / max(1, len(stored) - 1)
    room = HEIGHT - 2 * EDGE

    def point(column: int, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low) if high > low else 0.5
        return round(EDGE + column * step, 1), round(EDGE + (1 - share) * room, 1)

    points = [point(column, value) for column, value, _ in places]
    marks = "".join(
        f'<path class="mark" d="M{x:g} 0V{HEIGHT:g}"/>'
        for (column, _, _), (x, _) in zip(places, points, strict=True)
        if series.at[-len(stored) + column] in changed
    )
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    x, y = points[-1]
    # The unit stands beside the newest value; it is told again only where a bound has another.
    unit = reading.text(series.values[-1]).partition(" ")[2]
    return Spark(
        drawing=f'{marks}<path d="{path}"/><circle cx="{x:g}" cy="{y:g}" r="2.5"/>',
        top=reading.text(highest[2]).removesuffix(f" {unit}") if high > low else "",
        bottom=reading.text(lowest[2]).removesuffix(f" {unit}"),
        points=len(places),
    )


def _read(place: tuple[int, float, float]) -> float:
    return place[1]
