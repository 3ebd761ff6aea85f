"""Pictures of a published site, for the documentation and for looking through.

    python -m tests.perflab.site.screenshots                      # of .asv/html, into docs/images
    python -m tests.perflab.site.screenshots SITE --all FOLDER    # every page, light and dark

The benchmark is the one with most points of those that changed, the commit the one that changed
most; where nothing changed, the first and the newest.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image

from tests.perflab.browser import PHONE, WIDE, chromium, serving, wait_shown

ROOT = Path(__file__).parents[3]
COLOURS = 64
HEIGHTS = {WIDE: 1040, PHONE: 1600}  # of the documentation's: more is no picture any more


def benchmark_of(site: Path) -> str:
    """The address of the page that shows most."""
    best = (-1, -1, "benchmark.html")
    listed = json.loads((site / "data" / "site.json").read_text(encoding="utf-8"))
    for benchmark in listed["benchmarks"]:
        path = site / "data" / "benchmarks" / benchmark["file"]
        for series in json.loads(path.read_text(encoding="utf-8"))["series"]:
            where = f"name={benchmark['name']}&case={series['case']}&place={series['place']}"
            weight = bool(series["changes"]), len(series["at"])
            best = max(best, (*weight, f"benchmark.html?{where}"), key=lambda each: each[:2])
    return best[2]


def commit_of(site: Path) -> str:
    """The address of the commit that changed most."""
    best = (-1, -1, "")
    for path in (site / "data" / "commits").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        best = max(best, (len(content["changes"]), content["number"], content["commit"]))
    return f"commit.html?commit={best[2][:8]}"


def report_of(site: Path) -> str:
    """The address of the newest readiness run's report; "" if there is none."""
    runs = json.loads((site / "data" / "runs.json").read_text(encoding="utf-8"))
    return next((str(run["page"]) for run in runs if not run["quick"]), "")


def take(browser: Any, url: str, path: Path, *, width: int, scheme: str, whole: bool) -> None:
    """One picture: all of the page, or what stands at its top."""
    height = 900 if whole else HEIGHTS[width]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(url)
    wait_shown(page)
    page.screenshot(path=path, full_page=whole)
    page.close()
    print(path)


def documented(browser: Any, address: str, site: Path, folder: Path) -> None:
    """Those that docs/site.md shows."""
    benchmark, commit = benchmark_of(site), commit_of(site)
    for name, url, width, scheme in (
        ("site", "index.html", WIDE, "light"),
        ("site-phone", "index.html", PHONE, "dark"),
        ("site-benchmark", benchmark, WIDE, "light"),
        ("site-benchmark-phone", benchmark, PHONE, "dark"),
        ("site-commit", commit, WIDE, "light"),
        ("site-growth", "growth.html", WIDE, "light"),
        *((("readiness", report_of(site), WIDE, "light"),) if report_of(site) else ()),
    ):
        path = folder / f"{name}.png"
        take(browser, address + url, path, width=width, scheme=scheme, whole=False)
        # A page has few colours, and a repository keeps every picture.
        Image.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)


def everything(browser: Any, address: str, site: Path, folder: Path) -> None:
    """Every page of ours, and a report of each kind."""
    pages = [path.name for path in sorted(site.glob("*.html"))]
    pages = [benchmark_of(site) if each == "benchmark.html" else each for each in pages]
    pages = [commit_of(site) if each == "commit.html" else each for each in pages]
    for kind in ("runs", "load", "chaos"):
        found = sorted((site / kind).rglob("report.html"))
        pages += [str(path.relative_to(site)) for path in found[-1:]]
    folder.mkdir(parents=True, exist_ok=True)
    for url in pages:
        name = url.partition(".html")[0].replace("/", "-")
        for width in (WIDE, PHONE):
            for scheme in ("light", "dark"):
                path = folder / f"{name}-{width}-{scheme}.png"
                take(browser, address + url, path, width=width, scheme=scheme, whole=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / ".asv" / "html")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, into this folder")
    options = parser.parse_args()
    with serving(options.site) as address, chromium() as browser:
        if options.all:
            everything(browser, address, options.site, options.all)
        else:
            documented(browser, address, options.site, ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
