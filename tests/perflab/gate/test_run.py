"""Every figure of a gate answers a question, which docs/gate.md tells with its cost."""

from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path

from perflab.gate.clock import USUAL_S
from perflab.gate.run import METRICS, STAGES

PAGE = Path(__file__).parents[3] / "docs" / "gate.md"
ADDED = ("edge", "sizes", "imports", "populations", "lives")
ADDED_S = 120  # what those may take together


def rows() -> list[tuple[str, list[str], float]]:
    """Stage, patterns and seconds of each row of the table of questions."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("| question | stage | figures |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        (stage, [each.strip("` ") for each in figures.split(",")], float(seconds))
        for _, stage, figures, seconds in cells
    ]


def test_the_table_has_every_stage_with_its_seconds() -> None:
    told: dict[str, float] = defaultdict(float)
    for stage, _, seconds in rows():
        told[stage] += seconds
    assert told == {stage: seconds for stage, seconds in USUAL_S.items() if stage != "build"}
    assert sum(USUAL_S[stage] for stage in ADDED) <= ADDED_S


def test_every_figure_belongs_to_the_row_of_its_stage() -> None:
    table = rows()
    for stage, names in STAGES.items():
        for name in names:
            first = next(each for each, patterns, _ in table
                         if any(fnmatchcase(name, one) for one in patterns))  # fmt: skip
            assert first == stage, name
    assert len(set(METRICS)) == len(METRICS)


def test_every_pattern_matches_a_figure() -> None:
    for _, patterns, _ in rows():
        for pattern in patterns:
            assert any(fnmatchcase(name, pattern) for name in METRICS), pattern
