"""asv's detection of steps, for many series at once: the same answers in a third of the time.

Publishing spends half of its time here: one new commit makes every series longer, and asv searches
each again from its beginning. Its answer for n points cannot be continued to n + 1 (the penalty for
a step follows from all of them), so what is left is to do the same work faster.

Theory of operation. asv fits a piecewise constant function: a dynamic programme over pieces of up
to SIZE points finds the cheapest for a penalty, neighbouring pieces are then joined where that is
cheaper, and the penalty is chosen by a golden-section search on an information measure
(`asv.step_detect`; Friedrich et al., "Complexity penalized M-estimation", 2008). Here all series
take each step of that search together, so that the programme and the costs of short pieces are a
few operations on arrays. Sums are taken in asv's order of summands, so that results are equal to
the last bit; tests hold that, and `agrees` asks it of a live series. What does not fit (infinite
values, an asv without its compiled part, an environment without numpy) asv does itself.

Rule: answers as asv does, and is nothing but faster.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from typing import Any

__all__ = ["TOGETHER", "Item", "Steps", "agrees", "find_steps"]

SIZE = 20  # points of the longest piece that the dynamic programme tries
TOGETHER = 64  # series: their short pieces take 10 MB of each 1,000 points
GOLDEN = 2 / (1 + math.sqrt(5))

Item = Sequence[tuple[int, float | None, float | None]]
"""A series as asv has it: revision, value, weight."""
Steps = list[tuple[int, int, float, float, float]]
"""First revision, the one after the last, median, least value, mean deviation from the median."""
Array = Any  # a numpy array; numpy is imported where it is needed


def find_steps(items: Sequence[Item]) -> list[Steps]:
    """Of each series what `asv.graph` would find."""
    from asv import graph, step_detect

    able = step_detect._rangemedian is not None and find_spec("numpy") is not None
    found: list[Steps | None] = [None] * len(items)
    series = []
    for number, item in enumerate(items):
        each = _Series(number, item)
        if not able or len(each.values) < 2 or not each.finite:
            found[number] = graph._compute_graph_steps(item)
        else:
            series.append(each)
    series.sort(key=lambda each: len(each.values))  # neighbours of a batch are padded to one length
    for begin in range(0, len(series), TOGETHER):
        for each in _solved(series[begin : begin + TOGETHER]):
            found[each.number] = each.steps()
    return [each for each in found if each is not None]


def agrees(item: Item, steps: Steps) -> bool:
    """True if asv itself finds the same in a series; takes asv's time."""
    from asv import graph

    return bool(graph._compute_graph_steps(item) == steps)


class _Series:
    """One series without its missing points, and the best fit known so far."""

    def __init__(self, number: int, item: Item) -> None:
        self.number = number
        self.revisions = [revision for revision, _, _ in item]
        self.places: list[int] = []
        self.values: list[float] = []
        self.weights: list[float] = []
        weights = [w for _, _, w in item if w is not None and w == w]
        usual = (median(weights) if weights else 1.0) or 1.0
        for place, (_, value, weight) in enumerate(item):
            if value is None or value != value or (weight is not None and weight <= 0):
                continue
            self.places.append(place)
            self.values.append(value)
            known = weight is not None and weight == weight
            self.weights.append(weight / usual if known and weight is not None else 1.0)
        self.finite = all(map(math.isfinite, self.values)) and all(map(math.isfinite, self.weights))
        self.objective = math.inf
        self.right: list[int] = []
        self._known: dict[tuple[int, ...], float] = {}

    def prepare(self, values: Array, weights: Array, costs: Array) -> None:
        """Take what belongs to this series of its batch: costs[r, k] is that of the piece of
        SIZE - k points that ends with point r."""
        from asv import step_detect

        count = len(self.values)
        self._values, self._weights = values[:count], weights[:count]
        self._short: list[float] = costs[:count].ravel().tolist()
        self._pieces = step_detect._rangemedian.RangeMedian(self.values, self.weights)

    def cost(self, first: int, last: int) -> float:
        """The sum of the deviations from the median, of the points first to last."""
        if last - first < SIZE:
            return self._short[last * SIZE + SIZE - 1 - last + first]
        cost: float = self._pieces.dist(first, last)
        return cost

    def search(self) -> Generator[float, Sequence[int], None]:
        """Yields penalties and is sent the cheapest partition for each; ends with the best fit."""
        count = len(self.values)
        whole = self.cost(0, count - 1) or 1.0
        lowest = math.log(0.1 / count)
        golden = _golden(lowest, 0.0, abs(lowest) * 0.1)
        exponent = next(golden)
        while True:
            penalty = whole * math.exp(exponent)
            begins = yield penalty
            edges = tuple(_joined(_ends(begins), penalty, self.cost))
            if edges not in self._known:
                self._known[edges] = self._judged(_moved(list(edges), self.cost))
            try:
                exponent = golden.send(self._known[edges])
            except StopIteration:
                return

    def _judged(self, right: list[int]) -> float:
        """The information measure of a fit, which is kept if it is the best so far."""
        medians = self._medians(right)
        residual = self._misfit(right, medians)
        if len(medians) > 2:
            floor = 0.1 * min(abs(b - a) for a, b in pairwise(medians))
        else:
            floor = 0.001 * min(map(abs, medians))
        count = len(self.values)
        beta = 4 * math.log(count) / count
        objective = beta * len(right) + math.log(max(1e-300, floor) + residual)
        if objective < self.objective:
            self.objective, self.right = objective, right
        return objective

    def _medians(self, right: Sequence[int]) -> list[float]:
        return [self._pieces.mu(a, b - 1) for a, b in zip([0, *right], right, strict=False)]

    def _misfit(self, right: Sequence[int], medians: Sequence[float]) -> float:
        """What the fit leaves over once the correlation of neighbours is taken out."""
        import numpy as np
        from asv.step_detect import golden_search

        lengths = np.diff(np.array([0, *right]))
        errors = self._values - np.repeat(np.array(medians), lengths)
        newer, older, weights = errors[1:], errors[:-1], self._weights[1:]
        parts = np.empty(len(errors))
        parts[0] = abs(errors[0]) * self._weights[0]

        def left(rho: float) -> float:
            np.multiply(older, rho, out=parts[1:])
            np.subtract(newer, parts[1:], out=parts[1:])
            np.abs(parts[1:], out=parts[1:])
            np.multiply(parts[1:], weights, out=parts[1:])
            return float(np.add.accumulate(parts)[-1])  # one after the other, as asv adds

        rho: float = golden_search(left, -1, 1, xatol=0.05, expand_bounds=True)
        return left(rho)

    def steps(self) -> Steps:
        """The best fit as asv words it."""
        found, first = [], 0
        for end, middle in zip(self.right, self._medians(self.right), strict=True):
            error = abs(self._pieces.dist(first, end - 1) / (end - first))
            begin, last = self.places[first], self.places[end - 1]
            found.append(
                (
                    self.revisions[begin],
                    self.revisions[last] + 1,
                    middle,
                    min(self.values[first:end]),
                    error,
                )
            )
            first = end
        return found


def _solved(batch: Sequence[_Series]) -> Sequence[_Series]:
    import numpy as np

    count = max(len(each.values) for each in batch)
    values, weights = np.zeros((len(batch), count)), np.ones((len(batch), count))
    for row, each in enumerate(batch):
        values[row, : len(each.values)] = each.values
        weights[row, : len(each.values)] = each.weights
    costs = _short_costs(values, weights)
    for row, each in enumerate(batch):
        each.prepare(values[row], weights[row], costs[:, row])
    searches = {row: each.search() for row, each in enumerate(batch)}
    asked = {row: next(search) for row, search in searches.items()}
    while asked:
        rows = list(asked)
        chosen = costs if len(rows) == len(batch) else costs[:, rows]
        begins = _partitions(chosen, np.array([asked[row] for row in rows]))
        asked = {}
        for place, row in enumerate(rows):
            partition = begins[: len(batch[row].values), place].tolist()
            try:
                asked[row] = searches[row].send(partition)
            except StopIteration:
                continue
    return batch


def _short_costs(values: Array, weights: Array) -> Array:
    """Of all pieces of up to SIZE points, by last point, series, and SIZE less their length.

    The order of a piece's points is kept as their ranks in the whole series, which grow by one
    point with each length: insertion into a sorted row, for all places at once.
    """
    import numpy as np

    series, count = values.shape
    order = np.lexsort((weights, values))
    rank = np.empty((series, count), dtype=np.int32)
    np.put_along_axis(rank, order, np.arange(count, dtype=np.int32)[None, :], axis=1)
    rank += (np.arange(series, dtype=np.int32) * count)[:, None]  # into the flat lists below
    in_order = np.take_along_axis(values, order, 1).ravel()
    weight_in_order = np.take_along_axis(weights, order, 1).ravel()
    costs = np.full((count, series, SIZE), np.inf)
    ordered: list[Array] = []
    for size in range(1, min(SIZE, count) + 1):
        joining = rank[:, : count - size + 1]
        for place, ranks in enumerate(ordered):
            ranks = ranks[:, 1:]
            ordered[place] = np.minimum(ranks, joining)
            joining = np.maximum(ranks, joining)
        ordered.append(joining)
        middle = _middle(ordered, in_order, weight_in_order)
        total = None
        for begin in range(size):
            part = np.abs(values[:, begin : count - size + 1 + begin] - middle)
            part *= weights[:, begin : count - size + 1 + begin]
            total = part if total is None else np.add(total, part, out=total)
        assert total is not None
        costs[size - 1 :, :, SIZE - size] = total.T
    return costs


def _middle(ordered: Sequence[Array], values: Array, weights: Array) -> Array:
    """The weighted medians of pieces, whose points' ranks are given in order."""
    import numpy as np

    sums: list[Array] = []
    for ranks in ordered:
        weight = weights[ranks]
        sums.append(weight if not sums else sums[-1] + weight)
    half = sums[-1] / 2
    place = np.zeros(half.shape, dtype=np.int8)
    for each in sums[:-1]:
        place += each < half
    at = np.choose(place, ordered) if len(ordered) > 1 else ordered[0]
    middle = values[at]
    even = np.zeros(half.shape, dtype=bool)
    for number, each in enumerate(sums[:-1]):
        even |= (each == half) & (place == number)
    if even.any():
        following = np.stack(ordered)[place[even] + 1, *np.nonzero(even)]
        middle[even] = (values[following] + middle[even]) / 2
    return middle


def _partitions(costs: Array, penalties: Array) -> Array:
    """The cheapest partitions: of each last point, and series, the last point of the piece before.

    Of equally cheap ones the shortest last piece is taken.
    """
    import numpy as np

    count, series, _ = costs.shape
    best = np.full((series, count + SIZE), np.inf)  # SIZE - 1 places before the first are none
    best[:, SIZE - 1] = -penalties
    begins = np.empty((count, series), dtype=np.int32)
    rows = np.arange(series)
    added = penalties[:, None]
    for last in range(count):
        whole = best[:, last : last + SIZE] + added
        whole += costs[last]
        least = SIZE - 1 - whole[:, ::-1].argmin(axis=1)
        best[:, last + SIZE] = whole[rows, least]
        begins[last] = least
    begins += np.arange(count, dtype=np.int32)[:, None] - SIZE
    return begins


def _ends(begins: Sequence[int]) -> list[int]:
    """Where the pieces of a partition end, the point after each."""
    found, last = [], len(begins) - 1
    while last >= 0:
        found.append(last + 1)
        last = begins[last]
    return found[::-1]


def _joined(right: list[int], penalty: float, cost: Any) -> list[int]:
    """Join neighbouring pieces where that is cheaper: all edges that are left.

    asv looks from the left again after each; what is known to stay apart is not looked at twice.
    """
    edges = [0, *right]
    own = [cost(a, b - 1) for a, b in zip(edges, right, strict=False)]
    both: list[float | None] = [None] * len(right)  # the cost of a piece with the one before
    begin = 1
    while True:
        least, chosen, first = 0.0, 0, 0
        for place in range(begin, len(own)):
            if chosen and chosen < place - 1:
                break
            together = both[place]
            if together is None:
                together = both[place] = cost(edges[place - 1], edges[place + 1] - 1)
            change = together - (own[place - 1] + own[place] + penalty)
            if change <= least:
                least, chosen, first = change, place, first or place
        if not chosen:
            break
        joined = both[chosen]
        assert joined is not None
        own[chosen - 1 : chosen + 1] = [joined]
        del edges[chosen], both[chosen]
        both[chosen - 1] = None
        if chosen < len(both):
            both[chosen] = None
        begin = max(1, min(first, chosen - 1))
    return edges


def _moved(edges: list[int], cost: Any) -> list[int]:
    """Move each edge by up to SIZE points to where it is cheapest; the ends of the pieces."""
    for place in range(1, len(edges) - 1):
        before, edge, end = edges[place - 1 : place + 2]
        least, best = cost(before, edge - 1) + cost(edge, end - 1), edge
        for moved in range(max(edge - SIZE, before + 1), min(edge + SIZE, end - 1) + 1):
            if moved == edge:
                continue
            score = cost(before, moved - 1) + cost(moved, end - 1)
            if score < least:
                least, best = score, moved
        edges[place] = best
    return edges[1:]


def _golden(low: float, high: float, near: float) -> Generator[float, float, None]:
    """asv's golden-section search for a minimum: yields places, is sent the values there."""
    outer = 2 * GOLDEN - 1
    left = (GOLDEN * low - (1 - GOLDEN) * high) / outer
    right = (GOLDEN * high - (1 - GOLDEN) * low) / outer
    lower = GOLDEN * left + (1 - GOLDEN) * right
    upper = (1 - GOLDEN) * left + GOLDEN * right
    at_lower = yield lower
    at_upper = yield upper
    while abs(left - right) >= near:
        if at_upper < at_lower:
            left, lower, at_lower = lower, upper, at_upper
            upper = GOLDEN * lower + (1 - GOLDEN) * right
            at_upper = yield upper
        else:
            right, upper, at_upper = upper, lower, at_lower
            lower = GOLDEN * upper + (1 - GOLDEN) * left
            at_lower = yield lower
