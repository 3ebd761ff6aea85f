"""Which commit a change is from, where a search among unmeasured ones has found it.

Rule: looks up what `python -m perflab bisect --steps` has filed; searches nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perflab.results.culprits import (
    CULPRITS,
    CulpritsError,
    StepCulprit,
    culprit_of,
    read_culprits,
)
from perflab.site.lines import asv_name
from perflab.site.model import ChangeFound, SiteModel

__all__ = ["culprit_words", "filed_culprits"]


def filed_culprits(filed: Path, problems: list[str]) -> list[StepCulprit]:
    """What was found so far; a file that cannot be read costs nothing but itself."""
    try:
        return read_culprits(filed / "alerts" / CULPRITS)
    except CulpritsError as error:
        problems.append(str(error))
        return []


def culprit_words(model: SiteModel, found: ChangeFound) -> dict[str, Any] | None:
    """The number of the commit (null: no commit made it), how sure that is, and among how many;
    None where nobody has searched to an end."""
    if not model.culprits:
        return None
    commits = model.history.commits
    places = {commit.hash: number for number, commit in enumerate(commits)}
    place, change = model.history.places[found.place], found.change
    each = culprit_of(
        model.culprits, place.machine, place.environment, asv_name(found.benchmark, found.case),
        commits[change.before].hash, commits[change.at].hash, places,
    )  # fmt: skip
    if each is None or not each.certain or (each.commit and each.commit not in places):
        return None
    sure = f"{min(each.probability, 0.9994) * 100:.3g} %"
    return {"at": places.get(each.commit), "sure": sure, "of": each.commits}
