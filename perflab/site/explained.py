"""The explanation of a change: its page where one is filed, else the command that writes it.

Only steps that `python -m perflab alerts` told last can be explained.

Rule: looks up and copies what `python -m perflab explain` has filed; explains nothing.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from perflab.results.explained import EXPLAINED, ToldStep
from perflab.site.lines import asv_name
from perflab.site.model import ChangeFound, SiteModel

__all__ = ["copy_explained", "explanation_of"]

PLAIN = re.compile(r"""[^"$`\\!]*""")  # between double quotes, a shell leaves it as it is


def explanation_of(model: SiteModel, found: ChangeFound) -> dict[str, str] | None:
    """The address of its page, or the command that writes it; None if no alert told it."""
    place, commits = model.history.places[found.place], model.history.commits
    asked = place.machine, place.environment, asv_name(found.benchmark, found.case)
    for each in model.told:
        if (each.machine, each.environment, each.series) != asked:
            continue
        numbers = {commit.hash: number for number, commit in enumerate(commits)}
        good, last = numbers.get(each.good), numbers.get(each.last)
        if good is None or last is None or not good < found.change.at <= last:
            continue
        if each.page is not None:
            return {"page": f"{EXPLAINED}/{each.page.name}"}
        series = each.series
        quoted = f'"{series}"' if PLAIN.fullmatch(series) else shlex.quote(series)
        return {"command": f"python -m perflab explain {quoted}"}
    return None


def copy_explained(told: Iterable[ToldStep], site: Path) -> None:
    """The pages that are filed, into a site."""
    for page in (each.page for each in told if each.page is not None):
        (site / EXPLAINED).mkdir(exist_ok=True)
        shutil.copyfile(page, site / EXPLAINED / page.name)
