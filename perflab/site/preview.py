"""`python -m perflab preview`: serve the site to this machine alone.

Rule: serves files; builds nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["add_arguments", "main"]

ADDRESS = "127.0.0.1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `preview`."""
    parser.add_argument("--port", type=_port, default=8080, metavar="N", help="(default: 8080)")


def main(options: argparse.Namespace, site: Path, write: Callable[[str], None]) -> int:
    """Serve a folder until Ctrl-C, which is the end that it has: 0; 2 if it cannot be served."""
    if not (site / "index.html").is_file():
        print("error: no site yet: make site", file=sys.stderr)
        return 2
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    try:
        server = ThreadingHTTPServer((ADDRESS, options.port), handler)
    except OSError as error:
        print(
            f"error: port {options.port} of {ADDRESS} cannot be had ({error.strerror}): another "
            "one with PORT= or --port, or end what uses it",
            file=sys.stderr,
        )
        return 2
    with server, contextlib.suppress(KeyboardInterrupt):
        write(f"== http://{ADDRESS}:{server.server_port}/ (Ctrl-C ends it)")
        server.serve_forever()
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535 (0: any that is free), not {text}")
    return int(text)
