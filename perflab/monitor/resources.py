"""Processors and memory over time, of a monitor's recording, as charts and as evidence.

Rule: reads recordings that others have opened.
"""

from __future__ import annotations

import statistics

from perflab.monitor.record import MonitorRecording, ProcessSeries
from perflab.report.finding import thinned
from perflab.report.form import Chart, ChartMark, Line

__all__ = ["busy", "resources"]

MIB = 1 << 20
COLUMNS = (
    ("cpu", "processor, cores", 1.0),
    ("rss", "resident memory, MiB", 1 / MIB),
    ("heap", "heap in use, MiB", 1 / MIB),
    ("loop_lag", "event loop lag, ms", 1e3),
)
FEWEST_LAGS = 40  # two values beyond the P95
MOST_MARKS = 12  # more of them hide the curves


def busy(recording: MonitorRecording) -> dict[str, float]:
    """What the monitoring took; of each process the medians of its processor time, and of that
    with the time it had to wait for a processor, in cores; and the P95 of its loop's lag."""
    found = {}
    if recording.costs:
        found["monitor_share_of_core"] = recording.costs[-1].share_of_core
    for process in recording.processes:
        if "cpu" in process.series and len(process.series["cpu"].values) > 2:
            _, rates = process.series["cpu"].per_second()
            found[f"{process.name}_cpu_cores"] = statistics.median(rates)
            waits = (
                process.series["cpu_wait"].per_second()[1] if "cpu_wait" in process.series else []
            )
            if len(waits) == len(rates):
                wanted = [sum(pair) for pair in zip(rates, waits, strict=True)]
                found[f"{process.name}_wanted_cores"] = statistics.median(wanted)
        if "loop_lag" in process.series and len(process.series["loop_lag"].values) >= FEWEST_LAGS:
            lags = statistics.quantiles(process.series["loop_lag"].values, n=20)
            found[f"{process.name}_lag_p95_ms"] = lags[-1] * 1e3
    return found


def resources(recording: MonitorRecording, shift_s: float = 0.0) -> list[Chart]:
    """Processor, memory, heap and loop lag of every process over time, with the marks.

    `shift_s` is added to all times: to bring them onto the clock of a load run.
    """
    marks = [
        ChartMark(begin_s=each.at_s + shift_s, end_s=None, text=each.name)
        for each in recording.marks
    ]
    charts = []
    for name, title, factor in COLUMNS:
        lines = [
            line
            for process in recording.processes
            if (line := _line(process, name, factor, shift_s, recording.end_s))
        ]
        if lines:
            charts.append(
                Chart(
                    title=title.partition(",")[0].capitalize() + " by process",
                    x_label="s",
                    y_label=title,
                    lines=lines,
                    marks=marks if len(marks) <= MOST_MARKS else [],
                )
            )
    return charts


def _line(
    process: ProcessSeries, name: str, factor: float, shift_s: float, end_s: float
) -> Line | None:
    series = process.series.get(name)
    if series is None or len(series.values) < 3:
        return None
    at_s, values = series.at_s, series.values
    if series.column.kind == "counter":
        at_s, values = series.per_second()
    x, y = thinned(at_s, [value * factor for value in values], end_s)
    return Line(label=process.name, x=[round(at + shift_s, 3) for at in x], y=y)
