"""What a gate says: to people, to a pull request, and to programs.

Rule: puts an outcome into words and marks; decides nothing. Whatever came from a commit or a
program is escaped for where it goes.
"""

from __future__ import annotations

import json
import math
from typing import Any
from xml.etree import ElementTree

from perflab.gate.cause import words
from perflab.gate.judge import GateOutcome, GateVerdict, Judgement
from perflab.gate.record import SLOW_OPERATIONS, Kind

__all__ = [
    "as_annotations",
    "as_json",
    "as_junit",
    "as_markdown",
    "as_table",
    "escaped",
    "headline",
    "said",
]

VERSION = 1  # of the JSON
QUIET = (GateVerdict.UNCHANGED, GateVerdict.SKIPPED, GateVerdict.OBSERVED, GateVerdict.NEW)
WORDS = {0: "pass", 1: "regression", 2: "not everything could be measured or decided"}
SAME_CORE = "both commits have the same core and the same pins: there is nothing to measure"
MOST_ANNOTATIONS = 10  # GitHub shows no more of a kind for a step


def headline(outcome: GateOutcome) -> str:
    """The verdict in one line, with how many benchmarks got which."""
    if outcome.same_core:
        return f"{WORDS[outcome.code]} ({SAME_CORE})"
    counts = outcome.counts()
    order = [f"{counts[each]} {each.value}" for each in GateVerdict if counts[each]]
    return f"{WORDS[outcome.code]} ({', '.join(order) or 'no benchmark'})"


def said(each: Judgement) -> str:
    """One benchmark's verdict with its size: "undecided (could be up to +7.1 %)"."""
    if each.accepted is not None:
        return f"{each.verdict.value}, accepted until {each.accepted.until}"
    if each.verdict is GateVerdict.UNCHANGED and each.kind is not Kind.EXACT:
        return f"unchanged (within ±{_percent(_furthest(each))})"
    if each.verdict is GateVerdict.UNDECIDED:
        if not math.isfinite(each.high):
            return "undecided (too few rounds)"
        return f"undecided (could be {'up to ' if each.high > 1 else ''}{_signed(each.high)})"
    return each.verdict.value


def as_table(outcome: GateOutcome, *, everything: bool = False) -> str:
    """For people: the verdict, then what changed (or all benchmarks), each with its reason."""
    lines = [f"gate: {headline(outcome)}"]
    lines += [f"!! {notice}" for notice in outcome.notices]
    lines += [*_sides(outcome), ""]
    if outcome.same_core and not outcome.judgements:
        return "\n".join([*lines, *_footnotes(outcome)]).rstrip()
    shown = outcome.judgements if everything else _worth_telling(outcome)
    width = max((len(each.label) for each in shown), default=0)
    for each in shown:
        row = f"{each.label:{width}}  {each.kind.value:6}  {_ratio(each):>8}  {_interval(each):18}"
        lines.append(f"{row}  {said(each)}{_because(each)}")
    if not shown:
        lines.append("nothing changed")
    if outcome.cause is not None:
        lines += ["", *words.as_lines(outcome.cause)]
    return "\n".join([*lines, "", *_footnotes(outcome)])


def as_markdown(outcome: GateOutcome) -> str:
    """For a pull request: the verdict first, then only what changed."""
    base, head = outcome.base.commit, outcome.head.commit
    lines = [f"### Benchmark gate: {headline(outcome)}", ""]
    if outcome.notices:
        lines += ["> [!WARNING]", *(f"> - {escaped(notice)}" for notice in outcome.notices), ""]
    lines += [escaped(line) + "  " for line in _sides(outcome)]
    shown = _worth_telling(outcome)
    if shown:
        lines += ["", "| verdict | benchmark | kind | head/base | interval | base → head |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
    for each in shown:
        values = f"{_value(each.base)} → {_value(each.head)} {each.unit}"
        cells = (
            f"**{said(each)}**{_because(each)}",
            f"`{each.label}`",
            each.kind.value,
            _ratio(each),
            _interval(each),
            values if not math.isnan(each.base) else "",
        )
        lines.append("| " + " | ".join(escaped(cell) for cell in cells) + " |")
    if outcome.cause is not None:
        lines += ["", *words.as_marked(outcome.cause, escaped)]
    lines += ["", *(escaped(line) + "  " for line in _footnotes(outcome))]
    if shown:
        again = f"python -m perflab gate {base[:12]} {head[:12]} --only '{shown[0].name}'"
        lines += ["", f"To repeat one line here: `{again}`"]
    if outcome.regressions:
        lines += ["", "The worst of it on one page: `explain.html` among the run's files."]
    return "\n".join(lines) + "\n"


def as_json(outcome: GateOutcome) -> str:
    """For programs; figures that do not exist are null."""
    content = {
        "version": VERSION,
        "exit_code": outcome.code,
        "verdict": WORDS[outcome.code],
        "base": {"commit": outcome.base.commit, "subject": outcome.base.subject},
        "head": {"commit": outcome.head.commit, "subject": outcome.head.subject},
        "about": dict(outcome.head.about),
        "false_alarms": outcome.false_alarms,
        "same_core": outcome.same_core,
        "notices": list(outcome.notices),
        "problems": list(outcome.problems),
        "cause": None if outcome.cause is None else words.as_mapping(outcome.cause),
        "benchmarks": {each.label: _entry(each) for each in outcome.judgements},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _entry(each: Judgement) -> dict[str, Any]:
    numbers = {
        name: getattr(each, name)
        for name in ("base", "head", "ratio", "low", "high", "smallest", "mean")
    }
    finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    accepted = each.accepted and {
        "reason": each.accepted.reason,
        "until": each.accepted.until.isoformat(),
    }
    words = {"verdict": each.verdict.value, "kind": each.kind.value, "unit": each.unit}
    return words | finite | {"rounds": each.rounds, "why": each.why, "accepted": accepted}


def as_junit(outcome: GateOutcome) -> str:
    """JUnit XML: a regression is a failure; what was not measured or decided is an error."""
    found = {each.label: _junit_kind(each) for each in outcome.judgements}
    numbers = {
        "tests": len(found) + len(outcome.problems),
        "failures": sum(kind == "failure" for kind in found.values()),
        "errors": sum(kind == "error" for kind in found.values()) + len(outcome.problems),
        "skipped": sum(kind == "skipped" for kind in found.values()),
    }
    marks = {name: str(number) for name, number in numbers.items()}
    suite = ElementTree.Element("testsuite", {"name": "benchmark gate", **marks})
    for each in outcome.judgements:
        case = ElementTree.SubElement(suite, "testcase", classname=each.kind.value, name=each.label)
        if found[each.label]:
            text = _clean(f"{said(each)}{_because(each)}; {_ratio(each)} {_interval(each)}")
            ElementTree.SubElement(case, found[each.label], message=text)
    for number, problem in enumerate(outcome.problems):
        case = ElementTree.SubElement(suite, "testcase", classname="gate", name=f"problem {number}")
        ElementTree.SubElement(case, "error", message=_clean(problem))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _junit_kind(each: Judgement) -> str:
    if each.verdict is GateVerdict.REGRESSION and each.accepted is None:
        return "failure"
    if each.verdict is GateVerdict.FAILED or each.open:
        return "error"
    return "skipped" if each.verdict in (GateVerdict.SKIPPED, GateVerdict.NEW) else ""


def as_annotations(outcome: GateOutcome) -> list[str]:
    """Workflow commands that make GitHub show the worst beside the run, and what is behind it
    beside its lines."""
    behind = words.as_annotations(outcome.cause) if outcome.cause is not None else ()
    lines = [
        f"::error file={_property(path)},line={first},endLine={last},title=gate::{_command(text)}"
        for path, first, last, text in behind
    ]
    lines += [f"::error title=gate::{_command(problem)}" for problem in outcome.problems]
    lines += [f"::warning title=gate::{_command(notice)}" for notice in outcome.notices]
    for each in _worth_telling(outcome):
        level = {"failure": "error", "error": "warning"}.get(_junit_kind(each), "notice")
        text = f"{each.label}: {said(each)} {_ratio(each)} {_interval(each)}{_because(each)}"
        lines.append(f"::{level} title=gate::{_command(text)}")
    return lines[:MOST_ANNOTATIONS]


def _worth_telling(outcome: GateOutcome) -> list[Judgement]:
    """What changed or went wrong, the worst first."""
    shown = [each for each in outcome.judgements if each.verdict not in QUIET]
    order = {verdict: place for place, verdict in enumerate(GateVerdict)}
    return sorted(shown, key=lambda each: (order[each.verdict], _size(each)))


def _size(each: Judgement) -> float:
    return -abs(math.log(each.ratio)) if each.ratio > 0 and math.isfinite(each.ratio) else 0.0


def _sides(outcome: GateOutcome) -> list[str]:
    return [
        f"{name} {side.commit[:12]} {side.subject}".rstrip()
        for name, side in (("base", outcome.base), ("head", outcome.head))
    ]


def _footnotes(outcome: GateOutcome) -> list[str]:
    notes = [f"problem: {problem}" for problem in outcome.problems]
    for kind in (Kind.PAIRED, Kind.SEEDED):
        least = [
            each.smallest
            for each in outcome.judgements
            if each.kind is kind and each.unit != SLOW_OPERATIONS and math.isfinite(each.smallest)
        ]
        if least:
            middle = sorted(least)[len(least) // 2]
            notes.append(
                f"{kind.value}: the smallest slowdown that this run could have found is "
                f"{_signed(middle)} for half of {len(least)} benchmarks, "
                f"{_signed(max(least))} for all"
            )
    skipped = {each.why for each in outcome.judgements if each.verdict is GateVerdict.SKIPPED}
    notes += [f"skipped: {why}" for why in sorted(skipped)]
    notes += [
        f"the policy's acceptance of {line.match} ended on {line.until}: remove it"
        for line in outcome.expired
    ]
    if not outcome.same_core:
        notes.append(
            f"on identical code, at most {_percent(outcome.false_alarms)} of whole gates "
            "say regression"
        )
    return notes


def _because(each: Judgement) -> str:
    """The reason in one line; of a traceback, how it came about and its last line."""
    lines = (each.accepted.reason if each.accepted else each.why).splitlines()
    return f": {' … '.join(dict.fromkeys([lines[0], lines[-1]]))}" if lines else ""


def _ratio(each: Judgement) -> str:
    if math.isnan(each.ratio):
        return ""
    return "from 0" if math.isinf(each.ratio) else _signed(each.ratio)


def _interval(each: Judgement) -> str:
    if math.isnan(each.ratio) or math.isinf(each.ratio) or each.low == each.high:
        return ""
    if not math.isfinite(each.high):
        return "[unknown]"
    return f"[{_signed(each.low)}, {_signed(each.high)}]"


def _furthest(each: Judgement) -> float:
    return max(each.high - 1, 1 - each.low)


def _signed(ratio: float) -> str:
    """A ratio as the change that it is: 1.05 is +5.0 %."""
    change = ratio - 1
    return f"{change * 100:+.0f} %" if abs(change) >= 1 else f"{change * 100:+.2g} %"


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %"


def _value(number: float) -> str:
    return f"{number:.5g}"


def escaped(text: str) -> str:
    """For a cell of a Markdown table on GitHub; names in backquotes stay as they are."""
    plain = " ".join(text.split())
    for mark in ("&", "<", ">"):
        plain = plain.replace(mark, {"&": "&amp;", "<": "&lt;", ">": "&gt;"}[mark])
    # A zero-width space keeps words of a commit from calling people.
    return plain.replace("|", "\\|").replace("@", "@\u200b")


def _command(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _command(text).replace(":", "%3A").replace(",", "%2C")


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t")
