"""A site in headless Chromium: a server for its files on loopback, and the browser.

Rule: opens and waits; what is looked for is the caller's.
"""

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
WIDE, PHONE = 1280, 390  # pixels


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(site: Path) -> Iterator[str]:
    """Serve a folder as long as the block lasts; its address, with a slash at the end."""
    handler = partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        # Its sandbox needs what containers do not give; the pages are our own.
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def wait_shown(page: Any) -> None:
    """Wait until a page is whole: ours say when they are."""
    if "<main" in page.content():
        page.wait_for_selector("html[data-shown]", state="attached")
    else:
        page.wait_for_load_state("networkidle")
