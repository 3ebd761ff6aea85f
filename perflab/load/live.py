"""A load run as a picture in the terminal: rates, latencies, errors, processes and a time line.

Everything shown is read from the files of the run, a few times a second: the clients are not asked,
and a picture costs them nothing.

Rule: shows; decides nothing.
"""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perflab.load.record import MONITOR, Event
from perflab.load.view import WINDOW_S, RecentOperations, milliseconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console, RenderableType

    from perflab.load.view import Running

__all__ = ["LiveView"]

DRAW_S = 0.5
EVENTS_SHOWN = 6
LINE_CELLS = 60  # of the time line
CPU_OVER_S = 2.0
MIB = 1 << 20
SIGNS = {"fault": ("▼", "red"), "heal": ("▲", "green")}


class LiveView:
    """A `View` that redraws one picture in place."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.live import Live

        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._window = RecentOperations()
        self._events: deque[Event] = deque(maxlen=EVENTS_SHOWN)
        self._marks: list[Event] = []
        self._next_s = 0.0
        self._run: Running | None = None

    def say(self, text: str) -> None:
        self._live.console.print(text, highlight=False)

    def begin(self, run: Running) -> None:
        self._run = run
        self._processes = _Processes(run.plan.directory / MONITOR)
        self._live.start()

    def end(self) -> None:
        """Leave the terminal as it was; what was said stays."""
        if self._run is not None:
            self._live.stop()
        for event in self._marks:
            self.say(f"{event.at_ns / 1e9:7.1f} s  {event.kind}: {event.text}")

    def rows(self, rows: NDArray[np.void], process: int) -> None:
        assert self._run is not None
        self._window.add(self._run.now_s, rows, self._run.error_names(process, rows))

    def event(self, event: Event) -> None:
        self._events.append(event)
        self._marks.append(event)

    def tick(self, now_s: float) -> None:
        if now_s >= self._next_s:
            self._next_s = now_s + DRAW_S
            self._live.update(self._picture(now_s), refresh=True)

    def _picture(self, now_s: float) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel

        assert self._run is not None
        scenario = self._run.plan.scenario
        at_s = max(0.0, now_s)
        title = f"{scenario.name} · {self._run.target.name} · {at_s:.0f} of "
        title += f"{scenario.duration_s:.0f} s · Ctrl-C ends"
        body = Group(
            self._time_line(at_s), self._figures(at_s), self._table(), self._told()
        )  # fmt: skip
        return Panel(body, title=title, title_align="left")

    def _time_line(self, now_s: float) -> RenderableType:
        """The phases in a row, what has passed of them, and faults where they were."""
        from rich.text import Text

        assert self._run is not None
        scenario = self._run.plan.scenario
        total_s = scenario.duration_s

        def cell(at_s: float) -> int:
            return min(LINE_CELLS - 1, int(at_s / total_s * LINE_CELLS))

        names, line = Text(), Text()
        for phase, begin_s, end_s in scenario.spans():
            width = cell(end_s) - cell(begin_s) + (end_s >= total_s)
            names.append(phase.title[: max(0, width - 1)].ljust(width))
        for place in range(LINE_CELLS):
            line.append(
                "━" if place <= cell(now_s) else "┄", "cyan" if place <= cell(now_s) else ""
            )
        marks = [" "] * LINE_CELLS
        for fault in scenario.fault:  # what is still to come is shown small
            marks[cell(fault.at_s)] = "▽"
        styled = Text("".join(marks), "dim")
        for event in self._marks:
            if event.kind in SIGNS:
                sign, style = SIGNS[event.kind]
                place = cell(event.at_ns / 1e9)
                styled = styled[:place] + Text(sign, style) + styled[place + 1 :]
        rows = [names, line] + ([styled] if scenario.fault else [])
        return Text("\n").join(rows)

    def _figures(self, now_s: float) -> RenderableType:
        from rich.table import Table

        assert self._run is not None
        found = self._window.look(now_s)
        table = Table.grid(padding=(0, 3))
        asked = self._run.plan.scenario.rate_at(now_s)
        counts = self._window.counts
        total = sum(counts.values())
        ok = f"{counts['ok'] / total:.3%}" if total else "-"
        reached = "-" if found is None else f"{found.rate_reached:,.0f}/s"
        table.add_row(f"asked {asked:,.0f}/s", f"reached {reached}", f"{total:,} ended, {ok} well")
        if found is not None:
            times = [f"{n.upper()} {milliseconds(found.latency_s[n])} ms" for n in _PERCENTILES]
            table.add_row(*times, f"late starts {found.late}", f"(last {WINDOW_S:.0f} s)")
        bad = [f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()
               if count and name != "ok"]  # fmt: skip
        bad += [f"{name} {count:,}" for name, count in self._window.errors.items()]
        table.add_row(*bad or ["no errors"], style="red" if bad else "green")
        return table

    def _table(self) -> RenderableType:
        from rich.table import Table

        table = Table(box=None, padding=(0, 2), header_style="dim")
        for title in ("process", "CPU %", "RSS MiB", "loop lag ms"):
            table.add_column(title, justify="left" if title == "process" else "right")
        for row in self._processes.look():
            table.add_row(*row)
        return table

    def _told(self) -> RenderableType:
        from rich.text import Text

        lines = [
            Text(f"{event.at_ns / 1e9:7.1f} s  {event.kind}: {event.text}",
                 SIGNS.get(event.kind, ("", ""))[1])
            for event in self._events
        ]  # fmt: skip
        return Text("\n").join(lines)


_PERCENTILES = ("p50", "p95", "p99")


class _Processes:
    """The last figures of each process, from the monitor's file as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self._names: dict[str, str] = {}
        self._columns: dict[str, list[str]] = {}
        self._rows: dict[str, deque[tuple[int, dict[str, float]]]] = {}

    def look(self) -> list[tuple[str, ...]]:
        """Name, processor share, memory and loop lag; those that ended are left out."""
        self._read()
        return [(self._names[number], *_cells(rows)) for number, rows in self._rows.items()]

    def _read(self) -> None:
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for text in whole.splitlines():
            self._take(json.loads(text))

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("type") == "process":
            number = str(line["process"])
            self._names[number] = line["name"]
            self._columns[number] = [column["name"] for column in line["columns"]]
            self._rows.setdefault(number, deque())
        elif line.get("type") == "gone":
            self._rows.pop(str(line["process"]), None)
        elif line.get("type") == "sample":
            for number, values in line["rows"].items():
                named = dict(zip(self._columns[number], values, strict=True))
                rows = self._rows[number]
                rows.append((line["at"], {n: v for n, v in named.items() if v is not None}))
                while rows[0][0] < line["at"] - CPU_OVER_S * 1e9:
                    rows.popleft()


def _cells(rows: deque[tuple[int, dict[str, float]]]) -> tuple[str, str, str]:
    if not rows:
        return "", "", ""
    (first_ns, first), (last_ns, last) = rows[0], rows[-1]
    share = ""
    if last_ns > first_ns:
        share = f"{(last['cpu'] - first['cpu']) / (last_ns - first_ns) * 1e11:.0f}"
    lags = [row["loop_lag"] for _, row in rows if "loop_lag" in row]
    return share, f"{last['rss'] / MIB:.0f}", f"{max(lags) * 1e3:.1f}" if lags else ""
