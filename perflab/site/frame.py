"""asv's own page inside our navigation, without tiles that have nothing behind them.

asv's page keeps all it has; ours stands above it, and asv's own bar and views move down by its
height. A benchmark that was never measured has no graph, and asv would show an empty tile for it.

Rule: text in, text out; knows asv's page by the few words below.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

__all__ = ["drop_dead_tiles", "framed"]

STYLE = '<link href="static/frame.css" rel="stylesheet" type="text/css"/>\n  </head>'
BODY = '<body>\n    <nav id="nav"'
TOP, LOWER = "top: 55px", "top: 91px"


def framed(page: str, navigation: str) -> str:
    """asv's page below our navigation; as it was where it is not the one that is known."""
    if BODY not in page:
        return page
    return (
        page.replace("</head>", STYLE, 1)
        .replace(BODY, BODY.replace("\n", f"\n{navigation}", 1), 1)
        .replace(TOP, LOWER)
        .replace("<html>", '<html lang="en">', 1)
    )


def drop_dead_tiles(benchmarks: MutableMapping[str, Any], site: Path) -> None:
    """Take those without a graph from what asv is about to list."""
    from asv.graph import Graph

    for name in list(benchmarks):
        if not (site / f"{Graph.get_file_path({'summary': ''}, name)}.json").is_file():
            del benchmarks[name]
