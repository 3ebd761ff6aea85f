"""A month's report on service levels as Markdown and as one HTML page.

Rule: words and layout; all figures come from the report.
"""

from __future__ import annotations

from collections.abc import Callable

from perflab.report.form import State
from perflab.report.render import SIGNS, markdown_table, rendered
from perflab.report.sla_form import SlaBreach, SlaObjective, SlaReport

__all__ = ["long", "sla_headline", "sla_html", "sla_markdown"]

WORDS: dict[State, str] = {
    "met": "kept",
    "not met": "NOT KEPT",
    "unmeasured": "could not be measured",
}
SHOWN = 30  # breaches of an objective, the longest first; the data have all


def sla_html(report: SlaReport) -> str:
    """The whole page."""
    filters: dict[str, Callable[..., str]] = {
        "long": long,
        "spent": _spent,
        "share": _share,
        "day": _day,
    }
    shown = {each.target: _longest(each) for each in report.objectives}
    headline = sla_headline(report)
    return rendered(
        "sla", report, filters, headline=headline, signs=SIGNS, words=WORDS, shown=shown
    )


def sla_markdown(report: SlaReport) -> str:
    """All but the pictures."""
    rows = (
        (f"{SIGNS[each.state]} {WORDS[each.state]}", each.target, each.asked, _share(each),
         _spent(each), f"{len(each.breaches)}, {long(each.breached_s)}")
        for each in report.objectives
    )  # fmt: skip
    parts = [f"# {sla_headline(report)}", _about(report)]
    head = ("", "objective", "asked", "bad", "budget spent", "breaches")
    parts.append(markdown_table(head, rows))
    parts += [f"- {each.target}: {each.reason}" for each in report.objectives if each.reason]
    for each in report.objectives:
        if each.breaches:
            parts += [f"## Breaches of '{each.target}'", _breaches(each)]
    if report.unmeasured:
        parts += ["## Not measured", "\n".join(f"- {a} to {b}" for a, b in report.unmeasured)]
    if report.left_out:
        parts.append("## Not held here")
        parts.append("\n".join(f"- {name}: {reason}" for name, reason in report.left_out))
    return "\n\n".join(parts) + "\n"


def sla_headline(report: SlaReport) -> str:
    """Whose month it is, and what became of it."""
    so_far = "" if report.over else ", so far"
    return f"Service levels of {report.name} in {report.month}{so_far}: {WORDS[report.state]}"


def long(seconds: float) -> str:
    """A time as people say it, in its two largest units."""
    left, parts = round(seconds), []
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _about(report: SlaReport) -> str:
    return (
        f"{report.began} to {report.ended}, {report.measured:.1%} of it measured; from "
        f"{report.source}. Made {report.made} by `{report.command}`"
    )


def _breaches(objective: SlaObjective) -> str:
    head = ("from", "to", "long", "bad", "of", "worst step")
    listed = _longest(objective)
    table = markdown_table(
        head,
        (
            (_day(each.began), _day(each.ended), long(each.seconds), f"{each.bad:,.0f}",
             f"{each.operations:,.0f}", f"{each.worst:.1%}")
            for each in listed
        ),
    )  # fmt: skip
    left = len(objective.breaches) - len(listed)
    return f"{table}\n\nand {left} shorter ones" if left else table


def _longest(objective: SlaObjective) -> list[SlaBreach]:
    """As many as are shown, in the order of time."""
    longest = sorted(objective.breaches, key=lambda each: -each.seconds)[:SHOWN]
    return sorted(longest, key=lambda each: each.began)


def _share(objective: SlaObjective) -> str:
    if not objective.operations:
        return "–"
    of = f"of {objective.operations:,.0f}"
    return f"{objective.bad / objective.operations:.4%} {of}"


def _spent(objective: SlaObjective) -> str:
    if objective.spent is None:
        return "–"
    up = f", all of it by {_day(objective.spent_up)}" if objective.spent_up else ""
    return f"{objective.spent:.1%}{up}"


def _day(moment: str) -> str:
    return moment[:16].replace("T", " ")
