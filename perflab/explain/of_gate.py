"""Explain a red figure of a gate, from the verdict that it left.

Rule: reads `verdict.json`; measures and traces nothing, for the gate has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perflab.explain.form import Explanation, MovedFigure, trade_group
from perflab.explain.lines import accepting, reproducing
from perflab.gate.cause.form import BlamedHunk, Cause, RisenFunction, TracedQuestion
from perflab.gate.judge import GateVerdict

__all__ = ["VerdictError", "explain_verdict", "read_verdict"]

VERDICT = "verdict.json"
CHANGED = (GateVerdict.REGRESSION, GateVerdict.IMPROVEMENT)


class VerdictError(Exception):
    """A file is no verdict, or has no such figure; the message says which."""


def read_verdict(path: Path) -> dict[str, Any]:
    """A verdict, from its file or its folder. Raises VerdictError."""
    file = path / VERDICT if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] != 1 or not isinstance(content["benchmarks"], dict):
            raise ValueError("of another form")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerdictError(f"{file} is no verdict of a gate: {error}") from error
    assert isinstance(content, dict)
    return content


def explain_verdict(content: Mapping[str, Any], figure: str = "") -> Explanation:
    """One red figure of a gate, by default the worst. Raises VerdictError."""
    try:
        return _explained(content, figure)
    except (KeyError, TypeError, AttributeError) as error:
        raise VerdictError(f"it is no verdict of a gate: it has no {error}") from error


def _explained(content: Mapping[str, Any], figure: str) -> Explanation:
    benchmarks = content["benchmarks"]
    red = [name for name, each in benchmarks.items() if each["verdict"] == GateVerdict.REGRESSION]
    red.sort(key=lambda name: (benchmarks[name]["kind"] != "exact", -_ratio(benchmarks[name])))
    if not figure and not red:
        raise VerdictError("this gate has called nothing a regression; name a figure")
    name = figure or red[0]
    if name not in benchmarks:
        raise VerdictError(f"this gate has no figure '{name}'; red are {', '.join(red) or 'none'}")
    each, base, head = benchmarks[name], content["base"], content["head"]
    changed = {
        other: entry
        for other, entry in benchmarks.items()
        if entry["verdict"] in CHANGED and other != name
    }
    cause = _cause(content.get("cause"))
    folded = _same_question(cause, name)
    ratio = _ratio(each)
    accepted = each.get("accepted") or {}
    return Explanation(
        figure=name,
        unit=each["unit"],
        kind=each["kind"],
        state=each["verdict"],
        before=_number(each["base"]),
        after=_number(each["head"]),
        ratio=ratio,
        low=_number(each["low"], ratio),
        high=_number(each["high"], ratio),
        power=_power(each),
        machine=content.get("about", {}).get("machine", ""),
        base=base["commit"],
        commit=head["commit"],
        subject=head["subject"],
        where=f"measured beside {base['commit'][:8]} {base['subject']}",
        traced=(base["commit"], head["commit"]),
        cause=cause,
        no_cause="" if cause else "a gate traces what is red, and nothing was",
        moved=tuple(_moved(changed)),
        same=tuple(f"{other}  {_told(benchmarks[other])}" for other in folded if other in changed),
        why=accepted.get("reason") or each["why"],
        reproduce=reproducing(name, name, base["commit"], head["commit"]),
        accept=accepting(name, ratio) if each["verdict"] == GateVerdict.REGRESSION else "",
    )


def _number(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None else float(value)


def _ratio(each: Mapping[str, Any]) -> float:
    """Head over base; a verdict has null for what is infinite."""
    if each["ratio"] is None:
        return math.inf if each["head"] else math.nan
    return float(each["ratio"])


def _told(each: Mapping[str, Any]) -> str:
    ratio = _ratio(each)
    return f"{(ratio - 1) * 100:+.3g} %" if math.isfinite(ratio) else "from 0"


def _power(each: Mapping[str, Any]) -> str:
    if each["kind"] == "exact" and not each["smallest"]:
        return "any change of it is one"
    if each["smallest"] is None:
        return "too few rounds to say"
    change = (each["smallest"] - 1) * 100
    return f"{change:.2g} % more would have been called slower" if change else "any change is one"


def _moved(changed: Mapping[str, Mapping[str, Any]]) -> list[MovedFigure]:
    found = [
        MovedFigure(
            figure=name, group=trade_group(name), before=_number(each["base"]),
            after=_number(each["head"]), unit=each["unit"], ratio=_ratio(each),
            sure="exact" if each["kind"] == "exact" else "told",
        )
        for name, each in changed.items()
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each.group, -abs(math.log(each.ratio or 1e-9))))


def _same_question(cause: Cause | None, name: str) -> list[str]:
    """Other red figures of what was traced for this one: they are the same work, counted twice."""
    if cause is None:
        return []
    return [
        other
        for each in cause.traced
        if name in each.figures
        for other in each.figures
        if other != name
    ]


def _cause(content: Mapping[str, Any] | None) -> Cause | None:
    if not content:
        return None
    return Cause(
        traced=tuple(
            TracedQuestion(
                said=each["said"],
                figures=tuple(each["figures"]),
                functions=tuple(
                    RisenFunction(
                        **{name: _tupled(value) for name, value in function.items()}
                    )
                    for function in each["functions"]
                ),
                problem=each["problem"],
            )
            for each in content["traced"]
        ),
        hunks=tuple(
            BlamedHunk(**{name: _tupled(value) for name, value in each.items()})
            for each in content["hunks"]
        ),
        others=content["others"],
        seconds=content["seconds"],
        problem=content["problem"],
    )  # fmt: skip


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
