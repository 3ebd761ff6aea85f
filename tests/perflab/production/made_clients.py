"""Clients of a network that was never there, as a Prometheus would have scraped them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from p2pcore.metrics.table import BOUNDS_S
from perflab.production.field_record import (
    FORMAT,
    VERSION,
    FieldProcess,
    FieldRecord,
    FieldStep,
    HeldObjective,
    OperationCount,
)
from perflab.production.window import iso

__all__ = ["BEGIN_S", "MadeClient", "made_field", "openmetrics"]

BEGIN_S = 1_790_812_800  # 1 October 2026, 00:00 UTC
TOOK_MS = 3.0  # one operation; what is slow takes SLOW_MS
SLOW_MS = 300.0


def _none(_at_s: float) -> float:
    return 0.0


@dataclass(frozen=True, kw_only=True)
class MadeClient:
    """Counters of one process, which grow as they are told to."""

    instance: str
    job: str = "p2pcore"
    begin_s: int = 0
    """From `BEGIN_S`: first and last scrape."""
    end_s: int
    scrape_s: int = 15
    rate: float = 10.0
    failing: Callable[[float], float] = _none
    """The share of operations that fail, by the time."""
    slow: Callable[[float], float] = _none
    """The share of operations that take `SLOW_MS`."""
    unseen: Callable[[float], bool] = lambda _: False
    """When it is not scraped."""
    restarts_s: int = -1
    """When its counters begin anew."""

    def scrapes(self) -> Iterator[tuple[int, float, float, float]]:
        """When, and what had come by then: operations, failed ones, slow ones."""
        total = failed = slow = 0.0
        for at_s in range(self.begin_s, self.end_s + 1, self.scrape_s):
            if at_s > self.begin_s:
                new = self.rate * self.scrape_s
                total += new
                failed += round(new * self.failing(at_s))
                slow += round(new * self.slow(at_s))
            if at_s == self.restarts_s:
                total = failed = slow = 0.0
            if not self.unseen(at_s):
                yield BEGIN_S + at_s, total, failed, slow


def openmetrics(clients: list[MadeClient], bounds_s: Sequence[float] = BOUNDS_S) -> Iterator[str]:
    """The lines of a file for promtool."""
    yield "# TYPE p2pcore_operations counter"
    for each in clients:
        common = f'job="{each.job}",instance="{each.instance}",op="retrieve"'
        for at_s, total, failed, _ in each.scrapes():
            for result, value in (("ok", total - failed), ("quorum", failed), ("cancelled", total)):
                name = f'p2pcore_operations_total{{{common},result="{result}"}}'
                yield f"{name} {value:g} {at_s}"
    name = "p2pcore_operation_duration_seconds"
    yield f"# TYPE {name} histogram"
    for each in clients:
        common = f'job="{each.job}",instance="{each.instance}",op="retrieve"'
        for at_s, total, _, slow in each.scrapes():
            for le in bounds_s:
                value = 0.0 if le < TOOK_MS / 1e3 else total - (slow if le < SLOW_MS / 1e3 else 0)
                yield f'{name}_bucket{{{common},le="{le!r}"}} {value:g} {at_s}'
            yield f'{name}_bucket{{{common},le="+Inf"}} {total:g} {at_s}'
            yield f"{name}_count{{{common}}} {total:g} {at_s}"
            yield f"{name}_sum{{{common}}} {total * TOOK_MS / 1e3:g} {at_s}"
    yield "# TYPE p2pcore_build info"
    for each in clients:
        common = f'job="{each.job}",instance="{each.instance}",version="0.1.0",role="client"'
        for at_s, *_ in each.scrapes():
            yield f"p2pcore_build_info{{{common}}} 1 {at_s}"
    yield "# EOF"


def made_field(commit: str = "", *, begin_s: int = BEGIN_S, failed: float = 0.5) -> FieldRecord:
    """A window of 100 s with 100 operations a second: 98 within 5 ms, 2 within 10; `failed` of 100
    fail."""
    row = [0.0, 98.0, 100.0, 100.0]
    return FieldRecord(
        format=FORMAT, version=VERSION, url="http://prometheus:9090", job="p2pcore", name="eu",
        began=iso(begin_s), seconds=100.0, asked=iso(begin_s + 100), command="perflab field",
        commit=commit, versions={"p2pcore": "0.1.0"}, step_s=10.0, bounds_s=[0.001, 0.005, 0.01],
        objectives=[HeldObjective(target="errors", budget=0.01, within_s=None)],
        counts=[
            OperationCount(op="store", result="ok", failed=False, count=100 * (100 - failed)),
            OperationCount(op="store", result="quorum", failed=True, count=100 * failed),
        ],
        buckets={"store": [100 * each for each in row]},
        steps=[
            FieldStep(end_s=10.0 * n, operations=1000, failed=10 * failed,
                      buckets=[10 * each for each in row])
            for n in range(1, 11)
        ],
        processes=[FieldProcess(instance="a:1", begin_s=0, end_s=100, samples=100, expected=100,
                                restarts=0)],
    )  # fmt: skip
