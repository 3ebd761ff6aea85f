"""What .mkdocs.yml cannot say: every decision has its place, without a line for each."""

from pathlib import Path
from typing import Any

PATTERN = "decisions/*.md"


def on_config(config: Any) -> None:
    """Put the files in the place of the pattern in `nav`."""
    docs = Path(config["docs_dir"])
    files = sorted(str(path.relative_to(docs)) for path in docs.glob(PATTERN))
    config["nav"] = _spread(config["nav"], files)


def _spread(nav: Any, files: list[str]) -> Any:
    if isinstance(nav, list):
        return [_spread(each, files) for each in nav]
    if isinstance(nav, dict):
        return {name: _spread(each, files) for name, each in nav.items()}
    return files if nav == PATTERN else nav
