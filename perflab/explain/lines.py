"""The two lines that whoever reads an explanation may want to type.

Rule: text for a shell; every name in it is quoted.
"""

from __future__ import annotations

import datetime
import json
import math
import shlex

__all__ = ["accepting", "reproducing"]

DAYS = 90  # at most, that a line of the policy may accept something
ROOM = 1.05  # above what was seen


def reproducing(metric: str, series: str, base: str, head: str) -> str:
    """Measures both sides again: by the gate where it has the figure (`metric`), else by asv."""
    if metric:
        only = shlex.quote(metric)
        return f"python -m perflab gate {_short(base)} {_short(head)} --only {only} --anyway"
    benchmark = shlex.quote(series.partition("(")[0])
    return f"asv continuous {_short(base)} {_short(head)} --bench {benchmark}"


def accepting(figure: str, ratio: float, today: datetime.date | None = None) -> str:
    """Appends a line that accepts it to the policy: WHY is for whoever does."""
    until = (today or datetime.date.today()) + datetime.timedelta(days=DAYS)
    up_to = math.ceil(ratio * ROOM * 1000) / 1000 if math.isfinite(ratio) else 1000
    # The policy matches as file names are: a bracket would begin a set.
    pattern = figure.replace("[", "[[]")
    named = f"match = {json.dumps(pattern, ensure_ascii=False)}"
    lines = ("", "[[accept]]", named, f"up_to = {up_to:g}", 'reason = "WHY"', f"until = {until}")
    marks = {"\\": "\\\\", "%": "%%"}  # that mean something to printf
    told = "".join("".join(marks.get(each, each) for each in line) + "\\n" for line in lines)
    return f"printf {shlex.quote(told)} >> perflab/gate/policy.toml"


def _short(commit: str) -> str:
    return commit[:12] + ("^" if commit.endswith("^") else "")
