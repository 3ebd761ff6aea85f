"""Make asv's published site load everything it needs from itself.

Rule: after publishing, no page, script or style of the site asks the network for anything.

asv's index.html takes ten scripts and styles from content networks; without internet its reader
sees an error about swallows. This publisher runs as a plugin at the end of `asv publish`: it puts
the vendored copies beside the page, points the page at them and then looks for what is left over.
A newer asv that asks for another file therefore fails to publish, naming the address, instead of
quietly producing a site that works only where the network does.
"""

import html
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

__all__ = ["SiteError", "external_references", "make_offline", "register", "setup"]

VENDOR = Path(__file__).parent / "vendor"

# What asv 0.6.6 asks for, by the address's path (hosts differ, paths carry the version), and the
# file under vendor/ that answers it. vendor/README.md says where each comes from.
VENDORED = {
    "jquery-3.3.1.min.js": "jquery/jquery.min.js",
    "ajax/libs/flot/0.8.3/jquery.flot.min.js": "flot/jquery.flot.js",
    "ajax/libs/flot/0.8.3/jquery.flot.time.min.js": "flot/jquery.flot.time.js",
    "ajax/libs/flot/0.8.3/jquery.flot.selection.min.js": "flot/jquery.flot.selection.js",
    "ajax/libs/flot/0.8.3/jquery.flot.categories.min.js": "flot/jquery.flot.categories.js",
    "npm/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js": (
        "flot-orderbars/jquery.flot.orderBars.js"
    ),
    "ajax/libs/stupidtable/1.0.1/stupidtable.min.js": "stupidtable/stupidtable.min.js",
    "ajax/libs/blueimp-md5/2.19.0/js/md5.min.js": "blueimp-md5/md5.min.js",
    "npm/bootstrap@3.1.1/dist/js/bootstrap.min.js": "bootstrap/js/bootstrap.min.js",
    "npm/bootstrap@3.1.1/dist/css/bootstrap.min.css": "bootstrap/css/bootstrap.min.css",
}

# Attributes by which a tag makes the browser fetch something; a plain <a href> does not.
LOADING_ATTRIBUTES = {"src", "srcset", "data", "poster", "background"}
# Meaningless for a file of our own origin, and `integrity` would refuse the unminified copies.
CDN_ATTRIBUTES = {"integrity", "crossorigin", "referrerpolicy"}

EXTERNAL = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
EXTERNAL_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)['"]?((?:https?:)?//[^'")\s]+)""", re.I)
EXTERNAL_IN_JS = re.compile(r"""https?://[^'"\s)]+""", re.IGNORECASE)


class SiteError(RuntimeError):
    """The site would not work without internet; the message names the address it asks for."""


_publishers: list[type] = []  # asv finds publishers through weak references: these keep them alive


def setup() -> None:
    """Called by asv when it loads this module as a plugin, and only then."""

    def front(conf: Any, repo: Any) -> None:
        from perflab.site.build import publish_front

        publish_front(conf, repo)

    register(front)


def register(front: Callable[[Any, Any], None]) -> None:
    """Let asv call `front`, with its configuration and repository, and then make the site offline.

    asv's base class cannot be imported above: discovery imports every module below benchmarks/,
    in environments that have no asv.
    """
    from asv.publishing import OutputPublisher

    class OfflineSite(OutputPublisher):  # type: ignore[misc]  # asv carries no types
        """The hook that `asv publish` calls once its own files are written."""

        name = "offline"

        @classmethod
        def publish(
            cls, conf: Any, repo: object, benchmarks: object, graphs: object, revisions: object
        ) -> None:
            make_offline(Path(conf.html_dir))

    class FrontPages(OutputPublisher):  # type: ignore[misc]  # asv carries no types
        """Our own pages; before the above, which looks through these too."""

        name = "front"
        order = 10

        @classmethod
        def publish(
            cls, conf: Any, repo: Any, benchmarks: Any, graphs: Any, revisions: Any
        ) -> None:
            from perflab.site.frame import drop_dead_tiles

            front(conf, repo)
            drop_dead_tiles(benchmarks, Path(conf.html_dir))  # asv lists them after this

    _publishers.extend((OfflineSite, FrontPages))


def make_offline(site: Path) -> None:
    """Rewrite the published site in place.

    Raises SiteError when a page asks for an address that no vendored file answers.
    """
    shutil.copytree(VENDOR, site / "vendor", dirs_exist_ok=True)
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        prefix = "../" * (len(page.relative_to(site).parts) - 1) + "vendor/"
        page.write_text(_rewritten(text, prefix), encoding="utf-8")
    left = external_references(site)
    if left:
        raise SiteError(
            "the site would need the internet for "
            + "; ".join(f"{url} (asked for by {file})" for file, url in left)
            + ". Put the file under perflab/site/vendor and its path into VENDORED."
        )


def external_references(site: Path) -> list[tuple[str, str]]:
    """Everything that the site's own files load from elsewhere, as (file, address).

    Vendored files are left out: they are fixed, and held by their checksums in the tests.
    """
    found = []
    for file in sorted(site.rglob("*")):
        name = file.relative_to(site)
        if name.parts[0] == "vendor" or file.suffix not in {".html", ".js", ".css"}:
            continue
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".html":
            urls = _parsed(text).external
        else:
            pattern = EXTERNAL_IN_JS if file.suffix == ".js" else EXTERNAL_IN_CSS
            urls = pattern.findall(text)
        found += [(str(name), url) for url in urls]
    return found


def _rewritten(text: str, prefix: str) -> str:
    for raw, tag, attributes in _parsed(text).loading:
        replaced = []
        for name, value in attributes:
            if name in CDN_ATTRIBUTES:
                continue
            local = VENDORED.get(_path(value or ""))
            replaced.append((name, value if local is None else prefix + local))
        if replaced != attributes:
            text = text.replace(raw, _tag(tag, replaced))
    return text


def _path(url: str) -> str:
    """The part of an address behind its host."""
    return url.split("//", 1)[-1].partition("/")[2]


def _tag(name: str, attributes: list[tuple[str, str | None]]) -> str:
    written = [
        key if value is None else f'{key}="{html.escape(value)}"' for key, value in attributes
    ]
    return f"<{' '.join([name, *written])}>"


class _Page(HTMLParser):
    """Collects the tags that fetch something from outside, and inline code that names addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.loading: list[tuple[str, str, list[tuple[str, str | None]]]] = []
        self.external: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loads = LOADING_ATTRIBUTES | ({"href"} if tag == "link" else set())
        urls = [value for key, value in attrs if key in loads and value and EXTERNAL.match(value)]
        urls += [url for key, value in attrs if key == "style" for url in _css_urls(value or "")]
        if urls:
            self.external += urls
            self.loading.append((self.get_starttag_text() or "", tag, attrs))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.external += EXTERNAL_IN_JS.findall(data)
        elif self.cdata_elem == "style":
            self.external += _css_urls(data)


def _css_urls(text: str) -> list[str]:
    return EXTERNAL_IN_CSS.findall(text)


def _parsed(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    page.close()
    return page
