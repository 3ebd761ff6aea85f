"""The pages hold everything, fetch nothing, and trust no text that they show."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from perflab.load.critical_path import critical_path
from perflab.report.form import ReadinessReport
from perflab.report.render import figure, html, markdown
from tests.perflab.load.test_critical_path import followed
from tests.perflab.recorded import RECORDED, report_of

VOID = {"meta", "br", "img", "link", "hr", "input"}


@pytest.fixture(scope="module")
def report() -> ReadinessReport:
    """The recorded run, one of whose steps has followed operations."""
    found = report_of(RECORDED)
    path = critical_path([followed(n) for n in range(1000)], one_clock=True)
    first, *others = found.steps
    return replace(found, steps=[replace(first, critical_path=path), *others])


@pytest.fixture(scope="module")
def page(report: ReadinessReport) -> str:
    return html(report)


class _Tags(HTMLParser):
    """Every tag that is opened is closed, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(page: str) -> None:
    tags = _Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert tags.fetched == []
    assert not tags.seen & {"script", "link", "iframe", "img"}
    assert not re.search(r"url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page


def test_every_section_is_there(page: str, report: ReadinessReport) -> None:
    for section in ("targets", "advice", "steps", "capacity", "missing", "repeat"):
        assert f'id="{section}"' in page
    charts = sum(len(step.charts) + (step.critical_path is not None) for step in report.steps)
    assert page.count("<svg") == charts + len(report.capacity)
    for row in report.targets:
        assert row.name in page
    assert report.commit in page


def test_the_critical_path_is_a_table_and_a_picture(page: str, report: ReadinessReport) -> None:
    text = markdown(report)
    assert "| replica wait | from the first reply" in text
    assert "1,000 were followed, 1,000 to their ends; means of the 500 around P50 and 10" in text
    assert "Where the time of an operation goes" in page
    for stage in ("server queue", "replica wait"):
        assert page.count(stage) >= 3  # in the table, its notes and the picture


def test_pictures_do_not_share_ids(page: str) -> None:
    ids = re.findall(r' id="(clip-\d+)"', page)
    assert ids
    assert len(ids) == len(set(ids))


def test_what_is_shown_is_escaped(report: ReadinessReport) -> None:
    shown = html(replace(report, steps=[], subject="<script>alert(1)</script>"))
    assert "<script>" not in shown


def test_a_report_without_capacity_leaves_the_section_out(report: ReadinessReport) -> None:
    bare = replace(report, steps=[], capacity=[], advice=[])
    assert 'id="capacity"' not in html(bare)
    assert "## Capacity" not in markdown(bare)


def test_markdown_ends_lines_and_tables_well(report: ReadinessReport) -> None:
    text = markdown(report)
    assert text.startswith("# NOT READY\n")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "–"),
        (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.999912, "share", "99.9912 %"),
        (12345.6, "1/s", "12,346 /s"),
        (0.57684, "ms", "0.5768 ms"),
        (3.0, "", "3"),
    ],
)
def test_figures_read_well(value: float | None, unit: str, text: str) -> None:
    assert figure(value, unit) == text
