"""What a canary looks like while it runs: a table that is drawn again, or a line now and then.

Rule: shows what the judge says; decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from perflab.canary.judge import CanaryJudge
from perflab.canary.record import PairOfSlots
from perflab.canary.report import HEAD, interval, row

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["CanaryLines", "CanaryTable", "CanaryView"]

DRAW_S = 1.0  # it takes some 20 ms, between pairs
LINE_S = 5.0


class CanaryView(Protocol):
    """Who is shown a run."""

    def say(self, text: str) -> None:
        """One line of progress."""

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        """A pair was done, and judged."""

    def end(self) -> None:
        """The run is over, however it ended."""


class CanaryLines:
    """Lines on the standard output."""

    def __init__(self) -> None:
        self._next_s = LINE_S

    def say(self, text: str) -> None:
        print(text, flush=True)

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        now_s = pair.baseline.begin_s
        if now_s < self._next_s:
            return
        self._next_s = now_s + LINE_S
        if pair.warm_up:
            self.say(f"{now_s:6.1f} s  warming up")
            return
        told = "; ".join(
            f"{each.name} {each.estimate:+.2g} ({interval(each)})" for each in judge.standings()
        )
        self.say(f"{now_s:6.1f} s  {judge.pairs} pairs: {told}")

    def end(self) -> None:
        """Every line was the last."""


class CanaryTable:
    """One table, drawn in place."""

    def __init__(self, title: str, seconds: float, console: Console | None = None) -> None:
        from rich.live import Live

        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._title, self._seconds = title, seconds
        self._next_s = 0.0
        self._began = False

    def say(self, text: str) -> None:
        self._live.console.print(text, highlight=False)

    def pair(self, pair: PairOfSlots, judge: CanaryJudge) -> None:
        now_s = pair.baseline.begin_s
        if not self._began:
            self._began = True
            self._live.start()
        if now_s >= self._next_s:
            self._next_s = now_s + DRAW_S
            self._live.update(self._picture(pair, judge), refresh=True)

    def end(self) -> None:
        """Leave the terminal as it was; what was said stays."""
        if self._began:
            self._live.stop()

    def _picture(self, pair: PairOfSlots, judge: CanaryJudge) -> RenderableType:
        from rich.table import Table

        now_s, warm = pair.baseline.begin_s, ", warming up" if pair.warm_up else ""
        table = Table(
            *HEAD,
            title=f"{self._title} · {now_s:.0f} of {self._seconds:.0f} s · {judge.pairs} pairs"
            f"{warm} · Ctrl-C ends",
            title_justify="left",
        )
        for each in judge.standings():
            table.add_row(*row(each), style={"worse": "red", "within": "green"}.get(each.state))
        slots = (("baseline", pair.baseline), ("candidate", pair.candidate))
        table.caption = "  ".join(
            f"{name}: P50 {'–' if slot.p50_s is None else f'{slot.p50_s * 1e3:.2f} ms'}, "
            f"{slot.failed} failed"
            for name, slot in slots
        )
        return table
