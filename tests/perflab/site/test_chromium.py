"""The site's own pages in a real browser, headless: they draw, fetch nothing, and show the data.

Needs Chromium and Playwright's package; `apt-get install chromium` brings the former. With AXE set
to the path of axe-core's axe.min.js (`npm pack axe-core`), pages are held to its rules as well.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from perflab.__main__ import main
from perflab.gate import command as gate
from perflab.report.render import html
from perflab.site.readings import FigureReading
from tests.perflab.browser import CHROMIUM, PHONE, WIDE, chromium, serving, wait_shown
from tests.perflab.recorded import copied, report_of
from tests.perflab.site.test_build import ATOM
from tests.perflab.site.test_offline import publish
from tests.perflab.site.test_runs import filed_runs
from tests.perflab.synthetic import Step, make_project, write_result

pytest.importorskip("playwright.sync_api", reason="Playwright's package is not here")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install it")

AXE = os.environ.get("AXE")
COMMITS = 36
WORSE = Step(benchmark=4, commit=30, factor=1.08)  # exact
SLOWER = Step(benchmark=1, commit=20, factor=1.2)  # paired, with parameters
EXACT, PAIRED = "suite0.Question4.track_it", "suite0.Question1.track_it"
PAGES = (
    "index.html",
    "benchmarks.html",
    f"benchmark.html?name={EXACT}&case=0&place=0",
    f"benchmark.html?name={PAIRED}&case=3&place=1",
    "benchmark.html?name=suite0.Question2.track_it",
    "benchmark.html?name=suite0.Question3.track_it",
    "benchmark.html?name=nobody.knows.it",
    "compare.html",
    "runs.html",
    "load.html",
    "sweeps.html",
    "capacity.html",
    "growth.html",
    "mutation.html",
    "peers.html",
    "calibration.html",
    "benchmarks.html?q=question4&state=worse",
    "compare.html?base=v0.0&place=1",
    "commit.html",
    "commit.html?commit=nothing",
    "commit.html?commit=v0.0",
    "grid.html#/",
    "grid.html#/summarylist",
    "grid.html#/regressions",
    f"grid.html#{EXACT}",
    "runs/lab/run-2/report.html",
    "load/lab/new/report.html",
    "chaos/lab/churn/report.html",
)
OURS = [page for page in PAGES if not page.startswith("grid")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Two machines, a readiness run, a benchmark that always fails and one with gaps and NaN."""
    folder = tmp_path_factory.mktemp("chromium")
    hashes = make_project(
        folder, commits=COMMITS, steps=(WORSE, SLOWER), machines=("lab", "shed"), seed=2
    )
    results = folder / ".asv" / "results"
    for number, commit in enumerate(hashes):
        for machine in ("lab", "shed"):
            path = results / machine / f"{commit[:8]}-virtualenv-py3.11.json"
            content = json.loads(path.read_text())
            content["results"]["suite0.Question2.track_it"][0] = None
            if number % 3 == 0:
                content["results"]["suite0.Question3.track_it"][0][0] = float("nan")
            write_result(results, content)
    (results / "lab" / "torn.json").write_text("{")
    for number in (1, 2):
        run = copied(folder / ".asv" / "readiness" / "lab", f"run-{number}")
        content = msgspec.to_builtins(report_of(run)) | {"commit": hashes[number]}
        content["began"] = f"2026-11-0{number}T08:00:00+00:00"
        (run / "report.json").write_bytes(msgspec.json.encode(content))
        if number == 2:
            (run / "report.html").write_text(html(report_of(run)))
    filed_runs(folder / ".asv", hashes[3])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "ROOT", folder)
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        assert main(["alerts", "--machine", "lab"]) == 1
    done = publish(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / ".asv" / "html", hashes


@pytest.fixture(scope="module")
def address(project: tuple[Path, list[str]]) -> Iterator[str]:
    with serving(project[0]) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser.new_context(viewport={"width": WIDE, "height": 800})


class Visit:
    """One page, opened, and everything that it complained of or asked for."""

    def __init__(self, browser: Any, url: str, address: str) -> None:
        self.page = browser.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.bytes = 0
        self.page.on(
            "console",
            lambda line: self.complaints.append(line.text) if line.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)
        self.page.on("response", self._count)
        self._address = address
        self.page.goto(address + url)
        wait_shown(self.page)

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self._address, "data:")):
            self.elsewhere.append(request.url)

    def _count(self, response: Any) -> None:
        self.bytes += int(response.headers.get("content-length", 0))


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Any]:
    visits: list[Visit] = []

    def open_page(url: str) -> Visit:
        visits.append(Visit(browser, url, address))
        return visits[-1]

    yield open_page
    for each in visits:
        each.page.close()


@pytest.mark.parametrize("url", PAGES)
def test_pages_draw_and_ask_nobody_else(visit: Any, url: str) -> None:
    shown = visit(url)
    assert shown.complaints == []
    assert shown.elsewhere == []
    assert len(shown.page.inner_text("body")) > 100
    if url in OURS:
        _seen_by_all(shown.page, "light", WIDE)
        shown.page.set_viewport_size({"width": PHONE, "height": 800})
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= PHONE
        _seen_by_all(shown.page, "dark", PHONE)


def _seen_by_all(page: Any, scheme: str, width: int) -> None:
    """No violation that axe calls serious or critical."""
    if AXE is None:
        return
    page.add_script_tag(path=AXE)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    # Of a picture, what stands for it counts: its many parts would take most of the time.
    found = page.evaluate("async () => (await axe.run({exclude: ['svg > *']})).violations")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious]
    assert told == [], f"{scheme}, {width} px"


def test_the_first_view_is_small(visit: Any) -> None:
    assert visit("index.html").bytes < 300_000


# What a text is worth whose whole element is seen without scrolling, folded things left out.
FIRST_SCREEN = """() => [...document.querySelectorAll("main *")].filter((each) => {
    const box = each.getBoundingClientRect();
    return !each.children.length && each.checkVisibility() && box.top >= 0 && box.left >= 0
        && box.bottom <= innerHeight && box.right <= innerWidth;
}).map((each) => each.parentElement.innerText).join(" ").replace(/\\s+/g, " ")"""


def test_the_first_screen_answers_four_questions(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    """Is it ready, what changed last, which commit, how sure."""
    page = visit("index.html").page
    seen = page.evaluate(FIRST_SCREEN)
    assert "NOT READY" in seen  # is it ready
    assert "commits since" in seen  # of when that is
    assert f"{EXACT} 100 messages → 108 messages" in seen  # what changed last
    assert "+8.0 % worse" in seen
    assert project[1][30][:8] in seen  # which commit
    assert "certain" in seen  # how sure
    assert page.locator(".figures .figure").first.bounding_box()["y"] < 200


def test_a_search_finds_benchmarks_and_commits(visit: Any, project: tuple[Path, list[str]]) -> None:
    page = visit("benchmarks.html").page
    page.fill("#search", "question4")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('1 of')")
    page.fill("#search", project[1][30][:7])
    page.wait_for_selector("#commits a")
    assert "Change <30> & more" in page.inner_text("#commits")
    page.fill("#search", "")
    page.click("#benchmarks thead button:has-text('Kind')")
    kinds = [each.get_attribute("data-kind") for each in page.locator("#benchmarks tbody tr").all()]
    assert kinds == sorted(kinds)


def test_a_benchmark_page_shows_what_the_results_hold(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    site, hashes = project
    stored = json.loads(
        (site.parent / "results" / "shed" / f"{hashes[-1][:8]}-virtualenv-py3.11.json").read_text()
    )
    value = stored["results"][PAIRED][0][3]
    page = visit(f"benchmark.html?name={PAIRED}&case=3&place=1").page
    assert page.inner_text("#value") == FigureReading(unit="seconds").text(value)
    assert "Catches: paired figures that grow." in page.inner_text("main")
    assert "Change <20> & more" in page.inner_text("main")
    assert f"git diff {hashes[19][:8]} {hashes[20][:8]}" in page.inner_text("main")


def test_a_point_beside_a_ruler_says_what_the_clock_said(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    site, hashes = project
    page = visit(f"benchmark.html?name={PAIRED}&case=3&place=0").page
    page.focus(".chart")
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.pointed').textContent")
    page.locator("summary", has_text="points as a table").click()
    stored = json.loads(
        (site.parent / "results" / "lab" / f"{hashes[6][:8]}-virtualenv-py3.11.json").read_text()
    )
    clock = FigureReading(unit="seconds").text(1.8 * stored["results"][PAIRED][0][3])
    row = page.locator("tr", has_text="Change <6> & more").last
    assert f"{clock} (slow spell)" in row.inner_text()
    assert "times the reference" in page.inner_text(".pointed")


def test_points_can_be_reached_by_keyboard(visit: Any, project: tuple[Path, list[str]]) -> None:
    page = visit(f"benchmark.html?name={EXACT}").page
    page.focus(".chart")
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.pointed').textContent")
    assert f"Change <{COMMITS - 1}> & more" in page.inner_text(".pointed")
    for _ in range(COMMITS - 1 - 30):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.pointed').textContent.includes('<30>')")
    assert "+8.0 % worse, certain" in page.inner_text(".pointed")


def test_parameters_and_machines_can_be_chosen(visit: Any) -> None:
    page = visit(f"benchmark.html?name={PAIRED}").page
    before = page.inner_text("#value")
    page.select_option("select >> nth=1", label="all")
    page.select_option("select >> nth=2", label="all")
    assert page.locator(".legend li").count() == 4
    page.select_option("select >> nth=0", label="shed, Python 3.11")
    assert page.inner_text("#value") != before


def test_what_never_had_a_value_says_so(visit: Any) -> None:
    text = visit("benchmark.html?name=suite0.Question2.track_it").page.inner_text("main")
    assert "Every measurement of it failed" in text
    text = visit("benchmark.html?name=nobody.knows.it").page.inner_text("main")
    assert "There is no benchmark called nobody.knows.it" in text


def test_a_commit_is_shown_against_the_one_before(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    text = visit(f"commit.html?commit={project[1][30][:8]}").page.inner_text("main")
    assert "Change <30> & more" in text
    assert f"+8.0 % worse {EXACT} 100 messages → 108 messages certain" in text
    assert "1 worse, 0 better, 1 failed, of " in text
    first = visit(f"commit.html?commit={project[1][0]}").page.inner_text("main")
    assert "It is the first that was measured here." in first


def test_an_injected_regression_is_told_everywhere_alike(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    """100 messages became 108: by plain `asv publish`, and by `python -m perflab alerts`."""
    site, hashes = project
    parent, commit = hashes[29], hashes[30]
    alerts = site.parent / "alerts"
    filed = json.loads((alerts / "alerts.json").read_text())["findings"]
    (alarm,) = [each for each in filed if each["state"] == "alarm"]
    assert (alarm["series"], alarm["commit"], alarm["machine"]) == (EXACT, commit, "lab")
    assert alarm["ratio"] == 1.08
    posted = [each["labels"] for each in json.loads((alerts / "alertmanager.json").read_text())]
    assert [each["commit"] for each in posted if each["benchmark"] == EXACT] == [commit]

    overview = visit("index.html").page
    row = overview.locator(f".findings tr:has(a[href='commit.html?commit={commit[:8]}'])").first
    found = f"{EXACT} 100 messages → 108 messages; lab, Python 3.11 +8.0 % worse certain"
    assert f"{found} {commit[:8]}" in " ".join(row.inner_text().split())
    told = f"+8.0 % worse {EXACT} 100 messages → 108 messages certain"
    listed = " ".join(overview.inner_text(".checks").split())
    assert f"alarm: {EXACT} slower × 1.08, {commit[:8]}, lab" in listed

    entries = ElementTree.parse(site / "regressions.atom").iter(f"{ATOM}entry")
    titles = {each: each.findtext(f"{ATOM}title") or "" for each in entries}
    entry, other = [each for each in titles if commit[:8] in titles[each]]  # of two machines
    assert f"+8.0 % {EXACT}" in titles[entry]
    assert f"+8.0 % {EXACT}" in titles[other]
    link = entry.find(f"{ATOM}link")
    assert link is not None
    page = visit(str(link.get("href"))).page  # from the feed to the commit
    assert told in " ".join(page.inner_text("main").split())
    page.click(f"main a:has-text('{EXACT}') >> nth=0")  # and on to the benchmark
    page.wait_for_selector(".chart")
    text = page.inner_text("main")
    assert "+8.0 % worse" in text
    assert f"git diff {parent[:8]} {commit[:8]}" in text


def test_any_two_commits_can_be_compared(visit: Any, project: tuple[Path, list[str]]) -> None:
    base, head = (project[1][number][:8] for number in (28, 35))
    page = visit(f"compare.html?base={base}&head={head}&place=0").page
    row = page.locator("tr", has_text=EXACT).inner_text()
    assert all(words in row for words in ("100 messages", "+8.0 % worse", "certain")), row
    assert page.locator("tr", has_text="Question0").count() == 0
    sums = page.locator("table.sums tr", has_text="suite0").inner_text().split()
    assert page.inner_text("#suite-suite0") == f"suite0 {sums[3]} without a change"
    page.check("#all")
    page.wait_for_selector("tr:has-text('Question0')")
    page.fill("input[list] >> nth=0", head)
    page.keyboard.press("Tab")
    page.wait_for_function(
        "document.getElementById('verdict').textContent.startsWith('0 worse, 0')"
    )


def test_readiness_runs_are_drawn_over_each_other(visit: Any) -> None:
    page = visit("runs.html").page
    assert "sustained: Latency spectrum" in page.inner_text("#overlay option:checked")
    assert page.locator(".legend li").count() == 3  # two runs, and what the dashes are
    assert "2 runs" in page.inner_text("main")
    assert page.locator("a[href='runs/lab/run-2/report.html']").count() == 1
    page.uncheck("fieldset input >> nth=1")
    page.wait_for_selector(".chart[aria-label*='of one run']")


def test_load_runs_are_drawn_over_each_other_and_stand_at_their_commit(
    visit: Any, project: tuple[Path, list[str]]
) -> None:
    page = visit("load.html").page
    assert page.inner_text("#overlay option:checked") == "Latency spectrum"
    page.select_option("#overlay select", label="Latency over time")
    page.wait_for_selector(".chart[aria-label*='over time of 2 runs']")
    assert "lossy" in page.inner_text(".legend")
    assert "slow" in page.inner_text(".legend")
    commit = visit(f"commit.html?commit={project[1][3]}").page
    assert "service did not come back" in commit.inner_text("main")
    commit.click("text=lossy, 2026-11-23")
    commit.wait_for_selector("h1:has-text('Lossy')")


def test_older_addresses_lead_to_asvs_pages(visit: Any) -> None:
    page = visit("index.html#/regressions").page
    assert "/grid.html#regressions" in page.url


# What the browser prints differs from Python only if one of the two was changed alone.
FIGURES = (0.0, 1.5e-7, 0.0001234, 0.99, 1, 12.3456, 999.95, 1234.6, 5e6)


def test_script_and_publisher_word_figures_alike(visit: Any) -> None:
    page = visit("index.html").page
    for unit in ("seconds", "bytes", "messages", ""):
        for inverted in (False, True):
            reading = FigureReading(unit=unit, inverted=inverted)
            asked = [FIGURES, [0.5, 1, 1.00001, 1.1234, 1.9999, 2.5, 12], unit, inverted]
            found = page.evaluate(
                """async ([figures, ratios, unit, inverted]) => {
                    const {text, change} = await import('./static/common.js');
                    const reads = {unit, inverted};
                    return [figures.map((each) => text(reads, each)),
                            ratios.map((each) => change(reads, each))];
                }""",
                asked,
            )
            assert found[0] == [reading.text(each) for each in FIGURES]
            assert found[1] == [reading.change(each) for each in asked[1]]
