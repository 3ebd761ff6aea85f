"""What CHANGELOG.md says of one version: `python .github/release_notes.py v1.2.3 > notes.md`.

Ends with 1 and one line if the tag is not this package's version, or the changelog says nothing.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes_of(tag: str, root: Path = ROOT) -> str:
    """The section `## 1.2.3` of the changelog. Raises ValueError."""
    version = re.search(r'__version__ = "(.+)"', (root / "p2pcore" / "version.py").read_text())
    if version is None or tag != f"v{version[1]}":
        found = version[1] if version else "none"
        raise ValueError(f"the tag is {tag}, and p2pcore/version.py says {found}")
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## {re.escape(version[1])}(?![\w.])[^\n]*"
    section = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section `## {version[1]}`, or nothing in it")
    return section[1].strip()


if __name__ == "__main__":
    try:
        print(notes_of(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
