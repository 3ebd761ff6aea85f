"""The documentation as a site: it builds strictly, loads nothing from elsewhere, is complete."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import p2pcore
from p2pcore.blocking import Client
from tests.perflab.browser import CHROMIUM, PHONE, WIDE, chromium, serving

ROOT = Path(__file__).parents[1]
PAGES = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ".mkdocs.yml"]
    done = subprocess.run(
        [*build, "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_has_its_place() -> None:
    text = (ROOT / ".mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"(?:- |: )([\w/-]+\.md)$", text, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {page for page in PAGES if not page.startswith("decisions/")}
    tops = [each for each in yaml.safe_load(text)["nav"] if isinstance(each, dict)]
    assert [next(iter(top)) for top in tops] == [
        "Home", "Tutorial", "How to", "Reference", "Explanation",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_api_has_every_public_name(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    there = set(re.findall(r'id="(p2pcore\.[\w.]+)"', page))
    assert {f"p2pcore.{name}" for name in p2pcore.__all__} <= there
    shown = {f"p2pcore.{name}": getattr(p2pcore, name) for name in p2pcore.__all__}
    shown["p2pcore.blocking.client.BlockingClient"] = Client
    for name, thing in shown.items():
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            own = [
                each
                for base in thing.__mro__
                if base.__module__.startswith("p2pcore")
                for each in vars(base)
                if not each.startswith("_")
                and (callable(vars(base)[each]) or isinstance(vars(base)[each], property))
            ]
            missing = {f"{name}.{each}" for each in own} - there
            assert not missing
    assert "p2pcore.blocking.Client" in page


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(r"<(?:script|img|iframe)[^>]+src=[\"']?(https?:[^\"' >]+)", text)
        loads += re.findall(
            r"<link[^>]+rel=[\"']?(?:stylesheet|preload)[^>]+href=[\"']?(https?:[^\"' >]+)", text
        )
        assert not loads, page


@pytest.mark.slow
def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    """mkdocs checks what Markdown links to; this is what came of it."""
    ids = {page: set(re.findall(r'id="([^"]+)"', page.read_text(encoding="utf-8")))
           for page in site.rglob("*.html")}  # fmt: skip
    dead = []
    for page in ids:
        for link in re.findall(r'<a[^>]+href="([^"]+)"', page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", link) or page.name == "404.html":
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path and path != "." else page
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (anchor and target in ids and anchor not in ids[target]):
                dead.append(f"{page.name}: {link}")
    assert not dead


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_every_page_fits_a_desk_and_a_phone(site: Path) -> None:
    """The first is loaded at both widths, with all there is to search in. The others are loaded at
    a desk's, with little to search in, and then made narrow: that takes half of the time."""
    said: list[str] = []
    asked: list[str] = []
    desk, phone = ({"width": width, "height": 900} for width in (WIDE, PHONE))
    with serving(site) as address, chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        for size in (desk, phone):
            page.set_viewport_size(size)
            page.goto(address)
        index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
        index["docs"] = index["docs"][:1]
        page.route("**/search_index.json", lambda route: route.fulfill(json=index))
        for path in sorted(site.rglob("*.html")):
            page.set_viewport_size(desk)
            page.goto(address + str(path.relative_to(site)))
            assert page.evaluate("document.documentElement.scrollWidth") <= WIDE, path
            page.set_viewport_size(phone)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE, path
    assert sum(url.endswith("search_index.json") for url in asked) > len(PAGES)
    assert not [url for url in asked if not url.startswith((address, "data:"))]
    assert not said
