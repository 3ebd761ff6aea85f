"""The site of the history that this repository ships: no page says what another denies.

Pages are made without asv's own (`publish_front` with what asv would hand it): this asks what they
say, not how asv publishes.
"""

import json
import re
import shutil
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest

from perflab.archive.archive import read_archive
from perflab.archive.kinds import KINDS
from perflab.archive.shipped import SHIPPED, unpack
from perflab.report.form import VERDICTS
from perflab.site.build import publish_front
from perflab.site.readings import FigureReading
from tests.perflab.site.test_build import ATOM

ROOT = Path(__file__).parents[3]
HASH = r"commit\.html\?commit=([0-9a-f]{8})"
SERIES = r'href="benchmark\.html\?([^"]+)"'
WHOLE = (ROOT / ".git").exists() and not (ROOT / ".git" / "shallow").exists()
pytestmark = pytest.mark.skipif(
    not (WHOLE and (ROOT / SHIPPED).is_dir()), reason="this is no whole clone"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def plain(markup: str) -> str:
    """The text of some HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def rows_of(page: str, kind: str) -> list[str]:
    """The rows of the tables of a class or an id."""
    tables = [
        each
        for each in re.findall(r"<table.*?</table>", page, re.S)
        if kind in each.partition(">")[0]
    ]
    assert tables
    return [
        row
        for table in tables
        for row in re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.S)
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import asv

    folder = tmp_path_factory.mktemp("shipped")
    unpack(ROOT, folder / ".asv" / "results", lambda _: None, ROOT)
    shutil.copytree(Path(asv.__file__).parent / "www", folder / "html")
    conf = SimpleNamespace(
        project="p2pcore", html_dir=folder / "html", results_dir=folder / ".asv" / "results",
        benchmark_dir=ROOT / "benchmarks", branches=["HEAD"],
    )  # fmt: skip
    publish_front(conf, SimpleNamespace(_path=str(ROOT), get_branch_name=lambda _: "HEAD"))
    return folder / "html"


@pytest.fixture(scope="module")
def index(site: Path) -> str:
    return (site / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def listed(site: Path) -> Any:
    return read(site / "data" / "site.json")


def asked(link: str) -> tuple[str, int, int]:
    """The benchmark, case and place that a link leads to."""
    found = parse_qs(unescape(link))
    return found["name"][0], int(found["case"][0]), int(found["place"][0])


def series_of(site: Path, listed: Any, link: str) -> Any:
    name, case, place = asked(link)
    (file,) = [each["file"] for each in listed["benchmarks"] if each["name"] == name]
    (found,) = [
        each
        for each in read(site / "data" / "benchmarks" / file)["series"]
        if (each["case"], each["place"]) == (case, place)
    ]
    return found


def test_one_verdict_is_told_everywhere(site: Path, index: str, listed: Any) -> None:
    runs = [each for each in read(site / "data" / "runs.json") if not each["unfinished"]]
    newest = next(each for each in runs if not each["quick"])
    report = read(site / newest["data"])
    verdict, commit = VERDICTS[report["verdict"]], newest["commit"]
    assert newest["verdict"] == verdict
    assert f'<a href="#ready">{verdict}</a>' in index
    assert f'<h2 id="ready">{verdict}' in index
    assert f"{verdict.lower()}, {commit[:8]}" in (site / "badge-readiness.svg").read_text()
    assert f"<h1>{verdict}</h1>" in (site / newest["page"]).read_text()
    entries = ElementTree.parse(site / "readiness.atom").getroot().findall(f"{ATOM}entry")
    assert verdict in (entries[0].findtext(f"{ATOM}title") or "")
    for each in report["held"]:
        assert f"{each}: {newest['met']} of {newest['targets']} met" in index
    hashes = [each[0] for each in listed["commits"]]
    since = len(hashes) - 1 - hashes.index(commit)
    told = plain(index.partition('<header class="top">')[2].partition("</header>")[0])
    assert (f"{since:,} commits since" if since != 1 else "1 commit since") in told or not since
    row = rows_of((site / "runs.html").read_text(), "stack")[runs.index(newest)]
    assert f"{verdict} {newest['met']} of {newest['targets']} {commit[:8]}" in plain(row)


def test_findings_are_those_of_commits_benchmarks_and_the_feed(
    site: Path, index: str, listed: Any
) -> None:
    known = {each["name"]: each for each in listed["benchmarks"]}
    hashes = [each[0] for each in listed["commits"]]
    feed = (site / "regressions.atom").read_text()
    rows = rows_of(index, "findings")
    for row in rows:
        link, commit = (re.search(each, row) for each in (SERIES, HASH))
        assert link is not None
        assert commit is not None
        (whole,) = [each for each in hashes if each.startswith(commit[1])]
        name, case, place = asked(link[1])
        (change,) = [
            each
            for each in read(site / "data" / "commits" / f"{whole}.json")["changes"]
            if (each["benchmark"], each["case"], each["place"]) == (name, case, place)
        ]
        (same,) = [
            each
            for each in series_of(site, listed, link[1])["changes"]
            if each["at"] == hashes.index(whole)
        ]
        assert same.items() <= change.items()
        told = plain(row)
        benchmark = known[name]
        assert benchmark["titles"][case] in told
        verdict = "worse" if change["new"] > change["old"] else "better"
        reads = reading_of(benchmark)
        assert f"{reads.change(change['ratio'] or float('inf'))} {verdict}" in told
        assert change["certainty"] in told
        assert verdict == "better" or whole[:8] in feed
    newest = max(each["at"] for each in all_changes(site))
    assert hashes[newest][:8] in rows[0]


def reading_of(benchmark: Any) -> FigureReading:
    return FigureReading(**benchmark["reads"])


def all_changes(site: Path) -> list[Any]:
    files = (site / "data" / "commits").glob("*.json")
    return [each for path in files for each in read(path)["changes"]]


def test_figures_and_their_changes_are_alike_on_all_pages(
    site: Path, index: str, listed: Any
) -> None:
    page = (site / "benchmarks.html").read_text(encoding="utf-8")
    known = {each["name"]: each for each in listed["benchmarks"]}
    by_link = {
        link[1]: row for row in rows_of(page, 'id="benchmarks"') if (link := re.search(SERIES, row))
    }
    cards = re.findall(r'<li class="figure".*?</li>', index, re.S)
    assert cards
    for card in cards:
        link = re.search(SERIES, card)
        assert link is not None
        series = series_of(site, listed, link[1])
        reads = reading_of(known[asked(link[1])[0]])
        assert reads.text(series["values"][-1]) in plain(card)
        if link[1] in by_link:
            row = plain(by_link[link[1]])
            assert reads.text(series["values"][-1]) in row
            told = re.search(r'<span class="(?:worse|better|)">([^<]+)</span>', card)
            assert told is None or told[1] in row


def test_sums_are_those_of_their_rows(site: Path) -> None:
    page = (site / "benchmarks.html").read_text(encoding="utf-8")
    rows = rows_of(page, 'id="benchmarks"')
    for suite in rows_of(page, "sums"):
        name, worse, better, *_ = plain(suite).split()
        own = [row for row in rows if f'data-suite="{name}"' in row]
        for state, count in (("worse", worse), ("better", better)):
            found = [re.search(rf'data-{state}="(\d+)"', row) for row in own]
            assert sum(int(each[1]) for each in found if each) == int(count)


def test_freshness_is_the_same_for_all(index: str, listed: Any) -> None:
    measured = {number for place in listed["places"] for number in place["commits"]}
    since = len(listed["commits"]) - 1 - max(measured)
    if since:
        assert f"{since:,} commit{'s' if since > 1 else ''} since, not measured" in index
        assert f"{since:,} behind" in index
    assert listed["commits"][max(measured)][0][:8] in index


def test_what_is_shipped_is_shown_and_what_is_not_says_what_fills_it(site: Path) -> None:
    shipped = {item.kind for item in read_archive(ROOT / SHIPPED).reports.values()}
    assert shipped
    for kind in KINDS.values():
        for name in kind.pages:
            page = (site / name).read_text(encoding="utf-8")
            empty = page.count("is filed") + page.count("Nothing is filed yet")
            if kind.name in shipped and name not in SHARED:
                assert not empty, (kind.name, name)
            elif name not in SHARED:
                assert empty, (kind.name, name)


SHARED = ("index.html", "load.html", "capacity.html", "growth.html")
"""Pages of several kinds, or of the suite, too."""


def test_a_run_ended_alike_in_the_list_and_in_its_report(site: Path) -> None:
    runs = read(site / "data" / "load.json")
    page = plain((site / "load.html").read_text(encoding="utf-8"))
    for run in runs:
        report = read(site / run["data"])
        assert (report["state"].replace(" ", "-"), report["said"]) == (run["state"], run["said"])
        said = run["said"].partition(": ")[0] if run["state"] == "unmeasured" else run["said"]
        (headline,) = re.findall(r"<h1>(.*?)</h1>", (site / run["page"]).read_text())
        assert plain(headline).endswith(said)
        assert said in page
    searches = read_archive(ROOT / SHIPPED).reports.values()
    capacity = (site / "capacity.html").read_text(encoding="utf-8")
    for each in searches:
        if each.kind == "searches":
            assert each.head.commit[:8] in capacity
