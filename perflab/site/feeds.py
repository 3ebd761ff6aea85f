"""Atom feeds: commits that made something worse, and changes of the readiness verdict.

Links are relative to the feed's own address, as RFC 4287 allows: the site knows no address of its
own. Ids are made of project, place and commit, so that an entry whose certainty grows stays one.

Rule: forms; what is worse was decided before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from perflab.report.form import VERDICTS
from perflab.results.asv_results import moment
from perflab.site.findings import change_row
from perflab.site.model import SiteModel
from perflab.site.readiness_runs import ReadinessRun, Runs

__all__ = ["READINESS", "REGRESSIONS", "write_feeds"]

REGRESSIONS, READINESS = "regressions.atom", "readiness.atom"
NAMESPACE = "http://www.w3.org/2005/Atom"
# XML has no control characters and no half ones; a machine's name or a report's text may.
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
MOST_ENTRIES = 50
MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class FeedEntry:
    """One thing to tell."""

    id: str
    title: str
    updated: str
    """ISO 8601, in UTC."""
    link: str
    html: str


def write_feeds(model: SiteModel, runs: Runs, site: Path) -> None:
    """Write both; a feed of nothing is a feed all the same."""
    _write(site / REGRESSIONS, model, "regressions", _regressions(model))
    if model.ours:
        _write(site / READINESS, model, "readiness", _readiness(model, runs.runs))


def _regressions(model: SiteModel) -> Iterable[FeedEntry]:
    """A commit and place each, newest first, with everything that became worse there."""
    history = model.history
    for number in sorted(model.by_commit, reverse=True):
        commit = history.commits[number]
        for place in range(len(history.places)):
            worse = [
                each
                for each in model.by_commit[number]
                if each.place == place and each.change.worse
            ]
            if not worse:
                continue
            rows = [change_row(model, each) for each in worse[:MOST_LINES]]
            first, more = rows[0], len(worse) - 1
            listed = "".join(
                f"<li><b>{row.percent}</b> {escape(row.title)}: {escape(row.text)}"
                f" ({row.certainty}{', ' + row.interval if row.interval else ''})</li>"
                for row in rows
            )
            left = len(worse) - len(rows)
            label = history.places[place].label
            yield FeedEntry(
                id=f"regressions/{commit.hash}/{history.places[place].id}",
                title=f"{first.percent} {first.title}"
                f"{f' and {more} more' if more else ''}: {commit.hash[:8]} {commit.subject}",
                updated=_time(history.places[place].measured_ms[number]),
                link=f"commit.html?commit={commit.hash[:8]}",
                html=f"<p>{escape(f'{commit.subject} ({commit.author}), on {label}')}</p>"
                f"<ul>{listed}</ul>{f'<p>and {left} more</p>' if left else ''}",
            )


def _readiness(model: SiteModel, runs: Sequence[ReadinessRun]) -> Iterable[FeedEntry]:
    """The first verdict on a machine, and each that differs from the one before; newest first."""
    told = []
    for machine in {run.machine for run in runs}:
        whole = [run for run in runs if not run.report.quick and not run.report.unfinished]
        listed = [run for run in reversed(whole) if run.machine == machine]
        told += listed[:1]
        told += [run for last, run in pairwise(listed) if run.report.verdict != last.report.verdict]
    for run in sorted(told, key=lambda each: each.report.began, reverse=True):
        report = run.report
        yield FeedEntry(
            id=f"readiness/{run.machine}/{report.run}",
            title=f"{VERDICTS[report.verdict]}: {report.commit[:8]} on {run.machine}",
            updated=_time(_began_ms(report.began)),
            link=run.page or "index.html",
            html="<ul>" + "".join(f"<li>{escape(line)}</li>" for line in report.summary) + "</ul>",
        )


def _write(path: Path, model: SiteModel, what: str, entries: Iterable[FeedEntry]) -> None:
    listed = [entry for _, entry in zip(range(MOST_ENTRIES), entries, strict=False)]
    authority = f"tag:{model.project}.asv,2026:"
    feed = ElementTree.Element("feed", xmlns=NAMESPACE)
    _text(feed, "id", f"{authority}{what}")
    _text(feed, "title", f"{model.project}: {what}")
    _text(feed, "updated", listed[0].updated if listed else _time(model.generated_ms))
    _text(ElementTree.SubElement(feed, "author"), "name", model.project)
    ElementTree.SubElement(feed, "link", rel="self", href=path.name)
    ElementTree.SubElement(feed, "link", rel="alternate", href="index.html")
    for each in listed:
        entry = ElementTree.SubElement(feed, "entry")
        _text(entry, "id", authority + each.id)
        _text(entry, "title", each.title)
        _text(entry, "updated", each.updated)
        ElementTree.SubElement(entry, "link", href=each.link)
        _text(entry, "content", each.html).set("type", "html")
    path.write_bytes(ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True))


def _text(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    made = ElementTree.SubElement(parent, name)
    made.text = NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return made


def _began_ms(text: str) -> int:
    """0 of a report whose time is none: it is shown all the same."""
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def _time(ms: int) -> str:
    return moment(ms).strftime("%Y-%m-%dT%H:%M:%SZ")
