"""The dashboard drawn without a Grafana: one HTML page, with what a Prometheus answers now.

Theory of operation. The page is made of the very JSON that Grafana imports: its panels, queries,
units, thresholds and layout. Of a query `$job` and `$__rate_interval` are put in as Grafana would,
and it is asked once over the window; the answers stand in the page, which fetches nothing. What
draws them is uPlot, which the site has too. It is a preview, and says so: no Grafana was there.

Rule: asks and puts together; which panels there are is `dashboard.py`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perflab.production import table
from perflab.production.dashboard import RATE
from perflab.production.prometheus import Prometheus, QueriedSeries
from perflab.production.window import TimeWindow, iso

__all__ = ["preview"]

HERE = Path(__file__).with_name("templates")
VENDOR = Path(__file__).parents[1] / "site" / "vendor" / "uplot"
POINTS = 240  # of a line: as many as a panel can show
MOST_LINES = 100  # of a panel; what is beyond them is told
SCRAPES_IN_RATE = 4  # Grafana's own: its rate interval has four scrapes or more
LOOK_BACK_S = 300.0  # for how often it is scraped
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def preview(
    dashboard: Mapping[str, Any], job: str, prometheus: Prometheus, window: TimeWindow
) -> str:
    """The page. Raises PrometheusError, or OSError for a checkout without uPlot."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    step_s = max(1.0, round(window.seconds / POINTS, 3))
    asked = _Asked(prometheus, job, window, step_s)
    panels = [asked.panel(each) for each in dashboard["panels"]]
    data = {
        "panels": panels,
        "x": [window.begin_s + number * step_s for number in range(asked.points)],
    }
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("preview.html.jinja").render(
        title=dashboard["title"],
        url=prometheus.url,
        job=job,
        window=window,
        made=iso(window.end_s),
        rate=asked.rate,
        # A text of a label may not end the script that it stands in.
        data=json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        script=(HERE / "preview.js").read_text(encoding="utf-8"),
        uplot=(VENDOR / "uPlot.iife.min.js").read_text(encoding="utf-8"),
        style=(VENDOR / "uPlot.min.css").read_text(encoding="utf-8"),
    )


class _Asked:
    """One Prometheus, over one window."""

    def __init__(self, prometheus: Prometheus, job: str, window: TimeWindow, step_s: float) -> None:
        self._prometheus, self._job, self._window, self._step_s = prometheus, job, window, step_s
        self.points = int(window.seconds / step_s) + 1
        info = f'{table.family(table.BUILD).name}{{job="{job}"}}'
        seen = prometheus.at(f"max(count_over_time({info}[{LOOK_BACK_S:g}s]))", window.end_s)
        scrape_s = LOOK_BACK_S / seen[0].value if seen and seen[0].value > 1 else 15.0
        self.rate = f"{max(SCRAPES_IN_RATE * scrape_s, step_s + scrape_s):.0f}s"
        """What stands for Grafana's rate interval."""

    def panel(self, panel: Mapping[str, Any]) -> dict[str, Any]:
        """A panel of the dashboard with its answers."""
        defaults = panel["fieldConfig"]["defaults"]
        found = {
            "title": panel["title"],
            "about": panel["description"],
            "place": panel["gridPos"],
            "unit": defaults["unit"],
            "thresholds": [
                [each["value"], each["color"]]
                for each in defaults.get("thresholds", {}).get("steps", ())
                if each["value"] is not None
            ],
            "lines": [],
            "rows": [],
        }
        for target in panel["targets"]:
            expr = target["expr"].replace("$job", self._job).replace(RATE, self.rate)
            if panel["type"] == "table":
                at = self._prometheus.at(expr, self._window.end_s)
                found["rows"] += [dict(sorted(each.labels.items())) for each in at]
                continue
            answer = self._prometheus.over(
                expr, self._window.begin_s, self._window.end_s, self._step_s
            )
            legend = target["legendFormat"]
            found["lines"] += [self._line(each, legend) for each in answer if each.points]
        found["left"] = max(0, len(found["lines"]) - MOST_LINES)
        found["lines"] = found["lines"][:MOST_LINES]
        return found

    def _line(self, series: QueriedSeries, legend: str) -> dict[str, Any]:
        y: list[float | None] = [None] * self.points
        for at, value in series.points:
            number = round((at - self._window.begin_s) / self._step_s)
            if 0 <= number < self.points:
                y[number] = float(f"{value:.6g}")
        return {"label": LABEL.sub(lambda m: series.labels.get(m[1], ""), legend), "y": y}
