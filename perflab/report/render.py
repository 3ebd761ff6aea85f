"""The report as Markdown, for a terminal or a pull request, and as one HTML page.

The page holds everything it shows: pictures, style, no script, no address that is fetched.

Rule: words and layout; all figures come from the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from perflab.report.charts import draw, drawable
from perflab.report.form import (
    VERDICTS,
    Chart,
    CriticalPath,
    FigureChange,
    ReadinessReport,
    RunReport,
    TargetRow,
)

__all__ = ["SIGNS", "html", "markdown", "markdown_table", "rendered", "run_html"]

TEMPLATES = Path(__file__).with_name("templates")
INCOMPLETE = "INCOMPLETE percentile"
SIGNS = {"met": "✓", "not met": "✗", "unmeasured": "?"}


def html(report: ReadinessReport) -> str:
    """The whole page."""
    return rendered("report", report, {}, verdict=VERDICTS[report.verdict], signs=SIGNS)


def run_html(report: RunReport) -> str:
    """The whole page of one load or chaos run."""
    return rendered("run", report, {})


def rendered(
    name: str, report: object, filters: Mapping[str, Callable[..., str]], **context: object
) -> str:
    """The page that a template of this folder makes of a report, with pictures of its charts; its
    foot needs the report's command, commit, uncommitted files, seed, versions and machine."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "ratio": ratio,
        "where": where,
        "around": around,
        "drawable": drawable,
        **filters,
    }
    pictures: list[str] = []

    def picture(chart: Chart) -> str:
        pictures.append("")
        return draw(chart, len(pictures))

    template = environment.get_template(f"{name}.html.jinja")
    return template.render(report=report, picture=picture, **context)


def figure(value: float | None, unit: str = "") -> str:
    """A number as people write it, with its unit; a share in percent."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value * 100:.6g} %"
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
    return f"{digits} {'/s' if unit == '1/s' else unit}".strip()


def where(row: TargetRow) -> str:
    """What a verdict rests on, or why there is none."""
    if row.state == "unmeasured" or not row.circumstances:
        return row.reason
    return f"{row.reason if row.value is None else row.step}; {row.circumstances}"


def ratio(change: FigureChange) -> str:
    """How much a figure changed."""
    return "–" if change.ratio is None else f"{change.ratio - 1:+.1%}"


def markdown(report: ReadinessReport) -> str:
    """The whole report but its pictures."""
    parts = [
        f"# {VERDICTS[report.verdict]}",
        "\n".join(f"- {line}" for line in report.summary),
        f"p2pcore {report.commit[:8] or 'outside version control'} {report.subject} · "
        f"{report.machine['processor']}, {report.machine['cores']} cores · {report.began}"
        f"{' · quick' if report.quick else ''}",
        "## Targets",
        *_targets(report),
        "## Steps",
        *_steps(report),
    ]
    if report.capacity:
        parts.append("## Capacity")
        for law in report.capacity:
            parts.append("\n".join(f"- {line}" for line in law.sentences))
    for comparison in report.comparisons:
        parts.append(f"## Beside {comparison.with_}: {comparison.run}")
        parts.append("\n".join(f"- {caveat}" for caveat in comparison.caveats))
        parts.append(
            markdown_table(
                ("figure", "before", "now", "change", ""),
                (
                    (
                        each.name,
                        figure(each.before, each.unit),
                        figure(each.now, each.unit),
                        ratio(each),
                        each.verdict,
                    )
                    for each in comparison.changes
                ),
            )
        )
    if report.advice:
        parts.append("## What to do")
        for advice in report.advice:
            evidence = "\n".join(f"  - {line}" for line in advice.evidence)
            parts.append(f"- **{advice.cause}**: {advice.text}\n{evidence}")
    parts += ["## Not measured", "\n".join(f"- {line}" for line in report.not_measured)]
    parts += ["## To repeat it", *_repeat(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _targets(report: ReadinessReport) -> list[str]:
    def row(each: TargetRow) -> tuple[str, ...]:
        return (
            f"{SIGNS[each.state]} {each.state}",
            each.name,
            f"{each.metric} {each.threshold} {'' if each.unit == 'share' else each.unit}".strip(),
            figure(each.value, each.unit),
            where(each),
        )

    found = []
    for name in dict.fromkeys(each.set for each in report.targets):
        decides = " (decides)" if name in report.held else ""
        rows = [row(each) for each in report.targets if each.set == name]
        found += [
            f"### {name}{decides}",
            markdown_table(("", "target", "asked", "found", "where, or why not"), rows),
        ]
    return found


def _steps(report: ReadinessReport) -> list[str]:
    found = []
    for step in report.steps:
        took = "not run" if step.seconds is None else f"{step.seconds:.0f} s"
        lines = [f"### {step.title} ({step.name}, {took})", step.about]
        if step.problem:
            lines.append(f"**Not used: {step.problem}**")
        if step.circumstances:
            lines.append(step.circumstances)
        lines.append("\n".join(f"- {name}: {text}" for name, text in step.facts.items()))
        if step.spectrum:
            rows = [
                (f"P{each.rank:g}", figure(each.ms, "ms"), f"{each.beyond:,}")
                for each in step.spectrum
            ]
            head = ("percentile", "from the due time", f"of {step.samples:,} beyond it")
            if step.incomplete:
                head = (INCOMPLETE, *head[1:])
                lines.append(f"**{INCOMPLETE}s are of what is here: {step.incomplete}**")
            lines.append(markdown_table(head, rows))
        if step.critical_path is not None:
            lines += _critical_path(step.critical_path)
        found += lines
    return found


def _critical_path(path: CriticalPath) -> list[str]:
    """The stages, and their sum, at each percentile."""
    places = range(len(path.ranks))
    head = ["stage", "", *(text for rank in path.ranks for text in (f"P{rank:g}", "share"))]
    rows = [
        [each.name, each.about, *(text for n in places for text in _part(each.ms[n], path, n))]
        for each in path.stages
    ]
    rows.append(["all", "", *(text for n in places for text in _part(path.total_ms[n], path, n))])
    return [around(path), markdown_table(tuple(head), map(tuple, rows))]


def _part(ms: float, path: CriticalPath, place: int) -> tuple[str, str]:
    return figure(ms, "ms"), f"{ms / path.total_ms[place]:.0%}"


def around(path: CriticalPath) -> str:
    """What the figures of a critical path are made of."""
    means = " and ".join(
        f"{count:,} around P{rank:g}"
        for rank, count in zip(path.ranks, path.operations, strict=True)
    )
    return (
        f"Where the time of an operation goes: {path.followed:,} were followed, {path.whole:,} to "
        f"their ends; means of the {means}."
    )


def _repeat(report: ReadinessReport) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    facts = [
        f"commit: {report.commit or '–'}",
        f"uncommitted: {', '.join(report.uncommitted) or 'nothing'}",
        f"command: `{report.command}`",
        f"seed: {report.seed}",
        f"versions: {versions}",
        f"machine: {', '.join(f'{k} {v}' for k, v in report.machine.items())}",
        f"elapsed: {report.elapsed_s:.0f} s",
    ]
    steps = [f"{step.name}: `{step.command}`" for step in report.steps]
    return ["\n".join(f"- {fact}" for fact in facts + steps)]


def markdown_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table, in cells of which a bar is no end."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), line("---" for _ in head), *(line(row) for row in rows)])
