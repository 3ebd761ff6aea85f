"""What a load run looks like while it runs, in lines; `live.py` draws it.

Rule: shows what the record says; asks nobody anything.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from perflab.load.figures import LoadFigures, figures
from perflab.load.record import OUTCOMES, Event

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perflab.load.plan import LoadPlan
    from perflab.load.target import Target

__all__ = ["WINDOW_S", "PlainView", "RecentOperations", "View", "milliseconds"]

WINDOW_S = 5.0
LINE_S = 5.0  # between lines


class Running(Protocol):
    """A run, as far as it is shown."""

    @property
    def plan(self) -> LoadPlan: ...

    @property
    def target(self) -> Target: ...

    @property
    def now_s(self) -> float:
        """Seconds since the schedule began."""

    def error_names(self, process: int, rows: NDArray[np.void]) -> dict[int, str]:
        """The names of the errors in some rows of a process, by their numbers."""


class View(Protocol):
    """Who is shown a run."""

    def say(self, text: str) -> None:
        """One line of progress."""

    def begin(self, run: Running) -> None:
        """The schedule is about to begin."""

    def rows(self, rows: NDArray[np.void], process: int) -> None:
        """Operations of a client process that have ended."""

    def event(self, event: Event) -> None:
        """Something has happened."""

    def tick(self, now_s: float) -> None:
        """Time has passed."""

    def end(self) -> None:
        """The run is over, however it ended."""


class RecentOperations:
    """The operations that ended within the last WINDOW_S, and the counts of all."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, NDArray[np.void]]] = deque()
        self.counts = dict.fromkeys(OUTCOMES, 0)
        self.errors: Counter[str] = Counter()

    def add(self, now_s: float, rows: NDArray[np.void], names: Mapping[int, str]) -> None:
        """Take rows in that came now; `names` are those of the errors in them."""
        import numpy as np

        self._parts.append((now_s, rows))
        counted = np.bincount(rows["outcome"], minlength=len(OUTCOMES)).tolist()
        for name, count in zip(OUTCOMES, counted, strict=True):
            self.counts[name] += count
        bad = rows[rows["outcome"] != 0]["error"]
        self.errors.update(names[number] for number in bad[bad > 0].tolist())

    def look(self, now_s: float) -> LoadFigures | None:
        """Figures of the last seconds, but for the names of errors; None if nothing ended."""
        import numpy as np

        while self._parts and self._parts[0][0] < now_s - WINDOW_S:
            self._parts.popleft()
        if not self._parts:
            return None
        rows = np.concatenate([rows for _, rows in self._parts])
        unnamed = [""] * (int(rows["error"].max()) + 1)
        return figures(rows, unnamed, min(WINDOW_S, max(now_s, 0.1)))


def milliseconds(value_s: float | None) -> str:
    """A latency for people; - for one that is not known."""
    return "-" if value_s is None else f"{value_s * 1e3:.1f}"


class PlainView:
    """Lines on the standard output: one every LINE_S, and one for each event."""

    def __init__(self) -> None:
        self._window, self._next_s = RecentOperations(), LINE_S
        self._run: Running | None = None

    def say(self, text: str) -> None:
        print(text, flush=True)

    def begin(self, run: Running) -> None:
        self._run = run

    def end(self) -> None:
        """Every line was the last."""

    def rows(self, rows: NDArray[np.void], process: int) -> None:
        assert self._run is not None
        self._window.add(self._run.now_s, rows, self._run.error_names(process, rows))

    def event(self, event: Event) -> None:
        print(f"{event.at_ns / 1e9:7.1f} s  {event.kind}: {event.text}", flush=True)

    def tick(self, now_s: float) -> None:
        if now_s < self._next_s or self._run is None:
            return
        self._next_s = (now_s // LINE_S + 1) * LINE_S
        found = self._window.look(now_s)
        asked = self._run.plan.scenario.rate_at(now_s)
        words = f"{now_s:7.1f} s  asked {asked:.0f}/s, "
        if found is None:
            print(words + "nothing ended", flush=True)
            return
        times = " ".join(f"{n} {milliseconds(found.latency_s[n])}" for n in ("p50", "p95", "p99"))
        words += f"ended well {found.rate_reached:.0f}/s  ms: {times}"
        words += "".join(
            f"  {name} {count}"
            for name, count in self._window.counts.items()
            if count and name != "ok"
        )
        print(words, flush=True)
