"""The search for a culprit: every place, unknown commits beside it, and a real history."""

from pathlib import Path

import pytest

from perflab.__main__ import main
from perflab.gate import counts as gate_counts
from perflab.gate.bisect import Answer, search
from perflab.gate.instructions import unavailable
from perflab.gate.seeded_defects import CODEC
from perflab.gate.symbol_edits import begin
from tests.perflab.gate.test_command import commit, repository
from tests.perflab.results.test_checkout import git

__all__ = ["repository"]

UNBUILDABLE = 7  # the first that the search asks
CULPRIT = 5


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_every_culprit_is_found(count: int) -> None:
    for culprit in range(count):
        asked: list[int] = []

        def ask(place: int, culprit: int = culprit, asked: list[int] = asked) -> Answer:
            asked.append(place)
            return Answer.DIFFERENT if place >= culprit else Answer.SAME

        assert search(count, ask) == (culprit, culprit)
        assert len(asked) <= 4
        assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("unknown", range(15))
def test_unknown_commits_are_searched_around(unknown: int) -> None:
    for culprit in range(16):

        def ask(place: int, culprit: int = culprit) -> Answer:
            if place == unknown:
                return Answer.UNKNOWN
            return Answer.DIFFERENT if place >= culprit else Answer.SAME

        first, last = search(16, ask)
        assert first <= culprit <= last
        hidden = culprit in (unknown, unknown + 1)
        assert (first, last) == ((unknown, unknown + 1) if hidden else (culprit, culprit))


@pytest.mark.slow
@pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "valgrind is there")
def test_a_slowdown_is_found_in_sixteen_commits_of_which_one_does_not_build(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real commits, real builds, real callgrind; under one hash seed instead of three."""
    monkeypatch.setattr(gate_counts, "SEEDS", (0,))
    codec = repository / "p2pcore" / "wire" / "codec.py"
    project = repository / "pyproject.toml"
    text, settings = (file.read_text(encoding="utf-8") for file in (codec, project))
    good = git(repository, "rev-parse", "good")
    git(repository, "checkout", "--quiet", "-b", "history")
    for number in range(16):
        # Between 4 and 6 % of encoding a Store, for the commit after it too.
        slower = begin(CODEC, "encode_frame", "HEADER_BYTES < 0").apply(text)
        content = slower if number >= CULPRIT else text
        codec.write_text(f"{content}# {number}\n", encoding="utf-8")
        project.write_text("[build-system\n" if number == UNBUILDABLE else settings)
        commit(repository, f"Commit {number}")
    assert main(["bisect", "instructions.encode_store", good, "history"]) == 0
    told = capsys.readouterr().out.strip().splitlines()
    assert told[-1].startswith("found: ")
    assert told[-1].endswith(f"Commit {CULPRIT}")
    asked = [
        line for line in told if ": as good" in line or ": as bad" in line or "unknown" in line
    ]
    assert f"Commit {UNBUILDABLE}: unknown" in asked[0]
    (change,) = (line for line in told if line.startswith("BAD differs from GOOD"))
    assert 3.5 < float(change.split("(+")[1].split(" %")[0]) < 6.5


def test_what_did_not_change_is_not_searched(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", "counts.messages.store.8", "good", "heavy"]) == 2
    assert "do not differ" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("counts.byte.store.8", "good", "heavy"), "did you mean counts.bytes.store.8"),
        (("counts.bytes.store.8", "heavy", "good"), "does not come after"),
        (("counts.bytes.store.8", "good", "nowhere"), "git knows no commit"),
        (("counts.bytes.store.8", "good", "heavy", "--budget", "x"), "--budget takes"),
    ],
)
def test_bad_usage_is_three(
    repository: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bisect", *arguments]) == 3
    assert words in capsys.readouterr().err
