"""How soon a site's pages can be used: medians of some first visits each, with an empty cache.

    python -m tests.perflab.site.first_view SITE [--runs 5]

Milliseconds since the address was asked for, by Chromium's own performance timeline: the first
contentful paint, when the document was interactive, and when the page was whole (its script has
drawn what it draws). Bytes are those of all answers.
"""

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from tests.perflab.browser import WIDE, chromium, serving, wait_shown
from tests.perflab.site.screenshots import benchmark_of, commit_of

READ = """() => {
    const [navigation] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    const [shown] = performance.getEntriesByName("shown");
    const files = [navigation, ...performance.getEntriesByType("resource")];
    return [paint?.startTime ?? NaN, navigation.domInteractive,
            shown?.startTime ?? navigation.domInteractive,
            files.reduce((sum, each) => sum + each.encodedBodySize, 0)];
}"""


def visit(browser: Any, url: str) -> list[float]:
    """One first visit, in a context of its own."""
    context = browser.new_context(viewport={"width": WIDE, "height": 800})
    page = context.new_page()
    page.goto(url)
    wait_shown(page)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    found: list[float] = page.evaluate(READ)
    context.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    pages = ["index.html", benchmark_of(options.site), commit_of(options.site)]
    pages += ["compare.html", "benchmarks.html", "runs.html", "load.html"]
    print(
        "| page | first paint, ms | interactive, ms | whole, ms | kB |\n| --- " + "| --- " * 4 + "|"
    )
    with serving(options.site) as address, chromium() as browser:
        visit(browser, address + "index.html")  # the browser's own first page
        for url in pages:
            columns = zip(
                *(visit(browser, address + url) for _ in range(options.runs)), strict=True
            )
            *times, size = (median(column) for column in columns)
            told = " | ".join(f"{value:.0f}" for value in (*times, size / 1000))
            print(f"| {url.partition('?')[0]} | {told} |")


if __name__ == "__main__":
    main()
