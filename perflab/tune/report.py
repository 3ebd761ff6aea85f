"""A search's result as Markdown, for a terminal or a pull request, and as one HTML page.

Rule: words and layout; all figures come from the record.
"""

from __future__ import annotations

from itertools import accumulate

from perflab.report.form import Chart, Line
from perflab.report.render import markdown_table, rendered
from perflab.tune.record import TuneInterval, TuneResult

__all__ = ["headline", "tune_html", "tune_markdown"]

FIGURE_HEAD = ("figure", "base", "found", "reference")
WORTH_HEAD = ("setting", "base", "found", "without it", "importance", "")


def headline(result: TuneResult) -> str:
    """What came of it, in a sentence."""
    seeds = len(result.plan.seeds["fresh"])
    if result.broken:
        return f"NOT KEPT: on fresh seeds it breaks {', '.join(result.broken)}"
    if result.recovered is not None:
        part = _share(result.recovered)
        return f"{part} of what {result.detuned!r} had lost is recovered, on {seeds} fresh seeds"
    if result.gain.high < 0:
        less = TuneInterval(value=-result.gain.value, low=-result.gain.high, high=-result.gain.low)
        return f"{_share(less)} better than the base, on {seeds} fresh seeds"
    return f"nothing gained that {seeds} fresh seeds show: {_share(result.gain)} beside the base"


def tune_markdown(result: TuneResult) -> str:
    """The answer first, then what it rests on."""
    plan = result.plan
    lines = [
        f"# {headline(result)}",
        "",
        f"{plan.objective}: {plan.about}; {result.trials} trials on the {plan.place}, "
        f"{result.seconds:.0f} s, seed {plan.seed}.",
        "",
        markdown_table(WORTH_HEAD, _worth_rows(result))
        if result.worth
        else "No value differs from the base.",
        "",
        "Without it: how much worse the objective is with the base's value instead, on seeds of "
        "its own, with 95 % intervals.",
        "",
        markdown_table(FIGURE_HEAD, _figure_rows(result)),
        "",
        *(f"- {each}" for each in result.files),
        "",
        f"`{result.command}` · {result.began} · {result.machine.get('processor', '?')}, "
        f"{result.machine.get('cores', '?')} cores",
        "",
    ]
    return "\n".join(lines)


def tune_html(result: TuneResult) -> str:
    """The whole page."""
    good = not result.broken and (result.gain.high < 0 or result.recovered is not None)
    return rendered(
        "tune",
        result,
        {},
        headline=headline(result),
        colour="not-met" if result.broken else "met" if good else "unmeasured",
        tables=[(WORTH_HEAD, _worth_rows(result)), (FIGURE_HEAD, _figure_rows(result))],
        charts=[_course(result), *([_values(result)] if result.worth else [])],
    )


def _worth_rows(result: TuneResult) -> list[tuple[str, ...]]:
    return [
        (
            each.name,
            _value(each.base),
            _value(each.found),
            ", ".join(f"breaks {rail}" for rail in each.rails) or _share(each.lost, sign=True),
            "–" if each.importance is None else f"{each.importance:.0%}",
            "" if each.kept else "put back",
        )
        for each in result.worth
    ]


def _figure_rows(result: TuneResult) -> list[tuple[str, ...]]:
    return [
        (name, *(f"{value:.4g}" for value in values)) for name, values in result.figures.items()
    ]


def _course(result: TuneResult) -> Chart:
    """How the search went: each trial that breaks no rail, and the best so far."""
    there = [(n, 100 * each) for n, each in enumerate(result.scores) if each is not None]
    x = [float(n) for n, _ in there]
    tried: list[float | None] = [value for _, value in there]
    best: list[float | None] = [*accumulate([value for _, value in there], lambda a, b: min(a, b))]
    return Chart(
        title="The objective, trial after trial",
        x_label="trial",
        y_label="% beside the reference, lower is better",
        lines=[Line(label="trial", x=x, y=tried, dashed=True),
               Line(label="best so far", x=x, y=best)],
    )  # fmt: skip


def _values(result: TuneResult) -> Chart:
    """What each value is worth."""
    lost: list[float | None] = [max(0.0, 100 * each.lost.value) for each in result.worth]
    return Chart(
        title="What each value is worth",
        x_label="% that the objective is worse without it",
        y_label="",
        lines=[Line(label="without it", x=[float(n) for n in range(len(lost))], y=lost)],
        bars=[each.name for each in result.worth],
    )


def _share(each: TuneInterval, *, sign: bool = False) -> str:
    low, value, high = (f"{100 * end:{'+' if sign else ''}.3g}"
                        for end in (each.low, each.value, each.high))  # fmt: skip
    return f"{value} % ({low} to {high})"


def _value(value: bool | int | float) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value:g}"
