"""What the front page says of changes: one row for what moved together, and where it is from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from perflab.results.culprits import StepCulprit
from perflab.site.findings import findings
from perflab.site.model import SiteModel
from tests.perflab.site.test_culprits import FOUND, model_of


def touching(files: Mapping[int, Sequence[str]], *culprits: StepCulprit) -> SiteModel:
    """The figure changed at commit 9; 2 was measured before it."""
    touched = {f"{number:040}": list(files.get(number, ())) for number in range(10)}
    return replace(model_of(*culprits), project="core", touched=touched)


@pytest.mark.parametrize(
    ("files", "culprit", "cause"),
    [
        ({5: ["core/a.py", "docs/b.md"], 6: ["docs/c.md"]}, 5, "a.py"),
        ({9: ["core/a.py", "core/x/b.py"], 1: ["core/z.py"]}, None, "a.py, x/b.py"),
        (
            {3: ["core/a.py"], 4: ["core/x/b.py", "core/x/c.py"]},
            None,
            "one of 2 commits: 3 files in x/, its top",
        ),
        (
            {1: ["core/a.py"], 4: ["tests/core/a.py"]},
            None,
            "nothing in core/ changed: the machine, the suite or chance",
        ),
    ],
)
def test_only_commits_that_touch_the_code_can_be_it(
    files: Mapping[int, Sequence[str]], culprit: int | None, cause: str
) -> None:
    (row,) = findings(touching(files))
    assert row.commit == f"{9:040}"
    assert row.culprit == ("" if culprit is None else f"{culprit:040}")
    assert row.cause == cause


def test_what_git_cannot_tell_is_one_of_all() -> None:
    (row,) = findings(model_of())
    assert (row.cause, row.culprit, row.change.since) == ("one of 7 commits", "", 7)


def test_a_search_says_more_than_git() -> None:
    (row,) = findings(touching({4: ["core/a.py"]}, FOUND))
    assert row.culprit == FOUND.commit
    assert row.cause == "made by it (99.8 %, of 7 commits searched)"
    (row,) = findings(touching({4: ["core/a.py"]}, replace(FOUND, commit="")))
    assert (row.culprit, row.cause) == ("", "no commit made it (99.8 %, of 7 commits searched)")


def test_without_a_folder_of_its_name_all_but_tests_and_words_is_code() -> None:
    model = replace(touching({5: ["lib/a.py"], 6: ["README.md", "tests/b.py"]}), project="other")
    (row,) = findings(model)
    assert (row.culprit, row.cause) == (f"{5:040}", "lib/a.py")
