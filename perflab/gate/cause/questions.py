"""Which question a figure answers: what has to be done again, under a trace, to see who does more.

Rule: names only; a figure that is unknown here has no question, and its hunks are ranked without.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.common.counting.crowds import CROWDS
from benchmarks.micro.catalogue import COUNTED
from benchmarks.micro.disk import DISK
from benchmarks.micro.populations import POPULATION_GROWTHS
from benchmarks.micro.sizes import GROWTHS
from perflab.gate.seeds import QUESTIONS

__all__ = ["Question", "QuestionKind", "choice", "question_of"]

MOST = 4  # questions of one gate: each costs a second or two a side


class QuestionKind(StrEnum):
    """What does it."""

    OPERATION = "operation"  # a static swarm of `where` nodes
    EDGE = "edge"  # a swarm over wires, on the loop `where`
    MICRO = "function"  # a micro benchmark
    IMPORT = "import"
    KEPT = "kept"  # the static swarm whose memory is counted
    EDGE_KEPT = "kept at the edge"


@dataclass(frozen=True, order=True, slots=True)
class Question:
    """One thing to be done again."""

    kind: QuestionKind
    what: str
    where: str = ""

    def __str__(self) -> str:
        match self.kind:
            case QuestionKind.OPERATION:
                return f"{self.what}, {self.where} nodes"
            case QuestionKind.EDGE:
                return f"{self.what} at the edge, {self.where}"
            case QuestionKind.KEPT:
                return f"memory kept for a {self.what.replace('_', ' ')}"
            case QuestionKind.EDGE_KEPT:
                return f"memory kept at the edge, {self.where}"
            case _:
                return f"{self.kind.value} {self.what}"


KEEPERS = {
    "node": "visit",
    "client": "first_retrieve",
    "record": "store",
    "durable_record": "store",
}
"""The operation in which what is kept comes about."""
SIMULATED = {
    "lookup": "first_retrieve",
    "store": "store",
    "retrieve": "retrieve",
    "join": "visit",
    "overload": "store",
}
CROWDED = {
    "quiet_records": f"records_turn_{CROWDS['records'][0]}",
    "quiet_links": f"links_turn_{CROWDS['links'][0]}",
}
"""The micro benchmark in which a crowd does the same, half as many; all else of a quiet minute is
the upkeep's."""
ENDED = ("life_overwrite", "life_delete")  # what is kept of them is taken after their ends
OF_CROWDS = {"late_operation": "store", "join": "visit", "leave": "visit_with_records"}
LIVED = {"overwrites": "life_overwrite", "deletes": "life_delete", "visits": "life_visit"}
SITUATIONS = {
    "upkeep_with_records": "upkeep",
    "mixed": "store",
    "stale": "visit_with_records",
    "away": "upkeep",
    "back": "visit",
    "ready": "visit",
    "handed_over": "visit_with_records",
    "copies": "visit_with_records",
}
"""The operation or event in which the same is done."""
BATCHES = ("store_many", "retrieve_many", "at_once")  # a hundred records: dear to trace
SWARM = "8"


def question_of(figure: str) -> Question | None:
    """The question that a figure answers; None if this is not known."""
    family, _, rest = figure.partition(".")
    parts = rest.split(".")
    if family in ("instructions", "cpu"):
        return _of_instructions(rest)
    if family == "disk":
        return Question(QuestionKind.MICRO, next(iter(DISK)))
    if family == "memory" and parts[0].startswith("life_"):
        lived = LIVED.get(parts[0].removeprefix("life_"))
        return Question(QuestionKind.MICRO, lived) if lived else _operation("store")
    if family == "memory" and len(parts) == 2:
        if parts[0].startswith("edge_"):
            return Question(QuestionKind.EDGE_KEPT, "clients", parts[1])
        return Question(QuestionKind.KEPT, *parts) if parts[0] in KEEPERS else None
    if family == "counts" and len(parts) == 2:
        crowded = CROWDED.get(parts[1])
        if crowded:
            return Question(QuestionKind.MICRO, crowded)
        return _operation(OF_CROWDS.get(parts[1]))
    if len(parts) != 3:
        return None
    _, what, where = parts
    if family == "counts":
        if what == "import":
            return Question(QuestionKind.IMPORT, where)
        if what.startswith("edge_"):
            return Question(QuestionKind.EDGE, what.removeprefix("edge_"), where)
        return Question(QuestionKind.OPERATION, what, where)
    if family == "events":
        asked = next((name for name, events in QUESTIONS.items() if what in events), None)
        return Question(QuestionKind.OPERATION, asked, where) if asked else None
    if family == "simulated":
        operation = "retrieve" if what.startswith("read") else SIMULATED.get(what)
        return _operation(operation)
    return _operation(SITUATIONS.get(what)) if family in ("traffic", "changes") else None


def _operation(what: str | None) -> Question | None:
    return Question(QuestionKind.OPERATION, what, SWARM) if what else None


def _of_instructions(name: str) -> Question | None:
    if name.startswith("import_"):
        return Question(QuestionKind.IMPORT, name.removeprefix("import_"))
    if name in POPULATION_GROWTHS:
        return Question(QuestionKind.MICRO, POPULATION_GROWTHS[name][0])  # half as many do
    name = GROWTHS[name][1] if name in GROWTHS else name
    return Question(QuestionKind.MICRO, name) if name in COUNTED else None


def beside(question: Question) -> list[Question]:
    """It, and what shows who runs while memory is taken, or before; the last shows its work."""
    if question.kind is QuestionKind.KEPT:
        operation = KEEPERS[question.what]
        return [question, Question(QuestionKind.OPERATION, operation, question.where)]
    if question.kind is QuestionKind.EDGE_KEPT:
        return [question, Question(QuestionKind.EDGE, "connect", question.where)]
    if question.kind is QuestionKind.MICRO and question.what in ENDED:
        return [Question(QuestionKind.MICRO, "life_end"), question]
    if question.kind is QuestionKind.MICRO and question.what in CROWDED.values():
        return [Question(QuestionKind.OPERATION, "upkeep", SWARM), question]
    return [question]


def _alike(one: Question, other: Question) -> bool:
    """Whether one stands for both: records in memory and on disk are made by the same code."""
    whats = {one.what.removeprefix("durable_"), other.what.removeprefix("durable_")}
    return one.kind is other.kind and len(whats) == 1


def choice(figures: Iterable[str]) -> dict[Question, list[str]]:
    """The questions worth asking of red figures (the reddest first), with those that each stands
    for: one of a kind and thing, MOST in all, and batches only where nothing else is red."""
    found: dict[Question, list[str]] = {}
    for figure in figures:
        question = question_of(figure)
        if question is not None:
            found.setdefault(question, []).append(figure)
    chosen: dict[Question, list[str]] = {}
    for question in sorted(found, key=lambda each: each.what in BATCHES):
        same = next((each for each in chosen if _alike(each, question)), None)
        if same is not None:
            chosen[same] += found[question]
        elif len(chosen) < MOST and not (question.what in BATCHES and chosen):
            chosen[question] = list(found[question])
    for question in list(chosen):
        for other in beside(question):
            chosen.setdefault(other, [])
    return chosen
